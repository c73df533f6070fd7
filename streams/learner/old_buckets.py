"""What becomes of old time buckets, beside the batches: they are merged, and dropped beyond their life."""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial

from streams.kafka.records import TopicPartition
from streams.learner.commits import Commits
from streams.metrics import REGISTRY
from streams.retry import Retry
from streams.settings import FoldSettings
from streams.state.expiry import expire
from streams.state.manifest import Manifest
from streams.state.merging import Merger, in_parts
from streams.state.store import Store

_PAUSE_S = 60.0
_MERGE_SHARE = 0.2
"""Merging takes at most this share of the event loop."""


async def tend_buckets(store: Store, manifest: Manifest, fold: FoldSettings, commits: Commits) -> None:
    """Merge old buckets and drop those beyond their life, once a minute.

    What is dropped is forgotten by the copies of directories, so nobody writes beside it.  Merges
    need not be alone: they compare revisions, and the apply script notices a directory that became another.
    """
    tps = [TopicPartition(topic, p) for topic, starts in manifest.starts.items() for p in range(len(starts))]
    retry, merger = Retry(), Merger(store, fold, tps)
    for outcome in ("merged", "left"):
        REGISTRY.add("reshelf_merged_tables_total", outcome, by=0)
    while True:
        await asyncio.sleep(_PAUSE_S)
        async with commits.alone():
            await retry.until_success(lambda: expire(store, fold, tps))
        # Learners begin with different groups, so that they hardly try the same merges.
        first = random.randrange(store.groups)
        for number in range(store.groups):
            await _merge(merger, (first + number) % store.groups, retry)


async def _merge(merger: Merger, group: int, retry: Retry) -> None:
    """Merge the old tables of a group, a few at a time."""
    for part in in_parts(await retry.until_success(partial(merger.due, group)) or ()):
        begun = time.perf_counter()
        merged = await retry.until_success(partial(merger.carry_out, part)) or 0
        REGISTRY.add("reshelf_merged_tables_total", "merged", by=merged)
        REGISTRY.add("reshelf_merged_tables_total", "left", by=sum(len(merge.tables) - 1 for merge in part) - merged)
        await asyncio.sleep((time.perf_counter() - begun) * (1 / _MERGE_SHARE - 1))
