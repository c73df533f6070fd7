"""Limits on the distinct names that one partition may bring into a time bucket.

A flood of invented pages, segments or items must not grow the state without
bound, and which names get in must depend on the partition's log alone.  So each
source partition has a quota of its own, kept beside its watermark in Redis as
codes of the admitted names (a collision admits a name for free).

A record gets in whole or not at all.  The decision for an offset is the same
whether it is taken with the names known then or with those of any later point
of the same epoch: a quota that a record overflowed once has fewer free places
later than it still needs.  Names of later epochs, whose limits may be others, are
not looked at.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import NamedTuple, Protocol

from policy.arrays import Hashes
from schemas.messages.events import Impression
from streams.fold.limits import LIMIT_NAMES, QUOTA_SETTINGS, LimitLog
from streams.fold.measures import Event
from streams.fold.names.name_codes import ITEM, KEY, SLOT, NameCodes, by_epoch, kind_of, mark, name_codes, page_and_kind

OPEN_BUCKETS = 8
REMEMBERED_NAMES = 300_000
"""Admitted names that a bucket remembers as texts, for a fast answer."""
_ITEM = attrgetter("item")
_SLOT = attrgetter("slot")


class NewName(NamedTuple):
    """A name that the record at `offset` brought into `bucket`."""

    offset: int
    bucket: int
    code: int


def stored_codes(names: Iterable[NewName], limits: LimitLog, epochs: Mapping[int, int]) -> dict[int, bytes]:
    """New names as codes to be stored, by bucket; those of each epoch behind its mark.

    `epochs` says which mark each bucket has last, 0 where it has none.
    """
    codes: dict[int, list[int]] = {}
    marked: dict[int, int] = {}
    for offset, bucket, code in names:
        epoch, stored = limits.epoch(offset), codes.setdefault(bucket, [])
        if epoch and epoch > marked.get(bucket, epochs.get(bucket, 0)):
            marked[bucket] = epoch
            stored.append(mark(epoch))
        stored.append(code)
    return {bucket: array("Q", numbers).tobytes() for bucket, numbers in codes.items()}


class BroughtNames(NamedTuple):
    """Names with their kinds, which may be new, that the record at `offset` brought into `bucket`."""

    offset: int
    bucket: int
    page: str
    names: Sequence[tuple[int, str]]


class Refusal(NamedTuple):
    """Why a record is over a quota: its page needs `need` more names than the `use` of `limit` that there are."""

    setting: str
    names: str
    limit: int
    use: int
    need: int
    page: str

    def __str__(self) -> str:
        return (
            f"fold.{self.setting} allows a partition {self.limit} distinct {self.names} in a time bucket: {self.use} "
            f"are used, and this record of page {self.page[:200]!r} brings {self.need} more"
        )


class NewNames(Protocol):
    """Where the fast path puts names that are new to it."""

    def room(self, offset: int, bucket: int) -> list[int]:
        """How many more keys, items and slots get in whatever they are; the fast path takes from that."""

    def groups(self, page: str, segment: str) -> tuple[int, int]:
        """The state groups of a key and of its page."""

    def add(self, offset: int, bucket: int, page: str, names: Sequence[tuple[int, str]]) -> None:
        """An event that counts brought these names, with their kinds."""

    def settle(self) -> None:
        """Hold what was added against the quota."""


class _Page:
    """Admitted names of a page by kind: a fast answer for events that bring nothing new."""

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
            own = items.issuperset(map(_ITEM, event.slots)) and slots.issuperset(map(_SLOT, event.slots))
        else:
            own = event.item in items and event.slot in slots  # type: ignore[union-attr]
        return own and slots.issuperset(map(shelf_name, shelves_of(event)))

    def add(self, names: Iterable[tuple[int, str]]) -> None:
        for kind, name in names:
            (self.segments, self.items, self.slots)[kind].add(name)


class _Bucket:
    """The names of one bucket: all as codes, some as texts."""

    __slots__ = ("codes", "pages", "room")

    def __init__(self) -> None:
        self.codes = NameCodes()
        self.pages: dict[str, _Page] = {}
        self.room = REMEMBERED_NAMES

    def remember(self, page: str, names: set[tuple[int, str]]) -> None:
        self.room -= len(names)
        if self.room < 0:
            self.pages.clear()
            self.room = REMEMBERED_NAMES - len(names)
        self.pages.setdefault(page, _Page()).add(names)


class Quota:
    """The names that one partition has brought, per bucket, against the limits of its log.

    Only the buckets used lately are open; the others wait as packed codes.
    """

    def __init__(self, limits: LimitLog) -> None:
        self._log = limits
        self._epoch = -1
        self._limits = limits.limits(0).names
        self._open: OrderedDict[int, _Bucket] = OrderedDict()
        self._packed: dict[int, list[Hashes]] = {}
        self._later: list[tuple[int, int, Hashes]] = []
        self._last = 0

    def load(self, bucket: int, stored: bytes) -> None:
        """Take over what Redis holds for a bucket."""
        self._later += [(epoch, bucket, codes) for epoch, codes in by_epoch(stored)]

    def drop_before(self, bucket: int) -> None:
        """Forget buckets that start before `bucket`: no valid record can come for them."""
        for held in (self._open, self._packed):
            for old in [start for start in held if start < bucket]:
                del held[old]
        self._later = [part for part in self._later if part[1] >= bucket]

    def admit(self, offset: int, bucket: int, event: Event) -> Sequence[NewName] | Refusal:
        """The names that the event newly brings, once admitted; or which quota it exceeds."""
        usage = self._usage(offset, bucket)
        page = usage.pages.get(event.page)
        if page is not None and page.holds(event):
            return ()
        return self._admit_new(usage, offset, bucket, event)

    def expect(self, last: int) -> None:
        """Offsets up to `last` are judged next."""
        self._last = last

    def room(self, offset: int, bucket: int) -> list[int]:
        """How many more keys, items and slots are in no limit's way, whatever their pages, up to the last offset."""
        if self._log.epoch(offset) != self._log.epoch(self._last):
            return [0, 0, 0]
        codes = self._usage(offset, bucket).codes
        used = (*codes.counts, codes.largest[ITEM], codes.largest[SLOT])
        keys, items, slots, on_page, slots_on_page = (
            limit - use for limit, use in zip(self._limits, used, strict=True)
        )
        return [keys, min(items, on_page), min(slots, slots_on_page)]

    def add(self, brought: Sequence[BroughtNames]) -> list[NewName]:
        """Admit names for which there was room, and say which of them are new."""
        admitted = []
        for (bucket, _), names in _by_page(brought).items():
            codes = self._usage(brought[-1].offset, bucket).codes
            missing = codes.missing(set(names))
            codes.add(missing)
            admitted += [NewName(names[code], bucket, code) for code in missing]
        return sorted(admitted)

    def use(self) -> list[int]:
        """The most that a bucket in use has of each limit."""
        most = [0] * len(QUOTA_SETTINGS)
        for usage in self._open.values():
            counts = (*usage.codes.counts, usage.codes.largest[ITEM], usage.codes.largest[SLOT])
            most = [max(pair) for pair in zip(most, counts, strict=True)]
        return most

    def _enter(self, epoch: int) -> None:
        """Take over the names up to this epoch; offsets never go down, so neither do epochs."""
        self._epoch, self._limits = epoch, self._log.limits(epoch).names
        now = [part for part in self._later if part[0] <= epoch]
        self._later = [part for part in self._later if part[0] > epoch]
        for _, bucket, codes in now:
            if bucket in self._open:
                self._open[bucket].codes.join(codes)
            elif len(codes):
                self._packed.setdefault(bucket, []).append(codes)

    def _reopened(self, bucket: int) -> _Bucket:
        """The bucket, open; the one that was opened longest ago makes room."""
        if len(self._open) >= OPEN_BUCKETS:
            oldest, closed = self._open.popitem(last=False)
            self._packed[oldest] = [closed.codes.packed()]
        usage = self._open[bucket] = _Bucket()
        for codes in self._packed.pop(bucket, ()):
            usage.codes.join(codes)
        return usage

    def _usage(self, offset: int, bucket: int) -> _Bucket:
        epoch = self._log.epoch(offset)
        if epoch != self._epoch:
            self._enter(epoch)
        usage = self._open.get(bucket)
        return self._reopened(bucket) if usage is None else usage

    def _admit_new(self, usage: _Bucket, offset: int, bucket: int, event: Event) -> Sequence[NewName] | Refusal:
        names = set(names_of(event))
        codes = usage.codes.missing(set(name_codes(event.page, names)))
        if refusal := self._refusal(usage.codes, codes, event.page):
            return refusal
        usage.codes.add(codes)
        usage.remember(event.page, names)
        return [NewName(offset, bucket, code) for code in codes]

    def _refusal(self, held: NameCodes, codes: list[int], page: str) -> Refusal | None:
        """Which limit these new codes of one page exceed, if any."""
        needs = [0, 0, 0]
        for code in codes:
            needs[kind_of(code)] += 1
        on_page = {kind_of(code): page_and_kind(code) for code in codes}
        uses = [*held.counts, *(held.on_page(on_page[kind]) if kind in on_page else 0 for kind in (ITEM, SLOT))]
        rows = zip(QUOTA_SETTINGS, LIMIT_NAMES, self._limits, uses, (*needs, needs[ITEM], needs[SLOT]), strict=True)
        for setting, names, limit, use, need in rows:
            if need and use + need > limit:
                return Refusal(setting, names, limit, use, need, page)
        return None


def names_of(event: Event) -> list[tuple[int, str]]:
    """The names of an event that count against the quota, as (kind, name)."""
    places = event.slots if isinstance(event, Impression) else [event]
    names = [(KEY, event.segment)]
    for place in places:
        names += [(ITEM, place.item), (SLOT, place.slot)]
    return names + [(SLOT, shelf_name(shelf)) for shelf in shelves_of(event)]


def shelves_of(event: Event) -> Iterable[str]:
    """The shelves that an event names."""
    if isinstance(event, Impression):
        return event.rows.values()
    return (event.shelf,) if event.shelf else ()


def shelf_name(shelf: str) -> str:
    """What a shelf counts as against the quota of slots, which it shares: no slot's name is like it."""
    return f"{shelf}\n"


def _by_page(brought: Iterable[BroughtNames]) -> dict[tuple[int, str], dict[int, int]]:
    """The codes of names by bucket and page, each with the first offset that brought it."""
    pages: dict[tuple[int, str], tuple[list[tuple[int, str]], list[int]]] = {}
    for offset, bucket, page, some in brought:
        names, offsets = pages.setdefault((bucket, page), ([], []))
        names += some
        offsets += repeat(offset, len(some))
    return {
        place: dict(zip(reversed(name_codes(place[1], names)), reversed(offsets), strict=True))
        for place, (names, offsets) in pages.items()
    }
