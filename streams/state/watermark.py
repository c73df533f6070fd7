"""The log position up to which a state group has applied a partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

from streams.kafka.records import Record


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
