"""Limits on names and on memory, and from which offset of a partition on which of them hold.

Limits bound the future and do not change the past.  So their changes are written down beside
the watermark, where a record's verdict can be decided again as it was decided at first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.settings import FoldSettings

QUOTA_SETTINGS = ("max_keys", "max_items", "max_slots", "max_page_items", "max_page_slots")
"""The fold settings that limit names, in the order of `Limits`."""
LIMIT_SETTINGS = (*QUOTA_SETTINGS, "duplicate_mb")
"""The fold settings that are limits, in the order of `Limits`."""
LIMIT_NAMES = (
    "pairs of page and segment",
    "pairs of page and item",
    "pairs of page and slot",
    "items on one page",
    "slots on one page",
)


class Limits(NamedTuple):
    """How many distinct names one partition may bring into a time bucket, in all and on one page.

    `duplicate_mb` is the memory for what a partition had lately.
    """

    keys: int
    items: int
    slots: int
    page_items: int
    page_slots: int
    duplicate_mb: int

    @property
    def names(self) -> tuple[int, ...]:
        """Those on names, in the order of `QUOTA_SETTINGS`."""
        return tuple(self)[: len(QUOTA_SETTINGS)]


def limits_of(settings: FoldSettings) -> Limits:
    """The limits that the settings give."""
    return Limits(*(getattr(settings, name) for name in LIMIT_SETTINGS))


class Change(NamedTuple):
    """From `offset` of a partition on these limits hold."""

    offset: int
    limits: Limits


class LimitLog:
    """The changes of a partition's limits, by rising offsets; the first one holds for all offsets before, too.

    The number of the change that holds at an offset is that offset's epoch.
    """

    def __init__(self, changes: tuple[Change, ...]) -> None:
        self.changes = changes
        self._offsets = [change.offset for change in changes]

    def __len__(self) -> int:
        return len(self.changes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LimitLog) and self.changes == other.changes

    __hash__ = None  # type: ignore[assignment]

    @property
    def last(self) -> Change:
        """The newest change."""
        return self.changes[-1]

    def epoch(self, offset: int) -> int:
        """The number of the change that holds at an offset."""
        if len(self._offsets) == 1:
            return 0
        return max(0, bisect_right(self._offsets, offset) - 1)

    def limits(self, epoch: int) -> Limits:
        """The limits of an epoch."""
        return self.changes[epoch].limits

    def before(self, offset: int) -> LimitLog:
        """The changes that concern offsets below `offset`."""
        return LimitLog(tuple(change for change in self.changes if change.offset < offset))

    def then(self, offset: int, limits: Limits) -> LimitLog:
        """The log with these limits from `offset` on; itself where they hold already."""
        if self.changes and self.last.limits == limits:
            return self
        return LimitLog((*self.changes, Change(max(offset, self.last.offset if self.changes else 0), limits)))

    def encode(self) -> bytes:
        """As Redis has it: `offset:limits` for each change, limits by commas, changes by spaces."""
        return b" ".join(f"{offset}:{','.join(map(str, limits))}".encode() for offset, limits in self.changes)

    @staticmethod
    def decode(text: bytes | None) -> LimitLog:
        """From Redis; empty where nothing was written."""
        changes = (change.split(b":") for change in (text or b"").split())
        return LimitLog(tuple(Change(int(offset), Limits(*map(int, limits.split(b",")))) for offset, limits in changes))


def used_shares(uses: Iterable[tuple[Sequence[int], Limits]]) -> dict[str, float]:
    """The largest share of each limit on names that any partition uses, each with what it uses and its limits."""
    kinds = Limits._fields[: len(QUOTA_SETTINGS)]
    shares = dict.fromkeys(kinds, 0.0)
    for use, limits in uses:
        for kind, used, limit in zip(kinds, use, limits.names, strict=True):
            shares[kind] = max(shares[kind], used / limit)
    return shares
