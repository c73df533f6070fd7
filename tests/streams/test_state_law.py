"""The state law: whatever happens to the workers, the state equals one plain fold of the log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from schemas.errors import Transient
from streams.fold import window
from streams.fold.fast.path import BUILT
from streams.fold.judge import Rejected
from streams.fold.limits import Limits, limits_of
from streams.fold.plain import PlainFold
from streams.kafka.records import Batch, TopicPartition
from streams.settings import FoldSettings
from streams.state import export
from streams.state.arrays.directory import MOST_BYTES
from streams.state.expiry import expire
from streams.state.limits.partition import PartitionLimits
from streams.state.manifest import manifest_of
from streams.state.merging import LoadedMerge, Merge, Merger
from streams.state.partition import PartitionFold, Prepared, Rewind
from streams.state.recent import window as windows
from streams.state.recent.journal import Journal
from streams.state.store import Store
from tests.streams.logs import FOLD, LARGE_NAME, Log, logs

GROUPS = 3
OTHER_LIMITS = (
    FOLD,
    FOLD.changed(max_items=7, max_page_items=4, duplicate_mb=2),
    FOLD.changed(max_keys=2, max_page_slots=3, duplicate_mb=9),
)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows hold some records, and are read from journals and log as large ones are."""
    monkeypatch.setattr(window, "NAME_BYTES", LARGE_NAME)
    monkeypatch.setattr(window, "KEY_BYTES", LARGE_NAME)
    monkeypatch.setattr(windows, "OVERLAP", 2)
    monkeypatch.setattr(windows, "FEW_RECORDS", 0)


class Killed(Exception):
    """The worker is gone, between two commands."""


FEW_BYTES = 3_000
"""Of a worker that has to let go of directories all the time."""


class FlakyStore(Store):
    """A store whose next round trip can be cut off: after some commands, or after all but before the replies."""

    cut: int | None = None
    lost_reply = False

    async def _round_trip(self, arguments: Sequence[list[Any]]) -> list[Any]:
        cut, self.cut = self.cut, None
        if cut is not None and self._sha:
            await super()._round_trip(arguments[:cut])
            raise Killed
        answers = await super()._round_trip(arguments)
        lost, self.lost_reply = self.lost_reply, False
        if lost:
            raise Transient("the reply was lost")
        return answers


class Worker:
    """A worker that may share its partitions with others without knowing; with or without the compiled fast path.

    With a `disk` it writes down what its partitions had lately, and takes that up again after its death.
    """

    def __init__(self, world: World, built: bool = BUILT, fold: FoldSettings = FOLD, disk: Path | None = None) -> None:
        self.disk = disk
        self.built = built
        self.fold = fold
        self.world = world
        self.store = FlakyStore(world.redis, "law", GROUPS, FEW_BYTES if built else MOST_BYTES)
        self.parts: dict[TopicPartition, PartitionFold] = {}
        self.read: dict[TopicPartition, int] = {}
        self.held: dict[TopicPartition, Prepared] = {}
        self.marks: dict[TopicPartition, list[bytes | None]] = {}
        self.merger = Merger(self.store, FOLD, list(world.log), rest_s=0)
        self.due: list[Merge] = []
        self.loaded_merges: list[LoadedMerge] = []

    async def merge(self, group: int, chance: random.Random) -> None:
        """The next step of a merge; others may do anything before the one after it."""
        if self.loaded_merges:
            await self.merger.write(chance.sample(self.loaded_merges, len(self.loaded_merges)))
            self.loaded_merges = []
        elif self.due:
            self.loaded_merges, self.due = await self.merger.read(self.due), []
        else:
            self.due = await self.merger.due(group)

    async def load_merges(self) -> None:
        """Read all that is due now, and carry it out whenever this worker comes round to it."""
        for group in range(GROUPS):
            self.loaded_merges += await self.merger.read(await self.merger.due(group))

    async def part(self, tp: TopicPartition) -> PartitionFold:
        if tp not in self.parts:
            journal = Journal(self.disk / f"{tp.topic}-{tp.partition}", FOLD.duplicate_window_ms) if self.disk else None
            part = await PartitionFold.resume(
                tp, self.store, 0, self.fold, self.world.dead_letter, self.built, journal=journal
            )
            self.parts[tp] = part
            self.read[tp] = await part.read_from(0, partial(self.first_since, tp))
        return self.parts[tp]

    async def first_since(self, tp: TopicPartition, time_ms: int) -> int:
        log = self.world.log[tp]
        return next((record.offset for record in log if record.timestamp >= time_ms), log[-1].offset + 1)

    async def prepare(self, tp: TopicPartition, size: int) -> None:
        """Read on and judge, unless a batch is waiting already."""
        part = await self.part(tp)
        start = self.read[tp]
        records = [record for record in self.world.log[tp] if record.offset >= start][:size]
        if tp in self.held or not records:
            return
        end = records[-1].offset + 1
        self.held[tp] = part.prepare(Batch(tp, start, end, 0, records))
        self.read[tp] = end

    async def commit(self, tp: TopicPartition) -> None:
        if tp not in self.held:
            return
        try:
            await self.parts[tp].commit(self.held[tp])
            del self.held[tp]
        except Transient:
            pass
        except (Rewind, Killed):
            self.forget(tp)

    async def commit_all(self) -> None:
        """What waits of all partitions, at the same time."""
        await asyncio.gather(*map(self.commit, list(self.held)))

    async def read_marks(self, tp: TopicPartition) -> None:
        """Read where the groups stand; others may do anything before this is looked at."""
        self.marks[tp] = (await self.store.stored_marks([tp]))[tp]

    async def advance(self, tp: TopicPartition) -> None:
        if tp not in self.parts:
            return
        try:
            await self.parts[tp].advance(self.marks.pop(tp, None))
        except Transient:
            pass
        except (Rewind, Killed):
            self.forget(tp)

    async def lose(self, tp: TopicPartition, chance: random.Random, folds: Sequence[FoldSettings]) -> None:
        """Start anew, or have the partition back after the group shared out; others may have had it meanwhile."""
        if chance.random() < 0.25:
            self.forget(tp)
            self.fold = chance.choice(folds)
        elif tp in self.parts:
            stored = self.marks.pop(tp, None) or (await self.store.stored_marks([tp]))[tp]
            position = self.parts[tp].read_on(stored)
            if position is None:
                self.forget(tp)
            else:
                self.read[tp] = position

    def lose_connection(self) -> None:
        """As to a server that died, and lost its last writes."""
        for part in self.parts.values():
            part._limits.sure = False

    def forget(self, tp: TopicPartition) -> None:
        for known in (self.parts, self.read, self.held):
            known.pop(tp, None)

    async def drain(self) -> None:
        """Read every partition to its end until all groups stand there."""
        for tp, records in self.world.log.items():
            while records and (await self.part(tp)).applied < records[-1].offset + 1:
                await self.prepare(tp, 7)
                await self.commit(tp)
                await self.read_marks(tp)
                await self.advance(tp)


class World:
    """A log, a Redis and what was dead-lettered."""

    def __init__(self, redis: Redis, log: Log) -> None:
        self.redis = redis
        self.log = log
        self.dead_lettered: dict[tuple[str, int, int], str] = {}
        self.snapshots: dict[int, dict[bytes, bytes]] = {}
        starts = {topic: [0, 0] for topic in dict.fromkeys(tp.topic for tp in log)}
        self.manifest = manifest_of("law", "", starts, GROUPS, FOLD)

    async def dead_letter(self, tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
        for one in rejected:
            self.dead_lettered[tp.topic, tp.partition, one.record.offset] = one.reason

    async def snapshot(self, group: int) -> None:
        names = [name async for name in self.redis.scan_iter(f"reshelf:{{law:{group}}}:*")]
        self.snapshots[group] = {name: await self.redis.dump(name) or b"" for name in names}

    async def roll_back(self, group: int, workers: Sequence[Worker]) -> None:
        stored = self.snapshots.get(group)
        if stored is None:
            return
        async for name in self.redis.scan_iter(f"reshelf:{{law:{group}}}:*"):
            await self.redis.delete(name)
        for name, content in stored.items():
            await self.redis.restore(name, 0, content, replace=True)
        for worker in workers:
            worker.lose_connection()

    async def limits(self) -> dict[TopicPartition, list[tuple[int, Limits]]]:
        """The limits of each partition by what is written down."""
        store, own = Store(self.redis, "law", GROUPS), limits_of(FOLD)
        read = {tp: await PartitionLimits.read(store, tp, 0, own, recorded=True) for tp in self.log}
        return {tp: [(0, limits.log.limits(0)), *limits.log.changes] for tp, (_, limits) in read.items()}

    async def export(self) -> list[list[Any]]:
        return await export.rows(Store(self.redis, "law", GROUPS), self.manifest)


async def live(
    world: World, chance: random.Random, steps: int, folds: Sequence[FoldSettings], disk: Path
) -> list[Worker]:
    """Random workers, steps and faults; `folds` are the settings that a worker may be started with."""
    kinds = ((BUILT, disk / "one"), (BUILT, None), (False, None))
    workers = [Worker(world, built, chance.choice(folds), folder) for built, folder in kinds]
    partitions = list(world.log)
    for _ in range(steps):
        worker, tp, group = chance.choice(workers), chance.choice(partitions), chance.randrange(GROUPS)
        match chance.choices(range(9), weights=[8, 8, 6, 4, 1, 1, 1, 1, 8])[0]:
            case 0:
                await worker.prepare(tp, chance.randint(1, 12))
            case 1:
                await worker.commit(tp) if chance.random() < 0.5 else await worker.commit_all()
            case 2:
                await worker.read_marks(tp) if chance.random() < 0.4 else await worker.advance(tp)
            case 3:
                await worker.lose(tp, chance, folds)
            case 4:
                worker.store.cut = chance.randint(0, 2)
            case 5:
                worker.store.lost_reply = True
            case 6:
                await world.snapshot(group) if chance.random() < 0.5 else await world.roll_back(group, workers)
            case 7:
                await expire(worker.store, FOLD, partitions)
            case _:
                await worker.merge(group, chance)
    return workers


def assert_law(
    url: str, log: Log, seed: int, steps: int, folds: Sequence[FoldSettings] = (FOLD,)
) -> tuple[World, PlainFold]:
    async def run(disk: Path) -> tuple[World, list[list[Any]], dict[TopicPartition, list[tuple[int, Limits]]]]:
        async with Redis.from_url(url) as redis:
            await redis.flushall()
            world, chance = World(redis, log), random.Random(seed)
            workers = await live(world, chance, steps, folds, disk)
            for worker in workers[:2]:
                await worker.load_merges()
            await Worker(world, fold=chance.choice(folds), disk=chance.choice([None, disk / "one"])).drain()
            await workers[0].merger.write(workers[0].loaded_merges)
            rows = await world.export()
            await workers[2].load_merges()
            for worker in (workers[2], workers[1]):
                await worker.merger.write(worker.loaded_merges)
            assert await world.export() == rows, "merges change nothing that is said"
            return world, rows, await world.limits()

    with TemporaryDirectory() as folder:
        world, rows, limits = asyncio.run(run(Path(folder)))
    plain = PlainFold(FOLD, limits)
    for tp, records in log.items():
        plain.read(tp, records)
    assert [orjson.dumps(row) for row in rows] == [orjson.dumps(row) for row in plain.rows()]
    return world, plain


@pytest.mark.long
@given(log=logs(), seed=st.integers(0, 2**32))
@settings(max_examples=25, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
def test_state_is_the_plain_fold_whatever_happens(redis: SyncRedis, redis_url: str, log: Log, seed: int) -> None:
    world, plain = assert_law(redis_url, log, seed, steps=120)
    assert world.dead_lettered == plain.rejected


@given(log=logs(), seed=st.integers(0, 2**32))
@settings(max_examples=20, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
def test_changed_limits_hold_from_an_offset_on(redis: SyncRedis, redis_url: str, log: Log, seed: int) -> None:
    """Workers with different limits at once; what one dead-letters in vain, another may count."""
    world, plain = assert_law(redis_url, log, seed, steps=120, folds=OTHER_LIMITS)
    assert world.dead_lettered.items() >= plain.rejected.items()
