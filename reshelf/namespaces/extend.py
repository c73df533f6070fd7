"""A namespace that was made before signals and returns, or with fewer kinds of signals: let it count them, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reshelf.settings import Settings
from streams.state import manifest
from streams.state.alias import resolve
from streams.state.connection.client import redis_client
from streams.state.manifest import Manifest
from streams.state.namespace import extend


def lacking(stored: Manifest, expected: Manifest) -> list[str]:
    """The topics and the kinds of signals that a namespace does not count, though the settings would."""
    topics = [topic for topic in expected.starts if topic not in stored.starts]
    return topics + [f"signals {kind}" for kind in expected.signals if kind not in stored.signals]


def extended(settings: Settings, require_idle: Callable[[Settings, Manifest], None]) -> list[str]:
    """Extend the live namespace; the topics and kinds that are new to it.

    `require_idle` raises where workers run in it: what they read meanwhile would be counted by the old manifest.
    Raises `StateAttention` where there is none or it was made with other settings, `BadSettings` where topics are
    missing or there would be too many kinds.
    """

    async def run() -> list[str]:
        client = redis_client(settings.redis)
        try:
            name = await resolve(client, settings.redis.namespace)
            before = await manifest.read(client, name, settings.redis.namespace)
            await asyncio.to_thread(require_idle, settings, before)
            stored, after = await extend(settings.kafka, client, name, settings.fold)
            return lacking(stored, after)
        finally:
            await client.aclose()

    return asyncio.run(run())
