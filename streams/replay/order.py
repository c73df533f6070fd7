"""Several partitions in the order of time: what comes next is of the one that is furthest behind.

So a replayed namespace grows as one that lives: old buckets are complete, and merged, while the newer ones fill.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from heapq import heapify, heappop, heapreplace

from streams.kafka.log_source import Runs, Source, Span
from streams.kafka.records import TopicPartition


def in_time(source: Source, spans: Mapping[TopicPartition, Span]) -> Runs:
    """All records of these spans, run by run, about as they were appended."""
    with ExitStack() as stack:
        records = {tp: stack.enter_context(closing(source.records({tp: span}))) for tp, span in spans.items()}
        behind = [(-1, tp) for tp in records]
        heapify(behind)
        while behind:
            _, tp = behind[0]
            run = next(records[tp], None)
            if run is None:
                heappop(behind)
            else:
                yield run
                heapreplace(behind, (run[1][-1].timestamp, tp))
