"""Watches the share of invalid records among the recent ones.

Some invalid records are normal and are dead-lettered.  Nearly all of them mean a wrong
topic or a wrong format: then stopping beats draining the topic.
"""

from __future__ import annotations

import logging
from collections import deque

from schemas.errors import StateAttention
from streams.kafka.records import TopicPartition
from streams.settings import LearnerSettings

log = logging.getLogger(__name__)
_LEAST_TO_STOP = 1_000


class InvalidAlarm:
    """Counts the records of one partition over about the last `window_records` ones."""

    def __init__(self, tp: TopicPartition, settings: LearnerSettings) -> None:
        self._tp = tp
        self._settings = settings
        self._batches: deque[tuple[int, int]] = deque()
        self._records = 0
        self._invalid = 0
        self.raised = False

    def note(self, records: int, invalid: int, reason: str) -> None:
        """Count a batch before its dead letters are sent; raises `StateAttention` when nearly all are invalid."""
        self._batches.append((records, invalid))
        self._records += records
        self._invalid += invalid
        while self._batches and self._records - self._batches[0][0] >= self._settings.window_records:
            old_records, old_invalid = self._batches.popleft()
            self._records -= old_records
            self._invalid -= old_invalid
        self._judge(reason)

    def _judge(self, reason: str) -> None:
        share = self._invalid / self._records if self._records else 0.0
        if share >= self._settings.stop_share and self._records >= min(_LEAST_TO_STOP, self._settings.window_records):
            raise StateAttention(
                f"{self._invalid} of the last {self._records} records of {self._tp} are invalid (the last: {reason}): "
                "expected events of this topic. Check what is published there; the rest of the topic was left alone. "
                "To dead-letter them all and go on, set learner.stop_share above 1."
            )
        if share >= self._settings.alarm_share and not self.raised and self._records >= 100:
            log.error("%.1f %% of recent records of %s are invalid, the last one: %s", 100 * share, self._tp, reason)
        self.raised = share >= self._settings.alarm_share
