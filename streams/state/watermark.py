"""The log position up to which a state group has applied a partition, and whether the log is still the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from schemas.errors import StateAttention
from streams.kafka.records import Batch, Record, TopicPartition


@dataclass(frozen=True, slots=True)
class Watermark:
    """`offset` is the next one to apply; the rest shows whether the log is still the same.

    `append_time` is the largest append time passed (ms).  `last_time` and
    `last_sum` are append time and CRC-32 of the record just before `offset`;
    -1 and 0 where none was read.  `empty_to` is set where it is known that no
    record is between `offset` and there: transaction markers may.
    """

    offset: int
    append_time: int = 0
    last_time: int = -1
    last_sum: int = 0
    empty_to: int = field(default=0, compare=False)

    def moved(self, end: int) -> Watermark:
        """The watermark at `end` when no record is between."""
        return Watermark(end, self.append_time, self.last_time, self.last_sum)

    def encode(self) -> bytes:
        emptiness = f":{self.empty_to}" if self.empty_to > self.offset else ""
        return f"{self.offset}:{self.append_time}:{self.last_time}:{self.last_sum}{emptiness}".encode()

    @staticmethod
    def decode(text: bytes | None, start: int) -> Watermark:
        """From Redis; what was never written is the namespace's start offset."""
        if text is None:
            return Watermark(start)
        return Watermark(*map(int, text.split(b":")))


def fingerprint(record: Record) -> int:
    """CRC-32 over key and value."""
    return crc32(record.value or b"", crc32(record.key or b""))


class LogCheck:
    """Compares the record before each watermark of a partition with the one that the state has passed."""

    def __init__(self, tp: TopicPartition, marks: Iterable[Watermark]) -> None:
        self._tp = tp
        self._marks = sorted(set(marks), key=lambda mark: mark.offset)
        self._last: Record | None = None

    def look_again(self, mark: Watermark) -> None:
        """Compare the record before `mark` again, which the next batch brings."""
        self._marks.insert(0, mark)
        self._last = None

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
