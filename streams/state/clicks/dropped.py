"""Clicks on disk of namespaces that were dropped: they go, too, wherever a worker of attribution has some."""

from __future__ import annotations

import asyncio
import logging
import shutil

from redis.asyncio import Redis

from schemas.errors import Transient
from streams.settings import AttributionSettings
from streams.state.clicks.folder import folder_of
from streams.state.connection.errors import translate_errors
from streams.state.manifest import DROPPED, dropped_key

LOOK_S = 600.0

log = logging.getLogger("reshelf")


async def follow_drops(redis: Redis, settings: AttributionSettings, namespace: str) -> None:
    """For ever: remove the folders of namespaces that were dropped, but never that of this one."""
    while True:
        try:
            await remove_dropped(redis, settings, namespace)
        except Transient as error:
            log.info("Clicks of dropped namespaces are looked for later: %s", error)
        await asyncio.sleep(LOOK_S)


async def remove_dropped(redis: Redis, settings: AttributionSettings, namespace: str) -> list[str]:
    """Remove the folders of namespaces that were dropped; gives their names."""
    root, removed = folder_of(settings), []
    for name in sorted(path.name for path in root.iterdir()) if root.is_dir() else []:
        if name == namespace:
            continue
        if await translate_errors(lambda name=name: redis.get(dropped_key(name))) == DROPPED:  # type: ignore[misc]
            remove_folder(settings, name)
            removed.append(name)
            log.info("Namespace %s was dropped: its clicks on this disk are deleted.", name)
    return removed


def remove_folder(settings: AttributionSettings, namespace: str) -> None:
    """Remove what this machine has of a namespace's clicks."""
    shutil.rmtree(folder_of(settings) / namespace, ignore_errors=True)
