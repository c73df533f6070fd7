"""The segment of a visitor in whole numbers, the same in every language, and the epoch number that carries it.

`policy/vectors.json` holds examples with their results, for checking another implementation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.messages.segments import SegmentItems, SegmentModel

UNASSIGNED = "t00"
"""The segment of those whom no item that they looked at leads to one."""
OTHER = "other"
"""The value of an attribute that stands for all that are not named."""
EPOCHS = 2**20
"""Numbers of epochs that one learned segment has for itself."""

Items = Mapping[str, Sequence[int]]
_LEARNED = re.compile("t([0-9]{2,9})")


class SegmentSum(NamedTuple):
    """What speaks for a segment."""

    name: str
    points: int


def items_of(model: SegmentModel, parts: Iterable[SegmentItems]) -> dict[str, list[int]] | None:
    """All items of a model, from its parts; None while one is missing.

    Parts of other versions are passed over, and so are items without points for each of its segments.
    """
    own = {part.part: part.items for part in parts if part.version == model.version and part.part < model.parts}
    if len(own) < model.parts:
        return None
    size = len(model.names)
    return {item: points for part in own.values() for item, points in part.items() if len(points) == size}


def last_items(items: Sequence[str], window: int) -> list[str]:
    """The last `window` distinct items, the newest first; an item is where it was looked at last."""
    return list(dict.fromkeys(reversed(items)))[:window]


def segment_sums(model: SegmentModel, points: Items, items: Sequence[str], value: str = "") -> list[SegmentSum]:
    """The sum of each segment of the model, in its order; empty where no item of the window is known.

    `points` are those of the model's items, `items` what the visitor looked at, the newest last, and `value` is the
    visitor's value of the model's attribute.
    """
    sums = _sums(model, points, items, value)
    return [SegmentSum(name, total) for name, total in zip(model.names, sums, strict=True)] if sums else []


def _sums(model: SegmentModel, points: Items, items: Sequence[str], value: str) -> list[int]:
    own = [row for item in last_items(items, model.window) if (row := points.get(item)) is not None]
    if not own:
        return []
    of_value = model.values.get(value) or model.values.get(OTHER)
    return list(map(sum, zip(model.starts, *([of_value] if of_value else ()), *own, strict=True)))


def choose_segment(model: SegmentModel, points: Items, items: Sequence[str], current: str = "", value: str = "") -> str:
    """The segment of a visitor who is in `current` now: that of the largest sum, the first of equal ones.

    The current one is kept while its sum is at most the model's margin lower.  Arguments as in `segment_sums`.
    """
    sums = _sums(model, points, items, value)
    if not sums:
        return UNASSIGNED
    largest = max(sums)
    if current in model.names and sums[model.names.index(current)] + model.margin >= largest:
        return current
    return model.names[sums.index(largest)]


def segment_epoch(segment: str, epoch: int) -> int:
    """The epoch number of a layout that carries its segment: 2**20 times (number of the segment + 1), plus the epoch.

    A click that moves a visitor to another learned segment within an epoch so draws their variant anew: else variant
    and segment depended on each other.  Segments of other names keep the epoch as it is.  Below 2**53.
    """
    learned = _LEARNED.fullmatch(segment)
    return epoch if learned is None else EPOCHS * (int(learned[1]) + 1) + epoch
