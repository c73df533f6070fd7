"""How long it takes until an event is counted: until Redis has acknowledged the counts of its key and of its page.

The watermarks are read every `LOOK_S`: a time is up to that much too long.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.latency.delays import SentEvent
from bench.threads import beside
from reshelf.drill.setup.stores import GivenStore
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from schemas.topics import CLICKS, IMPRESSIONS
from streams.fold.deltas import WHOLE_PAGE
from streams.kafka.records import TopicPartition
from streams.state.connection.client import redis_sync_client
from streams.state.keys import GroupKeys, group_of
from streams.state.watermark import Watermark

LOOK_S = 0.01
TOPICS = {"clicks": CLICKS.name, "impressions": IMPRESSIONS.name}
Offsets = NDArray[np.int64]


class Progress:
    """How far each state group was with each partition, look by look."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.redis
        self._groups, self._partitions = settings.redis.groups, settings.kafka.partitions
        self._looks: list[tuple[float, Offsets]] = []
        self._stopping = threading.Event()
        self._failed: Exception | None = None

    def run(self) -> None:
        """Look until `stop`, in a thread of its own."""
        parts = [TopicPartition(topic, at) for topic in TOPICS.values() for at in range(self._partitions)]
        groups = [GroupKeys(self._settings.namespace, group) for group in range(self._groups)]
        names = [group.watermark(tp) for tp in parts for group in groups]
        try:
            with redis_sync_client(self._settings) as client:
                read = GivenStore(self._settings).read if self._settings.cluster else client.mget
                while not self._stopping.wait(LOOK_S):
                    marks = read(names)
                    self.note(time.perf_counter(), marks)
        except Exception as error:  # noqa: BLE001  whatever it was, `check` reports it
            self._failed = error

    def note(self, now: float, marks: Sequence[Any]) -> None:
        """What one look saw: the watermark of each topic, partition and group, in this order."""
        offsets = np.fromiter((Watermark.decode(mark, 0).offset for mark in marks), np.int64, len(marks))
        self._looks.append((now, offsets.reshape(len(TOPICS), self._partitions, self._groups)))

    def stop(self) -> None:
        self._stopping.set()

    def check(self) -> None:
        """Raise what ended the looking, if anything did."""
        if self._failed is not None:
            raise ReshelfError(f"reading watermarks failed: {self._failed}") from self._failed

    def forget(self) -> None:
        """Drop all looks but the newest."""
        del self._looks[:-1]

    def delays(self, kind: str, events: Sequence[SentEvent]) -> list[float]:
        """Seconds until each event of a kind of TOPICS was counted; infinite where no look has seen that."""
        if not (looks := self._looks[:]):
            return [float("inf")] * len(events)
        times, number = [now for now, _ in looks], list(TOPICS).index(kind)
        reached = np.stack([offsets[number] for _, offsets in looks])
        return [self._delay(event, reached[:, event.partition], times) for event in events]

    def counts(self, kind: str, events: Sequence[SentEvent]) -> bool:
        """Whether the newest look has seen all events of a kind counted."""
        if not self._looks:
            return False
        newest = self._looks[-1][1][list(TOPICS).index(kind)]
        return all(newest[event.partition, self._groups_of(event)].min() > event.offset for event in events)

    def _groups_of(self, event: SentEvent) -> list[int]:
        return [group_of(event.key.page, segment, self._groups) for segment in (event.key.segment, WHOLE_PAGE)]

    def _delay(self, event: SentEvent, of_partition: Offsets, times: Sequence[float]) -> float:
        """By offsets [look, group]: the key's group and the page's have to be past the event."""
        reached = of_partition[:, self._groups_of(event)].min(axis=1)
        at = int(np.searchsorted(reached, event.offset, side="right"))
        return times[at] - event.produced_at if at < len(of_partition) else float("inf")


@contextlib.contextmanager
def progress_watched(settings: Settings) -> Iterator[Progress]:
    """The progress, noted until the block is left."""
    progress = Progress(settings)
    with beside(progress.run, progress.stop):
        yield progress
