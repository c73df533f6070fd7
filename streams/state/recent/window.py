"""What one partition had lately, when a worker takes it up: from its journal, and the rest from the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast

from schemas.errors import StateAttention
from schemas.topic import Topic
from streams.fold.fast.path import recent_names
from streams.fold.limits import LimitLog
from streams.fold.window import Reach, RecentWindow, reach_of, window_now
from streams.kafka.records import Batch, Record, TopicPartition
from streams.settings import FoldSettings
from streams.state.recent.journal import Journal
from streams.state.watermark import LogCheck, Watermark

if TYPE_CHECKING:
    from streams.fold.fast.compiled import RecentNames as CompiledNames

FirstSince = Callable[[int], Awaitable[int]]
"""The first offset of the partition that was appended at a time (ms) or later."""
OVERLAP = 1_000
"""Offsets that are read though the journal has them, to see that the log is still the same."""
FEW_RECORDS = 100_000
"""Reading these costs no more than to ask the broker from where on they are needed."""


class OtherLog(Exception):
    """The journal is that of another log: take the partition up again without it."""


class PartitionWindow:
    """The window of one partition, for a `Judge`; `begin` first, where the window is to know what came before."""

    def __init__(
        self, topic: Topic, fold: FoldSettings, limits: LimitLog, built: bool, journal: Journal | None
    ) -> None:
        self._reach = reach_of(topic, fold, limits)
        self._journal = journal if built else None
        self.recent = recent_names(self._reach, built, self._journal.key if self._journal else None)
        self._known_to = 0
        self._complete_at = 0
        self._floor = 0
        self._check: LogCheck | None = None

    async def begin(
        self, tp: TopicPartition, applied: Watermark, log_start: int, first_since: FirstSince | None
    ) -> int:
        """From where to read to go on at `applied`: behind what the journal has, or from where the window begins.

        `first_since` is only asked about longer logs; without it memory alone says how far back to read.
        """
        self._complete_at = applied.offset
        if self._journal:
            await asyncio.to_thread(self._restore, tp, self._journal, applied.offset, log_start)
        if self._check:
            return max(log_start, self._known_to - OVERLAP)
        first = self._floor = await window_start(self._reach, applied, log_start, first_since)
        if self._journal:
            self._journal.begin(first)
        return first

    def unknown(self, batch: Batch) -> Sequence[Record]:
        """The records of a batch that the window does not have from its journal.

        Raises `OtherLog` where that is of another log.
        """
        if self._check is None:
            return batch.records
        try:
            self._check.check(batch)
        except StateAttention:
            assert self._journal is not None
            self._journal.begin(-1)
            raise OtherLog(f"the duplicates of {batch.tp} on disk are of another log") from None
        if batch.end >= self._known_to:
            self._check = None
        return [record for record in batch.records if record.offset >= self._known_to]

    def write(self, batch: Batch, mark: Watermark) -> None:
        """Write down what the window has noted of a batch that ends at `mark`."""
        if self._journal and batch.end > self._known_to:
            noted = cast("CompiledNames", self.recent).written()
            needed = self.recent.floor - self._reach.block
            floor = max(self._floor, needed) if batch.end >= self._complete_at else 0
            self._journal.append(batch.end, floor, mark, self._reach.checksum(batch.end), noted)

    def now(self) -> RecentWindow:
        """How much of its time the window covers."""
        return window_now(self.recent, self._reach.span_ms)

    def _restore(self, tp: TopicPartition, journal: Journal, applied: int, log_start: int) -> None:
        usable = journal.usable(applied, log_start, self._reach.checksum)
        if usable is None:
            return
        restored, loaders = usable
        recent = cast("CompiledNames", self.recent)
        for content, start in journal.contents(loaders):
            recent.load(content, start)
        if (start := loaders[0].frame.start) > log_start:
            recent.forget_parts(self._reach.begin(start + self._reach.block - 1))
        self._known_to, self._floor = restored.mark.offset, restored.floor
        self._check = LogCheck(tp, [restored.mark])


async def window_start(reach: Reach, applied: Watermark, log_start: int, first_since: FirstSince | None) -> int:
    """An offset from which on all is that the window at `applied` reaches; `first_since` is asked about longer logs."""
    held = [records for since, records, _ in reach.changes if since <= applied.offset]
    first = max(log_start, applied.offset - (held[-1] if held else reach.changes[0][1]))
    if first_since and applied.append_time and applied.offset - first > FEW_RECORDS:
        since = applied.append_time - reach.span_ms - 2 * reach.step_ms
        first = max(first, min(applied.offset, await first_since(since)))
    return max(log_start, reach.begin(first))
