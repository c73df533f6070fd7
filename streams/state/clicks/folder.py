"""Where the stores of clicks lie, one for each partition, and who uses which."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
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

from streams.locked_folder import clicks_folder, open_locked
from streams.settings import AttributionSettings
from streams.state.clicks.rows import FINGERPRINT
from streams.state.clicks.store import ClickStore

MIB = 1 << 20
RECENT_BYTES = 600
"""About what a click or a signal takes that is kept in memory."""
FILTER_SHARE = 0.005
"""Of what may wait for its file, for a filter of units: six bits for each of the 100,000 rows that are 16 MiB."""
_VERSION = "1"
"""Of the layout of keys and values: another one is not read but made again."""


class LockedStore:
    """A partition's store, and the lock on its files."""

    def __init__(self, store: ClickStore, lock: int, on_close: Callable[[], None]) -> None:
        self.store = store
        self._lock = lock
        self._on_close = on_close

    def close(self) -> None:
        """Leave the files to others."""
        self._on_close()
        self.store.close()
        os.close(self._lock)


class ClickFolder:
    """The folder of the settings; all stores of a process share one bound on memory."""

    def __init__(self, settings: AttributionSettings) -> None:
        self.path = clicks_folder(settings.folder)
        memory = settings.memory_mb * MIB
        self._recent = memory // 2 // RECENT_BYTES
        self._cache = Cache(memory // 2)
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(memory // 4, False, self._cache)
        self._open: set[Path] = set()

    def open(self, namespace: str, partition: int) -> LockedStore:
        """The store of a partition, made where it is missing; raises `StateAttention` where it cannot be."""
        path, lock = open_locked(self.path / namespace, str(partition), "attribution.folder")
        try:
            store = ClickStore(path / f"v{_VERSION}", self._options(), self._most_recent)
        except BaseException:
            os.close(lock)
            raise
        self._open.add(path)
        return LockedStore(store, lock, partial(self._open.discard, path))

    def _most_recent(self) -> int:
        """What one of the open stores may keep in memory."""
        return self._recent // max(1, len(self._open))

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
        # Most units have nothing on most days: without this each look goes through what is not in files yet.
        # Every day and week has it from its beginning on, also when nothing is written to it any more.
        options.set_memtable_prefix_bloom_ratio(FILTER_SHARE)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_bottommost_compression_type(DBCompressionType.zstd())
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(16 * MIB)
        options.set_arena_block_size(64 << 10)
        options.set_max_total_wal_size(64 * MIB)
        options.set_max_open_files(128)
        options.set_keep_log_file_num(2)
        return options
