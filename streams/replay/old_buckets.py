"""What becomes of old time buckets while a log is replayed: merged and dropped, as in life."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from streams.retry import Retry
from streams.settings import FoldSettings
from streams.state.expiry import expire
from streams.state.manifest import Manifest
from streams.state.merging import Merger, in_parts
from streams.state.store import Store

PAUSE_S = 10.0
SHARE = 0.2
"""Of the time of a replay at most, while there are records to apply."""


class OldBuckets:
    """The old buckets of some state groups; to be called between batches, as copies of directories change."""

    def __init__(self, store: Store, manifest: Manifest, fold: FoldSettings, groups: Iterable[int]) -> None:
        self._store = store
        self._fold = fold
        self._partitions = manifest.partitions()
        self._groups = tuple(groups)
        self._merger = Merger(store, fold, self._partitions, rest_s=PAUSE_S)
        self._retry = Retry()
        self._next = time.monotonic() + PAUSE_S

    async def tend(self) -> None:
        """Merge what nobody has written for a while and drop what is beyond its life, where it is time for that."""
        begun = time.monotonic()
        if begun < self._next:
            return
        await self._drop()
        for group in self._groups:
            await self._merge(self._merger, group)
        now = time.monotonic()
        self._next = now + max(PAUSE_S, (now - begun) * (1 / SHARE - 1))

    async def finish(self, report: Callable[[int], None] = lambda count: None) -> int:
        """Merge all that is left of old buckets; how many tables went into others.  Reports each group."""
        await self._drop()
        merger, merged = Merger(self._store, self._fold, self._partitions, rest_s=0), 0
        for group in self._groups:
            merged += await self._merge(merger, group)
            report(1)
        return merged

    async def _drop(self) -> None:
        await self._retry.until_success(lambda: expire(self._store, self._fold, self._partitions))

    async def _merge(self, merger: Merger, group: int) -> int:
        merged = 0
        for part in in_parts(await self._retry.until_success(lambda: merger.due(group)) or ()):
            merged += await self._retry.until_success(lambda part=part: merger.carry_out(part)) or 0  # type: ignore[misc]
        return merged
