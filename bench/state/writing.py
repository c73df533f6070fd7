"""Tables on their way into Redis, by the project's own keys, without the fold."""

from __future__ import annotations

import time
from itertools import chain

from redis.asyncio import Redis

from schemas.topics import CLICKS
from streams.fold.deltas import TableKey
from streams.kafka.records import TopicPartition
from streams.state.keys import GroupKeys, group_of, key_member, table_member
from streams.state.watermark import Watermark

AT_ONCE = 100
"""Tables in one round trip."""


class StateWriter:
    """Writes tables into a namespace; `tables` and `bytes` say how many and how much they hold."""

    def __init__(self, client: Redis, namespace: str, groups: int) -> None:
        self.tables = self.bytes = 0
        self._groups = [GroupKeys(namespace, group) for group in range(groups)]
        self._pipeline = client.pipeline(transaction=False)
        self._began = int(time.time())
        self._revision = f"{self._began}:0".encode()

    async def reach(self, time_ms: int) -> None:
        """Let the log have come so far, by a partition of which nothing is applied."""
        mark = Watermark(0, time_ms).encode()
        for keys in self._groups:
            self._pipeline.set(keys.watermark(TopicPartition(CLICKS.name, 0)), mark)
        await self.flush()

    async def add(self, key: TableKey, kind: str, parts: dict[str, bytes]) -> None:
        """One table, or the bins of a page, with its entry in the index of its bucket."""
        keys = self._groups[group_of(key.page, key.segment, len(self._groups))]
        if kind == "table":
            parts = {**parts, "revision": self._revision}
        arrays = chain.from_iterable((keys.table(name, key), content) for name, content in parts.items())
        self._pipeline.execute_command("MSET", *arrays)
        buckets, index = keys.listing(kind, key.bucket)
        self._pipeline.sadd(buckets, str(key.bucket))
        self._pipeline.sadd(index, table_member(kind, key.page, key.segment, key.traffic))
        if kind == "table":
            self._pipeline.zadd(keys.revisions, {key_member(key.page, key.segment): self._began * 1_000_000})
        self.bytes += sum(map(len, parts.values()))
        self.tables += 1
        if self.tables % AT_ONCE == 0:
            await self.flush()

    async def flush(self) -> None:
        await self._pipeline.execute()
