"""One replay, from its first record to the last watermark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from schemas.errors import StateAttention
from streams.fold.judge import Rejected
from streams.fold.shortcut import BUILT
from streams.learner.partition import PartitionFold, Prepared, Rewind
from streams.patience import Patience
from streams.records import Batch, TopicPartition
from streams.replay.source import Logged, Source, Span
from streams.settings import FoldSettings
from streams.state.manifest import Manifest
from streams.state.store import Store

T = TypeVar("T")
Tell = Callable[[int], None]
"""Told how many records were applied since the last time."""


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
    tell: Tell = lambda count: None,
) -> Applied:
    """Apply every record from the manifest's starts to `ends` that the namespace has not applied yet.

    Dead letters are not written again.  Raises `Transient` when the source is away,
    `StateAttention` when Redis lost what was applied: run it again to go on.
    """
    parts, first = {}, source.bounds(sorted({tp.topic for tp in ends}))
    for tp in sorted(ends):
        start = manifest.starts[tp.topic][tp.partition]
        parts[tp] = await PartitionFold.resume(tp, store, start, fold, _bury_nothing, BUILT)
    spans: dict[TopicPartition, Span] = {}
    for tp, part in parts.items():
        if part.applied < min(first[tp][0], ends[tp]):
            raise StateAttention(
                f"the log of {tp} begins at {first[tp][0]} and the replay stands at {part.applied}: what lies between "
                "was deleted before it was applied. Replay into another namespace, or from an archive."
            )
        if part.applied < ends[tp]:
            # Windows warm up on what lies before, as far as there is any.
            spans[tp] = max(first[tp][0], part.applied - fold.duplicate_window), ends[tp]
    work = _Work(parts, spans, ends, tell)
    async for tp, records in _beside(source.records(spans)):
        await work.take(tp, records)
    await work.finish()
    return Applied(work.read, dict(work.verdicts))


async def _bury_nothing(tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
    """The live workers have written them."""


class _Work:
    """The next batch is prepared while Redis works on the one before."""

    def __init__(
        self,
        parts: Mapping[TopicPartition, PartitionFold],
        spans: Mapping[TopicPartition, Span],
        ends: Mapping[TopicPartition, int],
        tell: Tell,
    ) -> None:
        self.read = 0
        self.verdicts: dict[str, int] = {}
        self._parts = parts
        self._ends = ends
        self._tell = tell
        self._patience = Patience()
        self._at = {tp: first for tp, (first, _) in spans.items()}
        self._committing: asyncio.Task[None] | None = None

    async def take(self, tp: TopicPartition, records: list[Logged]) -> None:
        await self._prepare(Batch(tp, self._at[tp], records[-1].offset + 1, 0, records))

    async def finish(self) -> None:
        """What is left to the ends holds no records; then all groups are moved there."""
        for tp, at in self._at.items():
            if at < self._ends[tp]:
                await self._prepare(Batch(tp, at, self._ends[tp], 0, []))
        await self._committed()
        for part in self._parts.values():
            await self._patience.until_done(part.advance)

    async def _prepare(self, batch: Batch) -> None:
        part = self._parts[batch.tp]
        prepared = part.prepare(batch)
        self._at[batch.tp] = batch.end
        await self._committed()
        self._committing = asyncio.create_task(self._commit(part, prepared))
        await asyncio.sleep(0)

    async def _commit(self, part: PartitionFold, prepared: Prepared) -> None:
        fresh, floor = part.fresh(prepared.batch), part.applied
        try:
            await self._patience.until_done(lambda: part.commit(prepared))
        except Rewind as behind:
            raise StateAttention(f"{behind}: Redis lost writes. Run the replay again, it goes on from there.") from None
        for verdict, count in prepared.tally(floor).items():
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + count
        self.read += fresh
        self._tell(fresh)

    async def _committed(self) -> None:
        if self._committing is not None:
            await self._committing
            self._committing = None


async def _beside(items: Iterator[T]) -> AsyncIterator[T]:
    """The items, each made in a thread while the one before is worked on."""
    loop = asyncio.get_running_loop()
    end = object()
    coming = loop.run_in_executor(None, next, items, end)
    while (item := await coming) is not end:
        coming = loop.run_in_executor(None, next, items, end)
        yield item  # type: ignore[misc]
