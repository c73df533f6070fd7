"""The compiled common case, where it was built (`compiled.pyx`); without it the same is done in Python.

What it may accept is read from the message's own annotations, so there is one place for limits.
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from schemas.messages.events import Impression, SlotItem
from schemas.messages.fields import RETURN
from schemas.topic import Topic
from schemas.topics import IMPRESSIONS
from streams.fold.measure import Amount
from streams.fold.measures import VISIBLE_CAP_MS, amounts_of, counts_money, open_ms
from streams.fold.window import Reach, RecentNames
from streams.settings import FoldSettings

if TYPE_CHECKING:
    from streams.fold.fast.compiled import EventPath, FastEvents, FastPath

try:
    from streams.fold.fast import compiled
except ImportError:
    BUILT = False
else:
    BUILT = True

Limits = dict[str, dict[str, int]]
KEY_SIZE = 32
"""Bytes of the key of a window's hash."""
PAIRS = {"rows": ("row_name", "shelf"), "context": ("context_name", "context_value")}
"""What the limits of names and values in a mapping are called."""
_NO_BOUND = 2**62


def recent_names(reach: Reach, built: bool = BUILT, key: bytes | None = None) -> RecentNames:
    """A window of the kind that a fast path shares; with a `key` it keeps what is to be written down."""
    if not built:
        return RecentNames(reach)
    return compiled.RecentNames(reach, key or urandom(KEY_SIZE), key is not None)


def checksum(content: bytes, seed: int) -> int:
    """32 bits that say whether what a window wrote down is whole."""
    return compiled.checksum(content, seed)


def make_fast_path(fold: FoldSettings, recent: RecentNames) -> FastPath:
    """A fast path that knows no names yet, beside a judge with this window."""
    limits = _limits(Impression) | _limits(SlotItem)
    return compiled.FastPath(limits, fold, open_ms(IMPRESSIONS, fold), recent, VISIBLE_CAP_MS)


class EventRules(NamedTuple):
    """What makes an event of a topic plain; times in milliseconds, 0 where a limit does not hold.

    `most` records of a key come from people; amounts are in `currency`, and signals of `kinds` count, None where
    the topic has none.  Page views and orders are marked where they are new.
    """

    time_field: str
    life: int
    late: int
    most: int
    currency: str | None
    kinds: frozenset[str] | None
    marks_views: bool
    marks_orders: bool
    once_per_slot: bool


def event_rules(topic: Topic, fold: FoldSettings) -> EventRules:
    """The rules of a topic by the settings."""
    assert topic.message is not None
    amounts = amounts_of(topic)
    return EventRules(
        time_field=topic.time_field,
        life=open_ms(topic, fold),
        late=fold.allowed_lateness_ms if topic.refuses_late else 0,
        most=getattr(fold, topic.unit_limit) if topic.unit_limit else 0,
        currency=fold.currency if counts_money(topic) else None,
        kinds=frozenset((RETURN, *fold.signals)) if "kind" in topic.message.__struct_fields__ else None,
        marks_views=not amounts.isdisjoint((Amount.NEW_VIEW, Amount.NEW_UNIT)),
        marks_orders=Amount.NEW_ORDER in amounts,
        once_per_slot=topic.once_per_slot,
    )


def make_event_path(
    decode: Callable[[Any], Any], kind: type[Any], rules: EventRules, fold: FoldSettings, recent: RecentNames
) -> EventPath:
    """A path for events that `decode` makes, beside a judge with this window; it accepts entries of a `kind`."""
    return compiled.EventPath(decode, kind, rules, fold, recent)


def fast_events_of(fast_path: FastPath) -> FastEvents:
    """What a fast path takes of one batch."""
    return compiled.FastEvents(fast_path)


def _limits(message: type[msgspec.Struct]) -> Limits:
    """Sizes of texts, lists and mappings, values of integers: by field; names and values of mappings have their own."""
    limits = {}
    kind = msgspec.inspect.type_info(message)
    assert isinstance(kind, msgspec.inspect.StructType)
    for field in kind.fields:
        value = _value_of(field.type)
        limits[field.encode_name] = _bounds(value)
        if isinstance(value, msgspec.inspect.DictType):
            bounds = (_bounds(_value_of(of)) for of in (value.key_type, value.value_type))
            limits |= zip(PAIRS[field.encode_name], bounds, strict=True)
    return limits


def _value_of(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """The type of a field's value without what is said about it, and without null."""
    if isinstance(kind, msgspec.inspect.UnionType):
        (kind,) = (option for option in kind.types if not isinstance(option, msgspec.inspect.NoneType))
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def _bounds(kind: msgspec.inspect.Type) -> dict[str, int]:
    if isinstance(kind, msgspec.inspect.IntType):
        least, most = kind.ge, kind.le
    else:
        assert isinstance(kind, msgspec.inspect.StrType | msgspec.inspect.ListType | msgspec.inspect.DictType)
        least, most = kind.min_length or 0, kind.max_length
    return {"least": -_NO_BOUND if least is None else int(least), "most": _NO_BOUND if most is None else int(most)}
