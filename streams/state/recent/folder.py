"""Where the journals of windows lie, one for each partition, and who uses which."""

from __future__ import annotations

import os
from typing import NamedTuple

from streams.kafka.records import TopicPartition
from streams.locked_folder import duplicates_folder, open_locked
from streams.settings import FoldSettings, LearnerSettings
from streams.state.recent.journal import Journal


class LockedJournal(NamedTuple):
    """A partition's journal, and the lock on its files."""

    journal: Journal
    lock: int

    def close(self) -> None:
        """Leave the files to others."""
        self.journal.close()
        os.close(self.lock)


class JournalFolder:
    """The folder of the settings."""

    def __init__(self, settings: LearnerSettings, fold: FoldSettings, namespace: str) -> None:
        self.path = duplicates_folder(settings.folder) / namespace
        self._span_ms = fold.duplicate_window_ms

    def open(self, tp: TopicPartition) -> LockedJournal:
        """The journal of a partition, made where it is missing; raises `StateAttention` where it cannot be."""
        path, lock = open_locked(self.path, f"{tp.topic}.{tp.partition}", "learner.folder")
        try:
            return LockedJournal(Journal(path, self._span_ms), lock)
        except BaseException:
            os.close(lock)
            raise
