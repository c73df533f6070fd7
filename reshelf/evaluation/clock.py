"""How far the time of the log had come at each place in it, which is what buckets expire by."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from streams.kafka.records import Record, TopicPartition
from streams.settings import FoldSettings

Watermarks = Mapping[str, Sequence[int]]
"""Topic to the next offset of each partition."""


class Clock:
    """The largest append time of the records before a place, as closely as buckets need it.

    Spans of buckets form and expire at moments that are as far from each other as buckets are, so of the times
    between two of these moments the first is enough: two for each bucket of the log, not one for each record.
    """

    def __init__(self, fold: FoldSettings) -> None:
        self._fold = fold
        self._steps: dict[TopicPartition, tuple[array[int], array[int]]] = {}

    def read(self, tp: TopicPartition, records: Iterable[Record]) -> None:
        """Take over records of a partition, which continue those before."""
        if not self._fold.bucket_ms:
            return
        offsets, times = self._steps.setdefault(tp, (array("q"), array("q")))
        for record in records:
            time_ms = record.timestamp
            if not times or (time_ms > times[-1] and self._moments(time_ms) != self._moments(times[-1])):
                offsets.append(record.offset)
                times.append(time_ms)

    def at(self, watermarks: Watermarks) -> int:
        """A time to which buckets stand as to the one reached by then, milliseconds; 0 before the first record."""
        return max((self._before(tp, next_offset(watermarks, tp)) for tp in self._steps), default=0)

    def _moments(self, time_ms: int) -> tuple[int, int]:
        """The newest bucket, and what grows by one whenever a further bucket expires."""
        width = self._fold.bucket_ms
        return time_ms // width, (time_ms - self._fold.bucket_ttl_ms - 1) // width

    def _before(self, tp: TopicPartition, offset: int) -> int:
        offsets, times = self._steps[tp]
        passed = bisect_left(offsets, offset)
        return times[passed - 1] if passed else 0


def next_offset(watermarks: Watermarks, tp: TopicPartition) -> int:
    """The first offset of a partition that watermarks have not passed."""
    offsets = watermarks.get(tp.topic, ())
    return offsets[tp.partition] if tp.partition < len(offsets) else 0
