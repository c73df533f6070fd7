"""Versions never go back: several owners at once, a Redis that lost writes, a topic that knows more."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from redis import Redis

from streams.state.connection.pipelined import PipelinedClient
from streams.state.layout_versions import LIVES, Versions, version_key

TTL_MS = 600_000
FAR = 10**15
"""A version in the far future: above any time in milliseconds."""


@contextlib.asynccontextmanager
async def opened(url: str, *, owners: int) -> AsyncIterator[list[Versions]]:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(redis.asyncio.Redis.from_url(url)) for _ in range(owners)]
        yield [Versions(PipelinedClient(client), "live", 16, TTL_MS) for client in clients]


def test_concurrent_owners_get_different_versions_and_each_sees_its_own_grow(redis_url: str, redis: Redis) -> None:
    async def many(versions: Versions) -> list[int]:
        return [await versions.next("home", "new", 0) for _ in range(200)]

    async def run() -> list[list[int]]:
        async with opened(redis_url, owners=4) as owners:
            return await asyncio.gather(*map(many, owners))

    began = time.time_ns() // 1_000_000
    got = asyncio.run(run())
    everything = [version for one in got for version in one]
    assert len(set(everything)) == len(everything)
    assert all(one == sorted(one) for one in got)
    assert min(everything) >= began


def test_a_version_is_above_what_was_stored_and_what_was_seen(redis_url: str, redis: Redis) -> None:
    async def run() -> None:
        async with opened(redis_url, owners=1) as (versions,):
            assert await versions.next("home", "new", FAR) == FAR + 1
            assert await versions.next("home", "new", 0) == FAR + 2
            assert await versions.next("home", "new", FAR + 1) == FAR + 3
            assert await versions.next("home", "other", 0) < FAR

    asyncio.run(run())


@pytest.mark.parametrize("loss", ["rolled back", "gone"])
def test_versions_rise_although_redis_lost_writes(redis_url: str, redis: Redis, loss: str) -> None:
    async def run() -> None:
        async with opened(redis_url, owners=1) as (versions,):
            key = version_key("live", 16, "home", "new")
            first = await versions.next("home", "new", FAR)
            snapshot = redis.get(key)
            last = await versions.next("home", "new", first)
            if loss == "gone":
                redis.flushall()
                redis.script_flush()
            else:
                redis.set(key, snapshot or b"")
            assert await versions.next("home", "new", last) == last + 1

    asyncio.run(run())


def test_the_counter_of_what_is_arranged_no_more_goes_and_one_that_is_renewed_stays(
    redis_url: str, redis: Redis
) -> None:
    async def run() -> None:
        async with opened(redis_url, owners=1) as (versions,):
            await versions.next("home", "new", 0)
            key = version_key("live", 16, "home", "new")
            assert TTL_MS < redis.pttl(key) <= LIVES * TTL_MS
            redis.pexpire(key, 1)
            await asyncio.sleep(0.01)
            before = time.time_ns() // 1_000_000
            assert await versions.next("home", "new", 0) >= before
            assert redis.pttl(key) > TTL_MS

    asyncio.run(run())


def test_a_version_lies_in_the_group_of_its_key_and_names_cannot_be_mistaken() -> None:
    assert version_key("live", 1, "a/b", "c:d") == "reshelf:{live:0}:version:a%2Fb:c%3Ad"
    assert version_key("live", 1, "a:b", "c") != version_key("live", 1, "a", "b:c")
