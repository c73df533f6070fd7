"""What crosses between the transport and the agents: records and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import msgspec


class TopicPartition(NamedTuple):
    """A partition of a topic; `topic` is the name without the settings' prefix."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Record(Protocol):
    """One record of the log as a client library hands it over.

    `timestamp` is the append time in milliseconds (the topic's LogAppendTime).
    """

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Logged(msgspec.Struct, frozen=True, gc=False):
    """A record that did not come by aiokafka's parser."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition.

    `start` is the position the read began at and `end` the position after it:
    every offset in [start, end) is either in `records` or does not exist in the
    log (compacted, a transaction marker).  `generation` counts the rewinds of
    the partition in this process; a batch of an older generation is void.
    """

    tp: TopicPartition
    start: int
    end: int
    generation: int
    records: Sequence[Record]

    def since(self, offset: int) -> Batch:
        """What it has from an offset on; of the offset alone where it ends before."""
        records = [record for record in self.records if record.offset >= offset]
        return replace(self, start=max(self.start, offset), end=max(self.end, offset), records=records)
