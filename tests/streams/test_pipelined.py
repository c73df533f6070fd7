"""Commands that share a round trip: each caller gets its own replies, errors and all."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as Client
from redis.exceptions import ResponseError

from reshelf.processes.children import free_port
from schemas.errors import Transient
from streams.state.connection.pipelined import MOST, PipelinedClient


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=4), min_size=1, max_size=3 * MOST))
def test_each_caller_gets_its_own_replies(redis_url: str, asked: list[list[int]]) -> None:
    async def run() -> None:
        async with Client.from_url(redis_url) as client:
            pipelined = PipelinedClient(client)
            replies = await asyncio.gather(*(pipelined.ask(*(("ECHO", str(n)) for n in those)) for those in asked))
            assert replies == [[str(n).encode() for n in those] for those in asked]
            assert await pipelined.ask(("ECHO", "later")) == [b"later"]

    asyncio.run(run())


def test_an_error_is_that_of_its_caller_alone(redis_url: str, redis: Redis) -> None:
    async def run() -> None:
        async with Client.from_url(redis_url) as client:
            pipelined = PipelinedClient(client)
            got: list[object] = await asyncio.gather(
                pipelined.ask(("SET", "a", "1"), ("GET", "a")),
                pipelined.ask(("INCR", "a"), ("LPUSH", "a", "x")),
                pipelined.ask(("ECHO", "c")),
                return_exceptions=True,
            )
            assert (got[0], got[2]) == ([True, b"1"], [b"c"])
            assert isinstance(got[1], ResponseError)

    asyncio.run(run())


def test_a_caller_that_gives_up_takes_nothing_from_the_others(redis_url: str, redis: Redis) -> None:
    async def run() -> None:
        async with Client.from_url(redis_url) as client:
            pipelined = PipelinedClient(client)
            leaving = [asyncio.create_task(pipelined.ask(("ECHO", str(n)))) for n in range(20)]
            staying = [asyncio.create_task(pipelined.ask(("ECHO", f"s{n}"))) for n in range(20)]
            await asyncio.sleep(0)
            for task in leaving:
                task.cancel()
            assert await asyncio.gather(*staying) == [[b"s%d" % n] for n in range(20)]
            for task in leaving:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    asyncio.run(run())


def test_where_no_redis_answers_all_are_told_so() -> None:
    async def run() -> None:
        client = Client(port=free_port())
        pipelined = PipelinedClient(client)
        told = await asyncio.gather(*(pipelined.ask(("GET", "a")) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(one, Transient) for one in told)
        with pytest.raises(Transient):
            await pipelined.ask(("GET", "a"), ("GET", "b"))
        await client.aclose()

    asyncio.run(run())
