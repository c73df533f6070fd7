"""A namespace that nobody uses any more, deleted: all that Redis holds of it, and what lies on this machine's disk.

Redis is gone through in small steps, so that others are served in between.  What was begun says so in
Redis: no worker takes a namespace of which a part is gone, and a drop that was cut off is done again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from redis.asyncio import Redis

from reshelf.namespaces.replay import require_name
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.dropped import remove_folder
from streams.locked_folder import clicks_folder, duplicates_folder
from streams.state import keys, manifest
from streams.state.alias import alias_key, resolve
from streams.state.connection.client import redis_client
from streams.state.connection.errors import translate_errors
from streams.state.manifest import DROPPED, DROPPING, Manifest, NamespaceMissing, dropped_key

SCANNED = 1_000
"""Keys that Redis looks at in one call."""
DELETED = 500
"""Keys that it unlinks in one call; their memory is freed beside its work."""


@dataclass(frozen=True, slots=True)
class Content:
    """What there is of a namespace; `manifest` is None where a drop was cut off."""

    namespace: str
    keys: int
    manifest: Manifest | None


def content_of(settings: Settings, namespace: str) -> Content:
    """What would be dropped.

    Raises `BadSettings` where a name stands for the namespace, and `NamespaceMissing` where there is none.
    """
    require_name("NAMESPACE", namespace)
    return asyncio.run(_content(settings, namespace))


def drop(settings: Settings, namespace: str) -> int:
    """Delete a namespace; how many keys there were.  Raises as `content_of`."""
    require_name("NAMESPACE", namespace)
    return asyncio.run(_drop(settings, namespace))


@contextlib.asynccontextmanager
async def _unused(settings: Settings, namespace: str) -> AsyncIterator[Redis]:
    client = redis_client(settings.redis)
    try:
        await _require_unused(client, settings, namespace)
        yield client
    finally:
        await client.aclose()


async def _content(settings: Settings, namespace: str) -> Content:
    async with _unused(settings, namespace) as client:
        try:
            stored = await manifest.read(client, namespace)
        except NamespaceMissing:
            stored = None
        count = sum([1 async for _ in _keys(client, namespace)])
    if stored is None and not count:
        raise NamespaceMissing(f"there is no namespace {namespace!r} in Redis: nothing is to be dropped.")
    return Content(namespace, count, stored)


async def _require_unused(client: Redis, settings: Settings, namespace: str) -> None:
    name = settings.redis.namespace
    names = [name] if await resolve(client, name) == namespace else []
    async for key in client.scan_iter(match=alias_key("*"), count=SCANNED):
        other = key.decode().partition("{")[2].partition("}")[0]
        if other != name and await resolve(client, other) == namespace:
            names.append(other)
    if names:
        raise BadSettings(
            f"namespace {namespace!r} is in use: {', '.join(map(repr, sorted(names)))} stands for it. Switch to "
            "another with `reshelf state swap OTHER` first, and drop this one once that has proved itself."
        )


async def _drop(settings: Settings, namespace: str) -> int:
    async with _unused(settings, namespace) as client:
        await translate_errors(lambda: client.set(dropped_key(namespace), DROPPING))
        count, batch = 0, list[bytes]()
        async for key in _keys(client, namespace):
            batch.append(key)
            if len(batch) >= DELETED:
                count += await _unlink(client, batch)
        count += await _unlink(client, batch)
        await translate_errors(lambda: client.set(dropped_key(namespace), DROPPED))
    remove_folder(clicks_folder(settings.attribution.folder), namespace)
    remove_folder(duplicates_folder(settings.learner.folder), namespace)
    return count


async def _unlink(client: Redis, batch: list[bytes]) -> int:
    if not batch:
        return 0
    count = await translate_errors(lambda: client.unlink(*batch))
    batch.clear()
    return int(count)


async def _keys(client: Redis, namespace: str) -> AsyncIterator[bytes]:
    """All keys of a namespace, but what says which namespace its name stands for and that it is dropped."""
    stay = {alias_key(namespace).encode(), dropped_key(namespace).encode()}
    for pattern in (f"{keys.PREFIX}{{{namespace}:*", f"{keys.PREFIX}{{{namespace}}}:*"):
        async for key in client.scan_iter(match=pattern, count=SCANNED):
            if key not in stay:
                yield key
