"""The namespace that workers use now: what the name in the settings stands for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from reshelf.settings import Settings
from schemas.errors import StateAttention, Transient
from streams.retry import Retry
from streams.settings import RedisSettings
from streams.state.alias import resolve
from streams.state.connection.client import redis_client

LOOK_S = 1.0


def live(settings: Settings) -> Settings:
    """The settings with the namespace that its name stands for; raises `Transient` when Redis does not answer."""
    return named(settings, asyncio.run(_resolved(settings.redis)))


def named(settings: Settings, namespace: str) -> Settings:
    """The settings with this namespace."""
    return settings.model_copy(update={"redis": settings.redis.model_copy(update={"namespace": namespace})})


async def waited_for(redis: RedisSettings) -> str:
    """The namespace that the settings' name stands for, once Redis says so."""
    return await Retry().until_success(lambda: _resolved(redis)) or redis.namespace


def watch(redis: RedisSettings, namespace: str, ended: Callable[[Exception], None]) -> None:
    """Call `ended` once when the settings' name stands for another namespace than this; in a thread of its own."""

    def look() -> None:
        while True:
            time.sleep(LOOK_S)
            try:
                now = asyncio.run(_resolved(redis))
            except Transient:
                continue
            if now != namespace:
                ended(StateAttention(f"{redis.namespace!r} stands for namespace {now!r} now: start again to use it"))
                return

    threading.Thread(target=look, name="namespace", daemon=True).start()


async def _resolved(redis: RedisSettings) -> str:
    client = redis_client(redis)
    try:
        return await resolve(client, redis.namespace)
    finally:
        await client.aclose()
