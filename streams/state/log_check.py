"""Whether the log is still the one that the state was folded from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.errors import StateAttention
from streams.kafka.records import Batch, Record, TopicPartition
from streams.state.watermark import Watermark, fingerprint


class LogCheck:
    """Compares the record before each watermark of a partition with the one that the state has passed."""

    def __init__(self, tp: TopicPartition, marks: Iterable[Watermark]) -> None:
        self._tp = tp
        self._marks = sorted(set(marks), key=lambda mark: mark.offset)
        self._last: Record | None = None

    def skip_to(self, first: int) -> None:
        """What is below `first` is not in the log any more."""
        self._marks = [mark for mark in self._marks if mark.offset > first]

    def check(self, batch: Batch) -> None:
        """Look at a batch that continues the one before; `StateAttention` where it is of another log."""
        while self._marks and self._marks[0].offset <= batch.end:
            mark = self._marks.pop(0)
            before = _last_before(batch.records, mark.offset) or self._last
            if before is None or mark.last_time < 0:
                continue
            if (before.timestamp, fingerprint(before)) != (mark.last_time, mark.last_sum):
                raise StateAttention(
                    f"the log of {self._tp} is not the one that the state was folded from: the record at offset "
                    f"{before.offset} differs from the one applied (append time {before.timestamp}, expected "
                    f"{mark.last_time}). The topic was probably deleted and made again: replay it into a new namespace."
                )
        self._last = batch.records[-1] if batch.records else self._last


def _last_before(records: Sequence[Record], offset: int) -> Record | None:
    return next((record for record in reversed(records) if record.offset < offset), None)
