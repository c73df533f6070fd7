"""The last versions of learned segments, read once for each version that is in force."""

from __future__ import annotations

import threading

from reshelf.inspect.segments.model import VersionRow, version_row
from schemas.messages.segments import SegmentModel
from streams.fitter.segments import published
from streams.settings import KafkaSettings

MOST_VERSIONS = 50
"""Versions that are kept to look at, the newest; `reshelf segments history` has all."""


class SegmentHistory:
    """Reads the history of segments where there is another version than the last time."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._version = 0
        self._rows: list[VersionRow] = []
        self._lock = threading.Lock()

    def rows(self, model: SegmentModel) -> list[VersionRow]:
        """The last versions, the newest last; blocks while they are read, and raises `Transient` without a broker."""
        with self._lock:
            if self._version != model.version:
                self._rows = [version_row(each) for each in published.history(self._kafka)[-MOST_VERSIONS:]]
                self._version = self._rows[-1].version if self._rows else 0
            return self._rows
