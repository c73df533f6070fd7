"""The state on a Redis Cluster: groups on all shards, and a primary that dies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from reshelf.processes.redis_cluster import RedisCluster
from schemas.errors import Transient
from streams.kafka.records import TopicPartition
from streams.settings import RedisSettings
from streams.state.connection.client import redis_client, redis_servers
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
GROUPS = 16
TP = TopicPartition("events-clicks", 0)
WAIT_S = 30.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    started = RedisCluster(tmp_path)
    try:
        started.start()
        yield started
    finally:
        started.stop()


async def moved(store: Store, end: int) -> list[int]:
    """Move every group to `end` from wherever it is, as a worker does after a rewind."""
    found = await store.watermarks(TP, 0)
    moves = [GroupUpdate(group, mark.offset, Watermark(end)) for group, mark in enumerate(found) if mark.offset < end]
    await store.apply(TP, 0, moves)
    return [mark.offset for mark in await store.watermarks(TP, 0)]


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The result of `call`, tried again while a shard has no primary."""
    deadline = Deadline(WAIT_S)
    while True:
        try:
            return await asyncio.wait_for(call(), WAIT_S)
        except Transient:
            assert deadline.ahead, "the cluster did not come back"
            await asyncio.sleep(0.1)


def test_state_is_on_every_shard_and_goes_on_when_a_primary_dies(cluster: RedisCluster) -> None:
    settings = RedisSettings(url=cluster.url, cluster=True, groups=GROUPS)

    async def run() -> None:
        client = redis_client(settings)
        try:
            store = Store(client, "shelf", GROUPS)
            assert await moved(store, 5) == [5] * GROUPS
            with redis_servers(settings) as servers:
                assert len(servers) == 3
                assert all(server.dbsize() for server in servers.values())
            killed = cluster.kill_primary(0)
            assert await patiently(lambda: moved(store, 9)) == [9] * GROUPS
            killed.start()
            cluster.settle()
            assert killed.port not in {node.port for node in cluster.primaries()}
            assert await patiently(lambda: moved(store, 12)) == [12] * GROUPS
        finally:
            await client.aclose()

    asyncio.run(run())
