"""Commands of many callers in one round trip.

A Redis client spends more time on a call than Redis on a command.  While one
round trip is under way, what is asked meanwhile waits for the next: alone, a
command goes at once; many at a time share the cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from streams.state.connection.errors import translate_error, translate_errors

Command = tuple[Any, ...]
MOST = 64
"""Commands in one round trip; replies of tables are tens of kilobytes each."""


class _Call(NamedTuple):
    commands: Sequence[Command]
    replies: asyncio.Future[list[Any]]


class PipelinedClient:
    """Sends commands of one event loop's tasks in as few round trips as they allow."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        # A cluster's pipeline takes no MGET and no SCRIPT: there each command goes by itself.
        self._alone = isinstance(redis, RedisCluster)
        self._waiting: list[_Call] = []
        self._sending: asyncio.Task[None] | None = None

    async def ask(self, *commands: Command) -> list[Any]:
        """The replies to commands, in their order; raises as `streams.state.store.translate_errors` does.

        They are no transaction: only each command is atomic.
        """
        if self._alone:
            return list(await asyncio.gather(*map(self._by_itself, commands)))
        call = _Call(commands, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await call.replies

    async def _by_itself(self, command: Command) -> Any:
        return await translate_errors(lambda: self._redis.execute_command(*command))

    async def _send(self) -> None:
        """Until nobody waits; a task that gave up waiting is answered into the void."""
        try:
            while self._waiting:
                some = self._take()
                try:
                    replies = await self._round_trip([command for call in some for command in call.commands])
                except Exception as error:  # noqa: BLE001  each caller gets it
                    for call in some:
                        _fail(call, error)
                else:
                    at = 0
                    for call in some:
                        _settle(call, replies[at : at + len(call.commands)])
                        at += len(call.commands)
        finally:
            self._sending = None
            for call in self._waiting:
                call.replies.cancel()
            self._waiting.clear()

    def _take(self) -> list[_Call]:
        count = number = 0
        for call in self._waiting:
            if number and count + len(call.commands) > MOST:
                break
            number += 1
            count += len(call.commands)
        some, self._waiting = self._waiting[:number], self._waiting[number:]
        return some

    async def _round_trip(self, commands: Sequence[Command]) -> list[Any]:
        if len(commands) == 1:
            return [await translate_errors(lambda: self._redis.execute_command(*commands[0]))]
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await translate_errors(lambda: pipeline.execute(raise_on_error=False))
        return replies


def _settle(call: _Call, replies: list[Any]) -> None:
    failed = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if failed is not None:
        _fail(call, translate_error(failed))
    elif not call.replies.done():
        call.replies.set_result(replies)


def _fail(call: _Call, error: Exception) -> None:
    if not call.replies.done():
        call.replies.set_exception(error)
