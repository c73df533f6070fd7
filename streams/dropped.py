"""What workers keep on disk of namespaces that were dropped goes, too, wherever a worker has some.

Clicks of attribution and what learners had lately lie in a folder for each namespace, on disks that only
their workers see: these look from time to time which of them were dropped.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from redis.asyncio import Redis

from schemas.errors import Transient
from streams.state.connection.errors import translate_errors
from streams.state.manifest import DROPPED, dropped_key

LOOK_S = 600.0

log = logging.getLogger("reshelf")


async def follow_drops(redis: Redis, root: Path, namespace: str) -> None:
    """For ever: remove the folders of namespaces that were dropped, but never that of this one."""
    while True:
        try:
            await remove_dropped(redis, root, namespace)
        except Transient as error:
            log.info("Folders of dropped namespaces in %s are looked for later: %s", root, error)
        await asyncio.sleep(LOOK_S)


async def remove_dropped(redis: Redis, root: Path, namespace: str) -> list[str]:
    """Remove the folders of namespaces that were dropped; gives their names."""
    removed = []
    for name in await asyncio.to_thread(_names, root):
        if name == namespace:
            continue
        if await translate_errors(lambda name=name: redis.get(dropped_key(name))) == DROPPED:  # type: ignore[misc]
            await asyncio.to_thread(remove_folder, root, name)
            removed.append(name)
            log.info("Namespace %s was dropped: what %s held of it is deleted.", name, root)
    return removed


def _names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


def remove_folder(root: Path, namespace: str) -> None:
    """Remove what this machine has of a namespace."""
    shutil.rmtree(root / namespace, ignore_errors=True)
