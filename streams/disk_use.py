"""How full the disks are that workers write to: told long before they take nothing more."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streams.metrics import REGISTRY, Registry

LOOK_S = 10.0


class DiskUse(NamedTuple):
    """Bytes that are used, of how many this user may use."""

    used: int
    size: int

    @property
    def ratio(self) -> float:
        """The share that is used."""
        return self.used / self.size


def disk_use(folder: Path) -> DiskUse:
    """Of the disk that a folder is on, or will be made on; raises OSError."""
    usage = shutil.disk_usage(nearest(folder))
    return DiskUse(usage.used, usage.used + usage.free)


def nearest(folder: Path) -> Path:
    """The folder, or the part of its path that is there already."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


async def follow_disk_use(setting: str, folder: Path, metrics: Registry = REGISTRY) -> None:
    """For ever: say in metrics how full the disk is of the folder that a setting names."""
    while True:
        with suppress(OSError):  # Whoever writes there says what is wrong.
            use = await asyncio.to_thread(disk_use, folder)
            metrics.set("reshelf_disk_used_ratio", setting, value=use.ratio)
        await asyncio.sleep(LOOK_S)
