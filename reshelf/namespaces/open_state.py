"""A namespace as its workers made it, for everybody who reads: what its manifest knows, no shell's settings say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from redis.asyncio import Redis

from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.state.connection.client import redis_client
from streams.state.manifest import Manifest
from streams.state.reader import StateReader


@dataclass(frozen=True, slots=True)
class OpenState:
    """A namespace that is read: its client and reader, and the settings that it was made with."""

    redis: Redis
    reader: StateReader
    settings: Settings


@contextlib.asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[OpenState]:
    """The namespace that the settings' name stands for; raises `NamespaceMissing` where there is none."""
    client = redis_client(settings.redis)
    try:
        reader = await StateReader.open(client, settings.redis.namespace)
        yield OpenState(client, reader, settings_of(settings, reader.manifest))
    finally:
        await client.aclose()


def namespace_settings(settings: Settings) -> Settings:
    """The settings, with those that the namespace was made with; raises `NamespaceMissing` where there is none."""

    async def read() -> Settings:
        async with open_state(settings) as state:
            return state.settings

    return asyncio.run(read())


def settings_of(settings: Settings, manifest: Manifest) -> Settings:
    """The settings, with the manifest's namespace, groups and fold in place of their own.

    Raises `BadSettings` where the topics of the settings are not those of the
    namespace: which of both is meant only the asker knows.
    """
    prefix = manifest.prefix if manifest.topics else settings.kafka.prefix
    if prefix != settings.kafka.prefix:
        raise BadSettings(
            f"kafka.prefix: expected {prefix!r}, as namespace {manifest.namespace!r} counts those topics, got "
            f"{settings.kafka.prefix!r}. Set kafka.prefix to it, or redis.namespace to the state of your topics."
        )
    fold, since = manifest.fold_settings(settings.fold), settings.experiment.since_ms
    if since and not fold.bucket_ms:
        raise BadSettings(
            f"experiment.since_ms: expected 0, as namespace {manifest.namespace!r} has one bucket for all time "
            f"(fold.bucket_ms 0), got {since}. Set it to 0, or replay into a namespace with buckets."
        )
    return settings.changed(redis={"namespace": manifest.namespace, "groups": manifest.groups}, fold=fold)
