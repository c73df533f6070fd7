"""A disk for the workers' folders that can be filled: a small file system of its own, where one may be mounted."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from reshelf.drill.plan import Fault, Heal, Impossible
from reshelf.drill.setup.environment import Environment

SIZE_MB = 512
CHUNK = b"\0" * (1 << 20)
EXCUSES = ("attribution.folder", "learner.folder")
"""What a worker that ends as it cannot write has to name."""
NOTICED_S = 40.0


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """The folder on a file system of its own; False where that may not be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700", "reshelf-drill", str(folder)]
    with contextlib.suppress(OSError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            try:
                yield True
            finally:
                subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
            return
    yield False


def fill(environment: Environment, fault: Fault) -> Heal:
    """Leave no space; then an attribution and a learner die, and come back to a full disk.

    Healed when one has ended with a word about its folder, or has had long enough to.
    """
    workers = environment.workers
    if environment.disk is None:
        raise Impossible("a file system of the drill's own may not be mounted here; run it as root")
    filler = environment.disk / f"filler-{fault.pick}"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(CHUNK):
            pass
    workers.excuse(*EXCUSES)
    workers.excuses.update(EXCUSES)
    for role in ("attribution", "learner"):
        for member in workers.of(role)[:1]:
            workers.kill(member)

    until, before = time.monotonic() + NOTICED_S, len(workers.excused)

    def heal() -> None:
        if time.monotonic() < until and len(workers.excused) == before:
            raise OSError("no worker has noticed yet that the disk is full")
        filler.unlink(missing_ok=True)
        workers.excuses.difference_update(EXCUSES)

    return heal
