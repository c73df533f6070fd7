"""Limits on the distinct names that one partition may bring into a time bucket.

A flood of invented pages, segments or items must not grow the state without
bound, and which names get in must depend on the partition's log alone.  So each
source partition has a quota of its own, kept beside its watermark in Redis as
32-bit hashes of the admitted names (a collision admits a name for free).

A record gets in whole or not at all.  The decision for an offset is the same
whether it is taken with the names known then or with those of any later point
of the same log: a quota that a record overflowed once has fewer free places
later than it still needs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple
from zlib import crc32

import numpy as np

from schemas.messages.events import Impression
from streams.fold.measures import Event
from streams.settings import FoldSettings

KEY, ITEM, SLOT = 0, 1, 2
OPEN_BUCKETS = 8
_ITEM = attrgetter("item")
_SLOT = attrgetter("slot")


class NewName(NamedTuple):
    """A name that the record at `offset` brought into `bucket`."""

    offset: int
    bucket: int
    code: int


class _Page:
    """The admitted names of a page by kind: a fast answer for events that bring nothing new."""

    __slots__ = ("items", "segments", "slots")

    def __init__(self) -> None:
        self.segments: set[str] = set()
        self.items: set[str] = set()
        self.slots: set[str] = set()

    def holds(self, event: Event) -> bool:
        if event.segment not in self.segments:
            return False
        items, slots = self.items, self.slots
        if type(event) is Impression:
            return items.issuperset(map(_ITEM, event.slots)) and slots.issuperset(map(_SLOT, event.slots))
        return event.item in items and event.slot in slots  # type: ignore[union-attr]

    def add(self, names: Iterable[tuple[int, str]]) -> None:
        for kind, name in names:
            (self.segments, self.items, self.slots)[kind].add(name)


@dataclass(slots=True)
class _Bucket:
    codes: set[int] = field(default_factory=set)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    pages: dict[str, _Page] = field(default_factory=dict)


def name_code(kind: int, page: str, name: str) -> int:
    """32 bits for a name: 30 of a checksum, 2 for its kind."""
    return (crc32(f"{page}\n{name}".encode()) & 0xFFFFFFFC) | kind


class Quota:
    """The names that one partition has brought, per bucket, against the limits.

    Only the buckets used lately are kept open; the others wait as packed codes.
    """

    def __init__(self, settings: FoldSettings) -> None:
        self._limits = (settings.max_keys, settings.max_items, settings.max_slots)
        self._open: OrderedDict[int, _Bucket] = OrderedDict()
        self._packed: dict[int, bytes] = {}

    def load(self, bucket: int, stored: bytes) -> None:
        """Take over what Redis holds for a bucket: little-endian uint32 codes."""
        self._packed[bucket] = stored

    def drop_before(self, bucket: int) -> None:
        """Forget buckets that start before `bucket`: no valid record can come for them."""
        for held in (self._open, self._packed):
            for old in [start for start in held if start < bucket]:
                del held[old]

    def admit(self, offset: int, bucket: int, event: Event) -> Sequence[NewName] | None:
        """The names that the event newly brings, once admitted; None when it exceeds the quota."""
        usage = self._open.get(bucket)
        if usage is None:
            usage = self._reopened(bucket)
        page = usage.pages.get(event.page)
        if page is not None and page.holds(event):
            return ()
        return self._admit_new(usage, offset, bucket, event)

    def _reopened(self, bucket: int) -> _Bucket:
        """The bucket, open; the one that was opened longest ago makes room."""
        if len(self._open) >= OPEN_BUCKETS:
            oldest, packed = self._open.popitem(last=False)
            self._packed[oldest] = np.array(sorted(packed.codes), dtype="<u4").tobytes()
        codes = np.unique(np.frombuffer(self._packed.pop(bucket, b""), dtype="<u4"))
        counts = [int(np.count_nonzero(codes & 3 == kind)) for kind in (KEY, ITEM, SLOT)]
        usage = self._open[bucket] = _Bucket(set(codes.tolist()), counts)
        return usage

    def _admit_new(self, usage: _Bucket, offset: int, bucket: int, event: Event) -> Sequence[NewName] | None:
        names = set(names_of(event))
        codes = {name_code(kind, event.page, name) for kind, name in names} - usage.codes
        needs = [sum(code & 3 == kind for code in codes) for kind in (KEY, ITEM, SLOT)]
        pairs = zip(needs, usage.counts, self._limits, strict=True)
        if any(need and count + need > limit for need, count, limit in pairs):
            return None
        usage.codes |= codes
        usage.counts = [count + need for count, need in zip(usage.counts, needs, strict=True)]
        usage.pages.setdefault(event.page, _Page()).add(names)
        return [NewName(offset, bucket, code) for code in sorted(codes)]


def names_of(event: Event) -> list[tuple[int, str]]:
    """The names of an event that count against the quota, as (kind, name)."""
    places = event.slots if isinstance(event, Impression) else [event]
    names = [(KEY, event.segment)]
    for place in places:
        names += [(ITEM, place.item), (SLOT, place.slot)]
    return names
