"""The newest model of learned segments of which all parts are there, from the topic `segments`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from policy.segments.rule import items_of
from schemas.codec import decode_key, decoder
from schemas.errors import BadRecord
from schemas.messages.segments import ITEMS_KEY, MODEL_KEY, SegmentItems, SegmentModel
from schemas.topics import SEGMENTS

_decode_model: Callable[[bytes], SegmentModel] = decoder(SegmentModel)
_decode_items: Callable[[bytes], SegmentItems] = decoder(SegmentItems)


class SegmentModelView:
    """Takes records of `segments` in the order of the log; a version counts once all of its parts are there.

    Until then the version before stays.  With `with_items` off the points of its items are let go.  One thread may
    write while others read: `model` and `points` are replaced as wholes, by `current`.
    """

    def __init__(self, *, with_items: bool = True) -> None:
        self.current: tuple[SegmentModel, Mapping[str, Sequence[int]]] | None = None
        self._with_items = with_items
        self._newest: SegmentModel | None = None
        self._parts: dict[int, SegmentItems] = {}

    @property
    def model(self) -> SegmentModel | None:
        """The model, None where there is none yet."""
        return self.current[0] if self.current else None

    @property
    def names(self) -> list[str]:
        """The model's segments, none where there is no model."""
        return self.model.names if self.model else []

    def take(self, key: str, value: bytes | None) -> bool:
        """Take over a record, a null value takes it away; whether there is another model now.

        Raises `BadRecord` where it is invalid; what was there before stays.
        """
        if key == MODEL_KEY:
            self._newest = None if value is None else _decode_model(value)
        elif (number := _part_of(key)) is None:
            raise BadRecord("key", f"expected `{MODEL_KEY}` or `{ITEMS_KEY}/0`, `{ITEMS_KEY}/1` and so on, got {key!r}")
        elif value is None:
            self._parts.pop(number, None)
        else:
            self._take_part(number, _decode_items(value))
        return self._complete()

    def take_record(self, key: bytes | None, value: bytes | None) -> bool:
        """The same for a record whose key was not read yet."""
        (name,) = decode_key(SEGMENTS, key)
        return self.take(name, value)

    def _take_part(self, number: int, part: SegmentItems) -> None:
        if part.part != number:
            raise BadRecord("key", f"expected `part` to be that of the record's key, {number}, got {part.part}")
        self._parts[number] = part if self._with_items else msgspec.structs.replace(part, items={})

    def _complete(self) -> bool:
        """Take over the newest version where it is another one and complete."""
        newest, before = self._newest, self.model
        if newest is None:
            self.current = None
            return before is not None
        if newest == before or sum(part.version == newest.version for part in self._parts.values()) < newest.parts:
            return False
        points = items_of(newest, self._parts.values())
        if points is None:
            return False
        self.current = newest, points
        return True


def _part_of(key: str) -> int | None:
    """The number of a part by its key; None for another key."""
    kind, _, number = key.partition("/")
    return int(number) if kind == ITEMS_KEY and number.isdecimal() and len(number) <= 3 else None
