"""What partitions had lately, beside the learner: journals on disk, and how much of its time each window covers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import partial

from schemas.errors import StateAttention
from streams.kafka.bounds import first_since
from streams.kafka.records import TopicPartition
from streams.metrics import REGISTRY
from streams.retry import Retry
from streams.settings import FoldSettings, KafkaSettings, LearnerSettings
from streams.state.partition import PartitionFold
from streams.state.recent.folder import JournalFolder, LockedJournal
from streams.state.recent.journal import Journal
from streams.state.recent.use import store_windows
from streams.state.store import Store

log = logging.getLogger("reshelf")
_REPORT_S = 10.0


class DuplicateWindows:
    """The journals of the partitions that a learner owns."""

    def __init__(self, kafka: KafkaSettings, fold: FoldSettings, settings: LearnerSettings, store: Store) -> None:
        self._kafka = kafka
        self._store = store
        self._folder = JournalFolder(settings, fold, store.namespace)
        self._opened: dict[TopicPartition, LockedJournal] = {}
        self._retry = Retry()
        self._reported_at = -_REPORT_S

    def journal(self, tp: TopicPartition) -> Journal | None:
        """The journal of a partition, open until the partition is let go; None where there is no disk for it."""
        if tp not in self._opened:
            try:
                self._opened[tp] = self._folder.open(tp)
            except (StateAttention, OSError) as error:
                log.warning("%s Without it a start reads fold.duplicate_window_ms of the log again.", error)
                return None
        return self._opened[tp].journal

    def let_go(self, tp: TopicPartition) -> None:
        """Leave a partition's journal to others."""
        if opened := self._opened.pop(tp, None):
            opened.close()

    async def close(self) -> None:
        """Leave all journals to others."""
        for tp in list(self._opened):
            self.let_go(tp)

    async def read_from(self, part: PartitionFold, log_start: int) -> int:
        """From where to read a partition that was just taken up."""
        return await part.read_from(log_start, partial(self._first_since, part.tp))

    async def expose(self, parts: Mapping[TopicPartition, PartitionFold]) -> None:
        """Say how much of its time each window covers: in metrics at once, in Redis now and then."""
        windows = {tp: part.window.now() for tp, part in parts.items()}
        topics = {tp.topic: [window for other, window in windows.items() if other.topic == tp.topic] for tp in windows}
        gauges = {
            "reshelf_duplicate_window_seconds": lambda window: -window.covered / 1000,
            "reshelf_repeat_window_seconds": lambda window: -window.parts / 1000,
            "reshelf_duplicate_window_target_seconds": lambda window: -window.span / 1000,
            "reshelf_duplicate_memory_used_ratio": lambda window: window.wanted / window.limit,
        }
        for name, measure in gauges.items():
            REGISTRY.put(name, {(topic,): abs(max(map(measure, each))) for topic, each in topics.items()})
        if windows and time.monotonic() - self._reported_at >= _REPORT_S:
            self._reported_at = time.monotonic()
            await self._retry.until_success(partial(store_windows, self._store, windows))

    async def _first_since(self, tp: TopicPartition, time_ms: int) -> int:
        return await asyncio.to_thread(first_since, self._kafka, tp, time_ms)
