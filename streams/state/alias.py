"""Which namespace a name stands for: how live workers are switched to a state that was replayed.

Workers look their namespace's name up when they start, and once a second while
they run; when it stands for another, they end, for their supervisor to start them
again.  Each namespace has watermarks of its own, so nothing is lost or counted twice:
the new one goes on from where it stands.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from redis.asyncio import Redis

from schemas.errors import BadSettings, StateAttention, Transient
from streams.retry import Retry
from streams.settings import RedisSettings
from streams.state.connection.client import redis_client
from streams.state.connection.errors import translate_errors
from streams.state.keys import PREFIX

LOOK_S = 1.0
"""What a name stands for is looked up once in these seconds."""
LOOKS = 30
"""So many over one connection: opening one costs more than a look, and only a new one shows a changed password."""


def alias_key(name: str) -> str:
    """Where it is kept what a name stands for."""
    return f"{PREFIX}{{{name}}}:alias"


async def resolve(redis: Redis, name: str) -> str:
    """The namespace that a name stands for: itself, unless it was switched; raises `Transient`."""
    stored = await translate_errors(lambda: redis.get(alias_key(name)))
    return stored.decode() if isinstance(stored, bytes) else name


async def switch(redis: Redis, name: str, namespace: str) -> str:
    """Let a name stand for a namespace from now on; gives the one before.

    Raises `BadSettings` where the namespace's own name was switched too: a name must
    lead to a namespace in one step.
    """
    if namespace != name and (other := await resolve(redis, namespace)) != namespace:
        raise BadSettings(f"{namespace!r} itself stands for {other!r}: name that one")
    before = await resolve(redis, name)
    if namespace == name:
        await translate_errors(lambda: redis.delete(alias_key(name)))
    else:
        await translate_errors(lambda: redis.set(alias_key(name), namespace))
    return before


async def wait_for_namespace(redis: RedisSettings) -> str:
    """The namespace that the settings' name stands for, once Redis says so."""
    return await Retry().until_success(lambda: namespace_of(redis)) or redis.namespace


def watch_alias(redis: RedisSettings, namespace: str, ended: Callable[[Exception], None]) -> None:
    """Call `ended` once when the settings' name stands for another namespace than this; in a thread of its own.

    It is called as well with what keeps this from looking for good, as a password that was changed does.
    """

    def look() -> None:
        # One loop for all looks, and none of uvloop's: each that is made and closed leaves some memory behind.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            reason = None
            while reason is None:
                reason = _reason_to_end(runner, redis, namespace)
        ended(reason)

    threading.Thread(target=look, name="namespace", daemon=True).start()


def _reason_to_end(runner: asyncio.Runner, redis: RedisSettings, namespace: str) -> Exception | None:
    """Why who works on this namespace must not go on; None where it may, or Redis does not answer just now."""
    try:
        now = runner.run(_looked_up(redis, namespace))
    except Transient:
        return None
    except Exception as error:  # noqa: BLE001  whatever it is, the worker must not go on without this thread
        return error
    if now == namespace:
        return None
    return StateAttention(f"{redis.namespace!r} stands for namespace {now!r} now: start again to use it")


async def _looked_up(redis: RedisSettings, namespace: str) -> str:
    """What the settings' name stands for once that is another namespace than this, or after LOOKS looks."""
    client, now = redis_client(redis), namespace
    try:
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_S)
            now = await resolve(client, redis.namespace)
            if now != namespace:
                break
        return now
    finally:
        await client.aclose()


async def namespace_of(redis: RedisSettings) -> str:
    """What the settings' name stands for, by a client of this call's own."""
    client = redis_client(redis)
    try:
        return await resolve(client, redis.namespace)
    finally:
        await client.aclose()
