"""Folders on a local disk, one for each partition, and who uses which.

A worker that hangs may still have a partition's files while another one on the
same machine gets the partition: that one takes other files and reads the log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from itertools import count
from pathlib import Path

from schemas.errors import StateAttention


def open_locked(base: Path, name: str, setting: str) -> tuple[Path, int]:
    """The folder of this name that nobody else uses, made where it is missing, and the lock on it.

    Raises `StateAttention` about the setting that names `base` where it cannot be.
    """
    for number in count():
        path = base / (name if number == 0 else f"{name}-{number}")
        lock = _lock(path, setting)
        if lock is not None:
            if number == 0:
                _remove_spare(base, name, setting)
            return path, lock
    raise AssertionError("unreachable")


def clicks_folder(configured: str) -> Path:
    """Where clicks lie, by attribution.folder: a folder for each namespace."""
    return _state_folder(configured, "clicks")


def duplicates_folder(configured: str) -> Path:
    """Where journals of what partitions had lately lie, by learner.folder: a folder for each namespace."""
    return _state_folder(configured, "duplicates")


def _state_folder(configured: str, name: str) -> Path:
    """The folder that a setting names, or the one of this name for a user's state."""
    if configured:
        return Path(configured)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "reshelf" / name


def _lock(path: Path, setting: str) -> int | None:
    """A lock on a folder, None where another process has it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateAttention(
            f"{setting}: expected a folder to write to, got {path}: {error.strerror}. "
            "Name one that this user may write to."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove_spare(base: Path, name: str, setting: str) -> None:
    """What was written beside the files of a partition while these were in use."""
    for path in base.glob(f"{name}-*"):
        with contextlib.suppress(StateAttention):
            lock = _lock(path, setting)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
