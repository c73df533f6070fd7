"""One replay, from its first record to the last watermark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from schemas.errors import StateAttention
from streams.fold.fast.path import BUILT
from streams.fold.judge import Rejected
from streams.kafka.log_source import Runs, Source, Span
from streams.kafka.records import Batch, TopicPartition
from streams.replay.old_buckets import OldBuckets
from streams.replay.order import in_time
from streams.retry import Retry
from streams.settings import FoldSettings
from streams.state.manifest import Manifest
from streams.state.partition import PartitionFold, Prepared, Rewind
from streams.state.store import Store

T = TypeVar("T")
Report = Callable[[int], None]
"""Called with how many records were applied since the last time."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How many records a replay read and applied, and what became of the others, by verdict."""

    read: int
    verdicts: Mapping[str, int]


async def replay(
    source: Source,
    store: Store,
    manifest: Manifest,
    ends: Mapping[TopicPartition, int],
    fold: FoldSettings,
    report: Report = lambda count: None,
    groups: Iterable[int] | None = None,
) -> Applied:
    """Apply every record from the manifest's starts to `ends` that the namespace has not applied yet.

    Meanwhile old buckets of `groups` (of all where none are named) are merged; several processes may share
    partitions and groups.  Limits on names are those that the namespace has recorded, where it has none
    those of `fold`.  Dead letters are not written again.  Raises `Transient` when the source is away,
    `StateAttention` when Redis lost what was applied: run it again to go on.
    """
    fold = manifest.counting(fold)
    parts, first = {}, await asyncio.to_thread(source.bounds, sorted({tp.topic for tp in ends}))
    for tp in sorted(ends):
        start = manifest.starts[tp.topic][tp.partition]
        parts[tp] = await PartitionFold.resume(
            tp, store, start, fold, _send_no_dead_letters, BUILT, recorded_limits=True
        )
    spans: dict[TopicPartition, Span] = {}
    for tp, part in parts.items():
        if part.applied < min(first[tp][0], ends[tp]):
            raise StateAttention(
                f"the log of {tp} begins at {first[tp][0]} and the replay stands at {part.applied}: what is between "
                "was deleted before it was applied. Replay into another namespace, or from an archive."
            )
        if part.applied < ends[tp]:
            spans[tp] = await part.read_from(first[tp][0]), ends[tp]
    work = _Work(parts, report)
    buckets = OldBuckets(store, manifest, fold, range(store.groups) if groups is None else groups)
    async with aclosing(_beside(_prepared(in_time(source, spans), spans, parts))) as batches:
        async for tp, prepared in batches:
            await work.commit(parts[tp], prepared)
            await buckets.tend()
    await work.finish()
    return Applied(work.read, dict(work.verdicts))


async def _send_no_dead_letters(tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
    """The live workers have written them."""


def _prepared(
    records: Runs, spans: Mapping[TopicPartition, Span], parts: Mapping[TopicPartition, PartitionFold]
) -> Generator[tuple[TopicPartition, Prepared], None, None]:
    """The records as prepared batches, each read while the one before is prepared; then what holds none."""
    at = {tp: first for tp, (first, _) in spans.items()}
    with ThreadPoolExecutor(1) as reading:
        coming = reading.submit(next, records, None)
        try:
            while (chunk := coming.result()) is not None:
                coming = reading.submit(next, records, None)
                tp, run = chunk
                batch = Batch(tp, at[tp], run[-1].offset + 1, 0, run)
                at[tp] = batch.end
                yield tp, parts[tp].prepare(batch)
        finally:
            reading.submit(records.close).result()
    for tp, (_, end) in spans.items():
        if at[tp] < end:
            yield tp, parts[tp].prepare(Batch(tp, at[tp], end, 0, []))


class _Work:
    """What was applied so far."""

    def __init__(self, parts: Mapping[TopicPartition, PartitionFold], report: Report) -> None:
        self.read = 0
        self.verdicts: dict[str, int] = {}
        self._parts = parts
        self._report = report
        self._retry = Retry()

    async def commit(self, part: PartitionFold, prepared: Prepared) -> None:
        """Carry a batch into the state; meanwhile the next ones are read and prepared."""
        fresh, floor = part.fresh(prepared.batch), part.applied
        try:
            await self._retry.until_success(lambda: part.commit(prepared))
        except Rewind as behind:
            raise StateAttention(f"{behind}: Redis lost writes. Run the replay again, it goes on from there.") from None
        for verdict, count in prepared.tally(floor).items():
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + count
        self.read += fresh
        self._report(fresh)

    async def finish(self) -> None:
        """Move all groups to the ends."""
        for part in self._parts.values():
            await self._retry.until_success(part.advance)


async def _beside(items: Generator[T, None, None]) -> AsyncGenerator[T, None]:
    """The items, each made in another thread while the one before is worked on."""
    loop = asyncio.get_running_loop()
    end = object()
    with ThreadPoolExecutor(1) as making:
        coming = loop.run_in_executor(making, next, items, end)
        try:
            while (item := await coming) is not end:
                coming = loop.run_in_executor(making, next, items, end)
                yield item  # type: ignore[misc]
        finally:
            # Only after the item that is being made, also where nobody waits for that any more.
            await loop.run_in_executor(making, items.close)
