"""Attribution by example: the order of two logs, expiry, and what a worker refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from policy.attribution import click_record
from schemas.codec import encode
from schemas.errors import StateAttention
from schemas.messages.events import Click, Purchase, PurchaseLine
from schemas.messages.pages import PageRules
from schemas.topics import CLICKS, DAY_MS, EVENT_TOPICS, PURCHASES
from streams.attribution.core import Decision
from streams.attribution.order import Track
from streams.attribution.published import Published, Standing
from streams.attribution.windows import PageWindows
from streams.attribution.worker import PartitionWorker
from streams.fold.judge import Rejected
from streams.kafka.bounds import Bounds
from streams.kafka.records import Batch, TopicPartition
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.group import GroupMemory, Position
from streams.state.clicks.memory import ClickMemory, Starts, hand_dead_letters_over, pack, unpack
from streams.state.manifest import manifest_of
from streams.state.watermark import Watermark
from tests.streams.logs import LoggedRecord

GROUPS = 2
FOLD = FoldSettings(allowed_lateness_ms=1_000, duplicate_window=10)
SETTINGS = AttributionSettings(grace_ms=100, window_ms=1_000, max_clicks=50, clock_skew_ms=0)


class Topic:
    """A conversions partition in memory."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    async def publish(self, decisions: Sequence[Decision]) -> list[int]:
        self.decisions += decisions
        return list(range(len(self.decisions) - len(decisions), len(self.decisions)))

    async def read(self, start: int) -> tuple[list[Standing], int]:
        found = [Standing(at, one.offset, one.event.event_id) for at, one in enumerate(self.decisions)]
        return found[start:], len(self.decisions)

    @property
    def credited(self) -> list[tuple[str, str]]:
        return [(one.event.event_id, one.event.click_id) for one in self.decisions]


def click(offset: int, at: int, unit: str = "u", item: str = "i") -> LoggedRecord:
    event = Click(f"c{offset}", at, unit, "home", "s", "top", item, f"v{offset}", 1, 0)
    return LoggedRecord(offset, at, unit.encode(), msgspec.json.encode(event))


def purchase(offset: int, at: int, unit: str = "u", item: str = "i") -> LoggedRecord:
    event = Purchase(f"p{offset}", at, unit, f"o{offset}", "EUR", [PurchaseLine(item, 1, 5)])
    return LoggedRecord(offset, at, unit.encode(), msgspec.json.encode(event))


def batch(topic: Any, *records: LoggedRecord) -> Batch:
    return Batch(TopicPartition(topic.name, 0), records[0].offset, records[-1].offset + 1, 0, records)


async def dead_letter(_: TopicPartition, rejected: Sequence[Rejected]) -> None:
    assert not rejected


async def opened(
    redis: Redis, topic: Topic, clicks: int = 100, purchases: int = 100, bounds: Bounds | None = None
) -> PartitionWorker:
    """A worker over logs that end at the given offsets, or begin and end there."""
    memory = ClickMemory(redis, "example", GROUPS, 0, Starts(0, 0, 0))
    worker = PartitionWorker(memory, topic, dead_letter, PageWindows(1_000), SETTINGS, FOLD)
    await worker.open(bounds or {CLICKS.name: (0, clicks), PURCHASES.name: (0, purchases)})
    return worker


def play(url: str, act: Any) -> None:
    async def run() -> None:
        async with Redis.from_url(url) as redis:
            await act(redis)

    asyncio.run(run())


def test_a_purchase_waits_until_the_clicks_are_read_past_its_grace(redis: SyncRedis, redis_url: str) -> None:
    async def act(redis: Redis) -> None:
        topic = Topic()
        worker = await opened(redis, topic)
        worker.feed(batch(PURCHASES, purchase(0, 5_000)))
        worker.feed(batch(CLICKS, click(0, 4_900), click(1, 5_100)))
        await worker.work()
        assert topic.credited == []
        worker.feed(batch(CLICKS, click(2, 5_101)))
        await worker.work()
        assert topic.credited == [("p0/0", "c0")]

    play(redis_url, act)


def test_idle_clicks_count_once_their_broker_is_past_the_grace(redis: SyncRedis, redis_url: str) -> None:
    async def act(redis: Redis) -> None:
        topic = Topic()
        worker = await opened(redis, topic)
        worker.feed(batch(CLICKS, click(0, 4_900)))
        worker.feed(batch(PURCHASES, purchase(0, 5_000)))
        for end, time in ((2, 9_000), (1, 5_100)):
            worker.ended({CLICKS.name: (0, end), PURCHASES.name: (0, 1)}, time)
            await worker.work()
            assert topic.credited == []
        worker.ended({CLICKS.name: (0, 1), PURCHASES.name: (0, 1)}, 5_101)
        await worker.work()
        assert topic.credited == [("p0/0", "c0")]

    play(redis_url, act)


def test_memory_forgets_a_unit_and_expires_by_the_time_of_the_log(redis: SyncRedis, redis_url: str) -> None:
    async def act(redis: Redis) -> None:
        worker = await opened(redis, Topic())
        worker.feed(batch(CLICKS, click(0, 5_000, "a"), click(1, 5_000, "b"), LoggedRecord(2, 5_001, b"a", None)))
        worker.ended({CLICKS.name: (0, 3), PURCHASES.name: (0, 0)}, 6_000)
        await worker.settle()
        assert await held(redis) == {1}
        worker.feed(batch(CLICKS, click(3, 7_101, "c")))
        worker.ended({CLICKS.name: (0, 4), PURCHASES.name: (0, 0)}, 8_000)
        await worker.settle()
        assert await held(redis) == {3}

    play(redis_url, act)


def test_a_verdict_is_the_same_after_a_restart() -> None:
    fold = FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0, duplicate_window=3)
    far = 1_000 * DAY_MS
    log = [purchase(0, far), *(purchase(offset, 5_000) for offset in range(1, 10))]
    whole = Track(PURCHASES, fold, [Watermark(0)], 0)
    whole.feed(batch(PURCHASES, *log))
    for _ in range(8):
        whole.take()
    resumed = Track(PURCHASES, fold, [whole.position], 5)
    resumed.feed(batch(PURCHASES, *log[5:]))
    assert list(resumed.waiting) == list(whole.waiting)


@pytest.mark.parametrize("drop", ["forget", "expire"])
def test_what_is_dropped_before_its_time_takes_no_memory(drop: str) -> None:
    memory = GroupMemory(Position(Watermark(0), Watermark(0)), {})
    for offset in range(20_000):
        memory.add("u", click_record(Click("c", offset, "u", "home", "s", "top", "i", "v", 1, 0), offset, offset))
        if offset % 100 == 0 and drop == "forget":
            memory.forget("u")
        elif drop == "expire":
            memory.expire(offset - 50, 0)
    assert len(memory) < 100
    assert len(memory._by_time) < 2_000
    memory.expire(0, 19_990)
    assert list(memory.of_unit("u")) == list(range(19_990, 20_000))


async def held(redis: Redis) -> set[int]:
    """Offsets of the clicks that Redis holds."""
    loaded = await ClickMemory(redis, "example", GROUPS, 0, Starts(0, 0, 0)).load(range(GROUPS))
    return {at for each in loaded.values() for unit in "abc" for at in each.memory.of_unit(unit)}


def test_a_log_that_is_not_the_one_read_before_is_refused(redis: SyncRedis, redis_url: str) -> None:
    async def act(redis: Redis) -> None:
        topic = Topic()
        worker = await opened(redis, topic)
        worker.feed(batch(CLICKS, click(0, 5_000), click(1, 5_000)))
        worker.ended({CLICKS.name: (0, 2), PURCHASES.name: (0, 0)}, 6_000)
        await worker.settle()
        with pytest.raises(StateAttention, match="the log ends at 1"):
            await opened(redis, topic, clicks=1)
        again = await opened(redis, topic)
        with pytest.raises(StateAttention, match="deleted and made again"):
            again.feed(batch(CLICKS, click(0, 5_000), click(1, 5_003)))

    play(redis_url, act)


def test_a_log_whose_end_holds_no_record_may_be_deleted_up_to_there(redis: SyncRedis, redis_url: str) -> None:
    async def act(redis: Redis) -> None:
        topic = Topic()
        worker = await opened(redis, topic)
        clicks, purchases = batch(CLICKS, click(0, 5_000)), batch(PURCHASES, purchase(0, 5_000))
        # Offset 1 is the marker of a transaction.
        for each in (clicks, purchases):
            worker.feed(replace(each, end=2))
        bounds = {CLICKS.name: (2, 2), PURCHASES.name: (2, 2)}
        worker.ended(bounds, 6_000)
        await worker.settle()
        assert worker.core.position.offsets == (1, 1)
        again = await opened(redis, topic, bounds=bounds)
        again.feed(batch(CLICKS, click(2, 7_000), click(3, 8_000)))
        again.feed(batch(PURCHASES, purchase(2, 7_000)))
        await again.settle()
        assert topic.credited == [("p0/0", "c0"), ("p2/0", "c2")]
        with pytest.raises(StateAttention, match=r"2 offsets of events-clicks/0 were deleted .*from 3"):
            await opened(redis, topic, bounds={CLICKS.name: (5, 5), PURCHASES.name: (3, 3)})

    play(redis_url, act)


def test_another_namespace_buries_what_was_not_buried_yet(redis: SyncRedis, redis_url: str) -> None:
    async def act(redis: Redis) -> None:
        letters: list[int] = []

        async def note(tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
            assert tp == TopicPartition(PURCHASES.name, 0)
            letters.extend(one.record.offset for one in rejected)

        async def attribute(namespace: str, invalid: int) -> None:
            memory = ClickMemory(redis, namespace, GROUPS, 0, Starts(0, 0, 0))
            worker = PartitionWorker(memory, Topic(), note, PageWindows(1_000), SETTINGS, FOLD)
            await worker.open({CLICKS.name: (0, 0), PURCHASES.name: (0, invalid)})
            worker.feed(batch(PURCHASES, *(LoggedRecord(at, 5_000, b"u", b"{") for at in range(invalid))))
            worker.ended({CLICKS.name: (0, 0), PURCHASES.name: (0, invalid)}, 6_000)
            await worker.settle()

        starts = {topic.name: [0] for topic in EVENT_TOPICS}
        await attribute("old", 2)
        await hand_dead_letters_over(redis, *(manifest_of(name, "", starts, GROUPS, FOLD) for name in ("old", "new")))
        await attribute("new", 3)
        assert letters == [0, 1, 2]

    play(redis_url, act)


def test_conversions_that_are_gone_are_refused(redis: SyncRedis, redis_url: str) -> None:
    async def act(redis: Redis) -> None:
        topic = Topic()
        worker = await opened(redis, topic)
        worker.feed(batch(PURCHASES, purchase(0, 5_000)))
        worker.feed(batch(CLICKS, click(0, 4_900), click(1, 5_101)))
        await worker.settle()
        with pytest.raises(StateAttention, match="events-conversions/0 ends at 0"):
            await opened(redis, Topic())

    play(redis_url, act)


def test_a_stored_click_comes_back_as_it_was() -> None:
    event = Click("c", 7, "ü", "home", "s", "top", "i", "v", 3, -1)
    record = click_record(event, 11, 9)
    assert unpack(11, pack("ü", record)) == ("ü", record)


def test_published_decisions_hold_the_place_until_their_purchase_is_passed() -> None:
    published = Published(5)
    published.note([Standing(6, 40, "a/0"), Standing(8, 41, "b/0")], 9)
    assert published.stands("a/0", 40)
    assert not published.stands("a/0", 90)
    assert published.resume_at == 6
    published.settle(41)
    assert published.resume_at == 8
    published.settle(42)
    assert published.resume_at == 9
    assert published.acknowledged([9, 10])
    assert not published.acknowledged([12])
    assert published.resume_at == 11


def test_windows_follow_the_rules_and_skip_what_does_not_fit() -> None:
    windows = PageWindows(1_000)
    rules = PageRules("home", 1, ["top"], attribution_window=5_000)
    windows.take([(b"home", msgspec.json.encode(rules)), (b"other", b"{")])
    assert (windows.of("home"), windows.of("other"), windows.longest()) == (5_000, 1_000, 5_000)
    windows.take([(b"home", None)])
    assert (windows.of("home"), windows.longest()) == (1_000, 1_000)


def test_a_page_that_leaves_its_window_out_takes_the_settings() -> None:
    windows = PageWindows(1_000)
    windows.take([(b"home", encode(PageRules("home", 1, ["top"])))])
    assert (windows.of("home"), windows.declared(), windows.longest()) == (1_000, {}, 1_000)
    windows.take([(b"home", encode(PageRules("home", 2, ["top"], attribution_window=5_000)))])
    assert (windows.of("home"), windows.declared()) == (5_000, {"home": 5_000})
    windows.take([(b"home", encode(PageRules("home", 3, ["top"])))])
    assert (windows.of("home"), windows.longest()) == (1_000, 1_000)


def test_a_page_published_with_a_window_that_was_once_the_default_keeps_it() -> None:
    windows = PageWindows(1_000)
    windows.take([(b"home", b'{"page":"home","version":1,"slots":["top"],"attribution_window":604800000}')])
    assert windows.of("home") == 7 * DAY_MS
