"""Watches the share of invalid records among the recent ones.

Some invalid records are normal and are dead-lettered.  Nearly all of them mean a wrong
topic or a wrong format: then stopping beats draining the topic.  Records over a quota of
names raise the alarm, and never stop the learner: who floods it with invented names must
not stop it for all others.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping

from schemas.errors import StateAttention
from streams.fold.names.quota import Refusal
from streams.kafka.records import TopicPartition
from streams.settings import LearnerSettings

log = logging.getLogger(__name__)
_LEAST_TO_STOP = 1_000
_PARTS = 100
"""Into so many parts its records are told apart, at most, however few come at a time."""
_REST_S = 600.0


class InvalidAlarm:
    """Counts the records of one partition over about the last `window_records` ones."""

    def __init__(self, tp: TopicPartition, settings: LearnerSettings) -> None:
        self._tp = tp
        self._settings = settings
        self._parts: deque[tuple[int, int, int]] = deque()
        self._records = 0
        self._invalid = 0
        self._refused = 0
        self.raised = False

    def note(self, records: int, invalid: int, reason: str, refused: int = 0) -> None:
        """Count a batch before its dead letters are sent; raises `StateAttention` when nearly all are invalid.

        `refused` of the invalid ones are over a quota.
        """
        window = self._settings.window_records
        if self._parts and self._parts[-1][0] + records <= window // _PARTS:
            last = self._parts.pop()
            self._parts.append((last[0] + records, last[1] + invalid, last[2] + refused))
        else:
            self._parts.append((records, invalid, refused))
        self._records += records
        self._invalid += invalid
        self._refused += refused
        while self._parts and self._records - self._parts[0][0] >= window:
            old_records, old_invalid, old_refused = self._parts.popleft()
            self._records -= old_records
            self._invalid -= old_invalid
            self._refused -= old_refused
        self._judge(reason)

    def _judge(self, reason: str) -> None:
        share = self._invalid / self._records if self._records else 0.0
        other = self._invalid - self._refused
        enough = self._records >= min(_LEAST_TO_STOP, self._settings.window_records)
        if enough and other >= self._settings.stop_share * self._records:
            raise StateAttention(
                f"{other} of the last {self._records} records of {self._tp} are invalid (the last: {reason}): "
                "expected events of this topic. Check what is published there; the rest of the topic was left alone. "
                "To dead-letter them all and go on, set learner.stop_share above 1."
            )
        if share >= self._settings.alarm_share and not self.raised and self._records >= 100:
            log.error("%.1f %% of recent records of %s are invalid, the last one: %s", 100 * share, self._tp, reason)
        self.raised = share >= self._settings.alarm_share


class QuotaAlarm:
    """Says in the log which quota of one partition turns records away: at once, then every ten minutes."""

    def __init__(self, tp: TopicPartition, clock: Callable[[], float] = time.monotonic) -> None:
        self._tp = tp
        self._clock = clock
        self._logged: dict[str, float] = {}
        self._refused: dict[str, int] = {}

    def note(self, refusals: Mapping[str, tuple[int, Refusal]]) -> None:
        """Count the refusals of a batch, by setting."""
        for setting, (count, newest) in refusals.items():
            refused = self._refused[setting] = self._refused.get(setting, 0) + count
            if self._clock() - self._logged.get(setting, -_REST_S) >= _REST_S:
                log.error(
                    "%d records of %s are over a quota: %s. Raise fold.%s for all learners if the names are real (no "
                    "new namespace is needed), or look for a producer that puts ids into names.",
                    refused, self._tp, newest, setting,
                )  # fmt: skip
                self._logged[setting], self._refused[setting] = self._clock(), 0
