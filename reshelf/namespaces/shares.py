"""The records of a replay, shared out by partitions over processes that fill one namespace."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reshelf.processes.at_once import Report, WorkerDied, run_at_once
from reshelf.settings import Settings
from reshelf.terminal.logs import TEXT, arrange
from reshelf.terminal.progress import Begin
from schemas.errors import StateAttention
from streams.kafka.log_source import Source
from streams.kafka.records import TopicPartition
from streams.replay.old_buckets import OldBuckets
from streams.replay.run import Applied, replay
from streams.state.connection.client import redis_client
from streams.state.manifest import Manifest
from streams.state.store import Store

MOST = 4
"""Processes that are started unasked: one Redis is busy with them."""
CORES = 2
"""For a process that is started unasked: it reads, judges and writes at once."""
LEAST_RECORDS = 500_000
"""For a process that is started unasked."""
Left = Mapping[TopicPartition, int]
"""Records that are not applied yet."""


@dataclass(frozen=True, slots=True)
class Job:
    """Records up to `ends` for the namespace of `manifest`, and the state groups whose old buckets are merged."""

    settings: Settings
    source: Source
    manifest: Manifest
    ends: Mapping[TopicPartition, int]
    groups: range


def apply(job: Job, left: Left, workers: int, begin: Begin) -> Applied:
    """Apply all that is left by so many processes; by one that is this process itself.

    Watermarks are by partition and state group, so it does not matter which process applies which partition.
    """
    report = begin(sum(left.values()), "replay")
    shares = shared_out(left, workers)
    if len(shares) < 2:
        return asyncio.run(_applied(job, report))
    jobs = [
        replace(job, ends={tp: job.ends[tp] for tp in share}, groups=job.groups[at :: len(shares)])
        for at, share in enumerate(shares)
    ]
    try:
        done = run_at_once(_work, jobs, report)
    except WorkerDied as died:
        raise StateAttention(f"{died}. Run the same command again: it goes on where the others stopped.") from None
    verdicts: Counter[str] = Counter()
    for applied in done:
        verdicts.update(applied.verdicts)
    return Applied(sum(applied.read for applied in done), dict(verdicts))


def merge(job: Job, begin: Begin) -> int:
    """Merge what is left of old buckets, so that the namespace is as small as one that lived; tables that went."""
    return asyncio.run(_merged(job, begin(len(job.groups), "merge")))


def fitting_workers(left: Left) -> int:
    """As many processes as cores, partitions and records are enough for."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(cores // CORES, MOST, sum(map(bool, left.values())), sum(left.values()) // LEAST_RECORDS))


def shared_out(left: Left, workers: int) -> list[list[TopicPartition]]:
    """Partitions of which something is left for each process: the longest first, to who has least to do."""
    waiting = sorted((tp for tp, count in left.items() if count), key=lambda tp: (-left[tp], tp))
    shares: list[list[TopicPartition]] = [[] for _ in range(min(workers, len(waiting)))]
    for tp in waiting:
        min(shares, key=lambda share: sum(left[other] for other in share)).append(tp)
    return shares


def _work(job: Job, report: Report) -> Applied:
    """What one of several processes does."""
    logging.basicConfig(level=logging.WARNING, format=TEXT, stream=sys.stderr)
    arrange(job.settings.log.format)
    return asyncio.run(_applied(job, report))


async def _applied(job: Job, report: Report) -> Applied:
    client = redis_client(job.settings.redis)
    try:
        store = Store(client, job.manifest.namespace, job.manifest.groups)
        return await replay(job.source, store, job.manifest, job.ends, job.settings.fold, report, job.groups)
    finally:
        await client.aclose()


async def _merged(job: Job, report: Report) -> int:
    client = redis_client(job.settings.redis)
    try:
        store = Store(client, job.manifest.namespace, job.manifest.groups)
        return await OldBuckets(store, job.manifest, job.settings.fold, job.groups).finish(report)
    finally:
        await client.aclose()
