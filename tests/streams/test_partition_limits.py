"""Limits on names in Redis: two workers with different ones, replays, and how much of them is used."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from reshelf.doctor.work import quota_findings
from schemas.errors import StateAttention
from schemas.topics import CLICKS
from streams.fold.judge import Rejected
from streams.kafka.records import Batch, TopicPartition
from streams.settings import FoldSettings
from streams.state import export
from streams.state.keys import group_of, home_group
from streams.state.limits.partition import copy_limits
from streams.state.limits.use import quota_use
from streams.state.manifest import manifest_of
from streams.state.partition import OtherLimits, PartitionFold, Rewind
from streams.state.store import Store
from tests.streams.logs import LoggedRecord
from tests.streams.test_fold import NOW, click

GROUPS = 3
TP = TopicPartition(CLICKS.name, 0)
SMALL = FoldSettings(max_items=4)
LARGE = FoldSettings(max_items=8)
RECORDS = [
    LoggedRecord(at, NOW + at, b"u", msgspec.json.encode(click(f"c{at}", page_view_id=f"v{at}", item=f"i{at % 20}")))
    for at in range(40)
]


async def nobody(tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
    """Dead letters do not matter here."""


async def apply(part: PartitionFold, end: int) -> list[str]:
    """Apply the records up to `end`; the details of those over a quota."""
    start = part.applied
    prepared = part.prepare(Batch(TP, start, end, 0, RECORDS[start:end]))
    await part.commit(prepared)
    await part.advance()
    return [rejection.detail for rejection in prepared.judged.rejected]


async def resumed(store: Store, fold: FoldSettings, *, recorded: bool = False) -> PartitionFold:
    part = await PartitionFold.resume(TP, store, 0, fold, nobody, recorded_limits=recorded)
    part.prepare(Batch(TP, 0, part.applied, 0, RECORDS[: part.applied]))
    return part


def test_what_is_written_down_holds_for_both_of_two_workers(redis: SyncRedis, redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            store, other = Store(client, "limits", GROUPS), Store(client, "limits", GROUPS)
            before = await resumed(store, SMALL)
            assert len(await apply(before, 10)) == 6
            raised = await resumed(other, LARGE)
            assert len(await apply(raised, 20)) == 6, "4 more of 10, and nothing of the past"
            with pytest.raises(OtherLimits, match=r"fold\.max_items"):
                await apply(before, 20)
            assert redis.get("reshelf:{limits:0}:limits:events-clicks:0") == (
                b"0:250000,4,100000,100000,500,128 10:250000,8,100000,100000,500,128"
            )
            back = await resumed(store, SMALL)
            refused = await apply(back, 40)
            assert len(refused) == 20 - 8, "names that are in stay in"
            assert "fold.max_items allows a partition 4 distinct pairs of page and item" in refused[0]
            assert "8 are used, and this record of page 'home' brings 1 more" in refused[0]

    asyncio.run(run())


class DyingStore(Store):
    """A store whose worker dies once the last of its groups has moved."""

    dying = False

    async def _round_trip(self, arguments: Sequence[list[Any]]) -> list[Any]:
        answers = await super()._round_trip(arguments[-1:] if self.dying else arguments)
        if self.dying:
            raise ConnectionAbortedError
        return answers


def test_no_group_takes_verdicts_by_limits_that_are_not_written_down(redis: SyncRedis, redis_url: str) -> None:
    assert home_group(TP, GROUPS) == GROUPS - 1 != group_of("home", "s", GROUPS)

    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            store, dying = Store(client, "limits", GROUPS), DyingStore(client, "limits", GROUPS)
            before = await resumed(store, FoldSettings(max_items=12))
            await apply(before, 10)
            lowered = await resumed(dying, SMALL)
            by_both = [part.prepare(Batch(TP, 10, 20, 0, RECORDS[10:20])) for part in (before, lowered)]
            dying._sha, dying.dying = store._sha, True
            with pytest.raises(ConnectionAbortedError):
                await lowered.commit(by_both[1])
            with pytest.raises(OtherLimits):
                await before.commit(by_both[0])
            await apply(await resumed(store, SMALL), 20)
            rows = await export.rows(store, manifest_of("limits", "", {TP.topic: [0]}, GROUPS, SMALL))
            assert sum(row[-1] for row in rows if row[0] == "cell") == 10
            assert ["tally", TP.topic, 0, "applied", 10] in rows

    asyncio.run(run())


async def lose(client: Redis, group: int, kept: dict[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Take a group back to what was `kept` of it; what it has now."""
    names = [name async for name in client.scan_iter(f"reshelf:{{limits:{group}}}:*")]
    now = {name: await client.dump(name) or b"" for name in names}
    if kept is not None:
        for name in names:
            await client.delete(name)
        for name, content in kept.items():
            await client.restore(name, 0, content, replace=True)
    return now


@pytest.mark.parametrize("first", [0, 10])
def test_a_home_group_that_lost_its_limits_takes_no_verdicts_by_others(
    redis: SyncRedis, redis_url: str, first: int
) -> None:
    """The others have what it lost: a batch that was judged by other limits is judged again."""

    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            store, other = Store(client, "limits", GROUPS), Store(client, "limits", GROUPS)
            if first:
                await apply(await resumed(store, SMALL), first)
            kept = await lose(client, GROUPS - 1, None)
            before, raised = await resumed(store, SMALL), await resumed(other, LARGE)
            late = before.prepare(Batch(TP, first, 20, 0, RECORDS[first:20]))
            await apply(raised, 20)
            await lose(client, GROUPS - 1, kept)
            before._limits.sure = False
            with pytest.raises(OtherLimits):
                await before.commit(late)
            await apply(await resumed(store, LARGE), 20)
            rows = await export.rows(store, manifest_of("limits", "", {TP.topic: [0]}, GROUPS, SMALL))
            applied = sum(row[-1] for row in rows if row[0] == "cell")
            assert ["tally", TP.topic, 0, "applied", applied] in rows

    asyncio.run(run())


def test_groups_that_were_folded_by_different_limits_stop_the_worker(redis: SyncRedis, redis_url: str) -> None:
    """Another worker moved on while this one could not tell: better no counts than wrong ones."""

    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            store, other = Store(client, "limits", GROUPS), Store(client, "limits", GROUPS)
            await apply(await resumed(store, SMALL), 10)
            kept = await lose(client, GROUPS - 1, None)
            before, raised = await resumed(store, SMALL), await resumed(other, LARGE)
            late = before.prepare(Batch(TP, 10, 20, 0, RECORDS[10:20]))
            await apply(raised, 20)
            await lose(client, GROUPS - 1, kept)
            await before.commit(late)
            with pytest.raises(StateAttention, match=r"different limits.*reshelf replay"):
                await before.advance()
            with pytest.raises(StateAttention, match="different limits"):
                await resumed(store, SMALL)

    asyncio.run(run())


def test_a_group_that_is_lost_while_a_worker_begins_is_not_taken_for_one_with_other_limits(
    redis: SyncRedis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failover between two commands: the worker goes on from where the group stands now."""

    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            store = Store(client, "limits", GROUPS)
            await apply(await resumed(store, SMALL), 10)
            open_pipeline, trips = client.pipeline, itertools.count()

            def losing(*arguments: Any, **options: Any) -> Any:
                pipeline = open_pipeline(*arguments, **options)
                execute = pipeline.execute

                async def execute_and_lose() -> Any:
                    answers = await execute()
                    if next(trips) == 0:
                        await lose(client, 0, {})
                    return answers

                monkeypatch.setattr(pipeline, "execute", execute_and_lose)
                return pipeline

            monkeypatch.setattr(client, "pipeline", losing)
            part = await resumed(store, SMALL)
            monkeypatch.undo()
            with pytest.raises(Rewind):
                await part.advance()
            await apply(await resumed(store, SMALL), 20)
            rows = await export.rows(store, manifest_of("limits", "", {TP.topic: [0]}, GROUPS, SMALL))
            applied = sum(row[-1] for row in rows if row[0] == "cell")
            assert ["tally", TP.topic, 0, "applied", applied] in rows

    asyncio.run(run())


def test_a_replay_holds_the_limits_of_then_and_the_use_is_counted(redis: SyncRedis, redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            live, again, anew = (Store(client, name, GROUPS) for name in ("live", "again", "anew"))
            await apply(await resumed(live, SMALL), 10)
            await apply(await resumed(live, LARGE), 40)
            assert await copy_limits(live, again, TP) == 2
            await apply(await resumed(again, FoldSettings(), recorded=True), 40)
            await apply(await resumed(anew, FoldSettings(), recorded=True), 40)
            manifest = manifest_of("live", "", {TP.topic: [0]}, GROUPS, SMALL)
            rows = [await export.rows(store, manifest) for store in (live, again, anew)]
            assert rows[0] == rows[1] != rows[2]
            uses = await quota_use(live, manifest.partitions())
            assert [(use.setting, use.use) for use in uses] == [
                ("max_keys", 1),
                ("max_items", 8),
                ("max_slots", 1),
                ("max_page_items", 8),
                ("max_page_slots", 1),
            ]
            (finding,) = quota_findings(uses)
            assert finding.state == "bad"
            assert "8 of 8 distinct pairs of page and item" in finding.detail
            assert "Raise fold.max_items" in finding.remedy
            (fine,) = quota_findings(await quota_use(anew, manifest.partitions()))
            assert fine.state == "ok"

    asyncio.run(run())
