"""Namespaces made without a worker."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from schemas.topics import EVENT_TOPICS
from streams.settings import FoldSettings
from streams.state.manifest import Manifest, agree, manifest_of


def make_namespace(
    redis_url: str,
    prefix: str,
    fold: FoldSettings | None = None,
    name: str = "live",
    groups: int = 16,
    partitions: int = 4,
) -> Manifest:
    """A namespace over event topics that begin at 0."""
    starts = {topic.name: [0] * partitions for topic in EVENT_TOPICS}
    wanted = manifest_of(name, prefix, starts, groups, fold or FoldSettings())

    async def make() -> Manifest:
        async with Redis.from_url(redis_url) as client:
            return await agree(client, wanted)

    return asyncio.run(make())
