"""The compiled common case, where it was built (`compiled.pyx`); without it the same is done in Python.

What it may accept is read from the message's own annotations, so there is one place for limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from schemas.messages.events import Impression, SlotItem
from schemas.topics import IMPRESSIONS
from streams.fold.measures import open_ms
from streams.fold.window import BlockCount, RecentWindow
from streams.settings import FoldSettings

if TYPE_CHECKING:
    from streams.fold.fast.compiled import FastEvents, FastPath

try:
    from streams.fold.fast import compiled
except ImportError:
    BUILT = False
else:
    BUILT = True

Limits = dict[str, dict[str, int]]
_NO_BOUND = 2**62


def window(reach: int, built: bool = BUILT) -> RecentWindow:
    """A window of the kind that a fast path shares."""
    return compiled.RecentWindow(reach) if built else RecentWindow(reach)


def block_count(reach: int, built: bool = BUILT) -> BlockCount:
    """A count of the kind that a fast path shares."""
    return compiled.BlockCount(reach) if built else BlockCount(reach)


def make_fast_path(
    fold: FoldSettings, ids: RecentWindow, views: RecentWindow, units: RecentWindow, brought: BlockCount
) -> FastPath:
    """A fast path that knows no names yet, beside a judge with these windows and this count."""
    life = open_ms(IMPRESSIONS, fold)
    return compiled.FastPath(_limits(Impression) | _limits(SlotItem), fold, life, ids, views, units, brought)


def fast_events_of(fast_path: FastPath) -> FastEvents:
    """What a fast path takes of one batch."""
    return compiled.FastEvents(fast_path)


def _limits(message: type[msgspec.Struct]) -> Limits:
    """Sizes of texts and lists, values of integers: by field."""
    limits = {}
    kind = msgspec.inspect.type_info(message)
    assert isinstance(kind, msgspec.inspect.StructType)
    for field in kind.fields:
        inner = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
        limits[field.encode_name] = _bounds(inner)
    return limits


def _bounds(kind: msgspec.inspect.Type) -> dict[str, int]:
    if isinstance(kind, msgspec.inspect.IntType):
        least, most = kind.ge, kind.le
    else:
        assert isinstance(kind, msgspec.inspect.StrType | msgspec.inspect.ListType)
        least, most = kind.min_length or 0, kind.max_length
    return {"least": -_NO_BOUND if least is None else int(least), "most": _NO_BOUND if most is None else int(most)}
