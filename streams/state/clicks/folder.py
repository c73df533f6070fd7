"""Where the stores of clicks lie, one for each partition, and who uses which.

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

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    SliceTransform,
    WriteBufferManager,
)

from schemas.errors import StateAttention
from streams.settings import AttributionSettings
from streams.state.clicks.store import FINGERPRINT, ClickStore

MIB = 1 << 20
_VERSION = "1"
"""Of the layout of keys and values: another one is not read but made again."""


class LockedStore:
    """A partition's store, and the lock on its files."""

    def __init__(self, store: ClickStore, lock: int) -> None:
        self.store = store
        self._lock = lock

    def close(self) -> None:
        """Leave the files to others."""
        self.store.close()
        os.close(self._lock)


class ClickFolder:
    """The folder of the settings; all stores of a process share one bound on memory."""

    def __init__(self, settings: AttributionSettings) -> None:
        self.path = folder_of(settings)
        memory = settings.memory_mb * MIB
        self._cache = Cache(memory)
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(memory // 2, False, self._cache)

    def open(self, namespace: str, partition: int) -> LockedStore:
        """The store of a partition, made where it is missing; raises `StateAttention` where it cannot be."""
        base = self.path / namespace
        for number in count():
            path = base / (str(partition) if number == 0 else f"{partition}-{number}")
            lock = _lock(path)
            if lock is None:
                continue
            if number == 0:
                _remove_spare(base, partition)
            try:
                return LockedStore(ClickStore(path / f"v{_VERSION}", self._options()), lock)
            except BaseException:
                os.close(lock)
                raise
        raise AssertionError("unreachable")

    def _options(self) -> Options:
        table = BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_cache_index_and_filter_blocks(True)
        table.set_index_type(BlockBasedIndexType.two_level_index_search())
        table.set_partition_filters(True)
        table.set_bloom_filter(10, False)
        table.set_format_version(5)
        table.set_block_size(8 << 10)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(table)
        options.set_prefix_extractor(SliceTransform.create_fixed_prefix(FINGERPRINT))
        options.set_compression_type(DBCompressionType.lz4())
        options.set_bottommost_compression_type(DBCompressionType.zstd())
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(16 * MIB)
        options.set_arena_block_size(256 << 10)
        options.set_max_total_wal_size(64 * MIB)
        options.set_max_open_files(128)
        options.set_keep_log_file_num(2)
        return options


def folder_of(settings: AttributionSettings) -> Path:
    """The folder that the settings name, or the one for a user's state."""
    if settings.folder:
        return Path(settings.folder)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "reshelf" / "clicks"


def _lock(path: Path) -> int | None:
    """A lock on a store's files, None where another process has it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateAttention(
            f"attribution.folder: expected a folder to keep clicks in, got {path}: {error.strerror}. "
            "Name one that this user may write to."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove_spare(base: Path, partition: int) -> None:
    """What was written beside the files of a partition while these were in use."""
    for path in base.glob(f"{partition}-*"):
        with contextlib.suppress(StateAttention):
            lock = _lock(path)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
