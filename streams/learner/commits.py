"""Commits that go on at the same time: one of each partition, a few of all; no IO."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from streams.kafka.records import TopicPartition

AT_ONCE = 4
"""While Redis works for some partitions, others are encoded; more would only wait for it."""


class Commits:
    """Who may write to the state just now; whoever came first goes first."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._room = asyncio.Semaphore(at_once)
        self._alone = asyncio.Lock()
        self._turns: defaultdict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def of(self, tp: TopicPartition) -> AsyncIterator[None]:
        """Write what belongs to a partition, beside others."""
        async with self._turns[tp], self._room:
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Do what nobody may write beside."""
        async with self._alone, AsyncExitStack() as stack:
            for _ in range(self._at_once):
                await stack.enter_async_context(self._room)
            yield
