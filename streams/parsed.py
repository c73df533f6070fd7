"""Records as aiokafka's parser yields them.

aiokafka builds a dataclass for each record, a quarter to a third of all its time.
The records that its parser yields already have what `streams.records.Record` asks
for, so they are handed on as they are: each parser instance of *a given* consumer gets
an attribute in place of its conversion method; nothing is patched for others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult

from streams.records import Record

POLL_RECORDS = 20_000
PARTITION_FETCH_BYTES = 8 * 1024 * 1024


class ParsedRecords(OrderedDict[TopicPartition, Any]):
    """Where the fetcher keeps fetched data: a result put here yields its records unconverted, and `came` is told."""

    def __init__(self, came: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._came = came

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        if type(result) is FetchResult:
            result._partition_records._consumer_record = _as_parsed
            self._came()
        super().__setitem__(tp, result)


def hand_on_parsed(consumer: AIOKafkaConsumer, came: Callable[[], None] = lambda: None) -> None:
    """Let a consumer that was just started hand on what its parser yields; `came` hears of each partition's data."""
    consumer._fetcher._records = ParsedRecords(came)


async def fetched(
    consumer: AIOKafkaConsumer, partitions: Iterable[tuple[str, int]], timeout_s: float
) -> dict[tuple[str, int], list[Record]]:
    """Records of `partitions` (not empty) in log order, at most POLL_RECORDS in all."""
    fetcher = consumer._fetcher
    with fetcher._subscriptions.fetch_context():
        return await fetcher.fetched_records(  # type: ignore[no-any-return]
            frozenset(partitions), timeout=timeout_s, max_records=POLL_RECORDS
        )


def _as_parsed(_: TopicPartition, record: Record) -> Record:
    return record
