"""Attribution by example: the order of two logs, expiry, and what a worker refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from schemas.codec import encode
from schemas.errors import StateAttention
from schemas.messages.events import Click, Purchase, PurchaseLine
from schemas.messages.pages import PageRules
from schemas.topics import CLICKS, CONVERSIONS, DAY_MS, PURCHASES
from streams.attribution.order import Track
from streams.attribution.published import Published, Source, Standing
from streams.attribution.step import Decision
from streams.attribution.windows import PageWindows
from streams.attribution.worker import Behind, PartitionWorker
from streams.dead_letters import DeadLetterWriter
from streams.fold.judge import Rejected
from streams.kafka.bounds import Bounds
from streams.kafka.records import Batch, TopicPartition
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.folder import ClickFolder
from streams.state.clicks.progress import Progress, Starts
from streams.state.clicks.store import ClickStore
from streams.state.keys import home_group
from streams.state.watermark import Watermark
from tests.streams.logs import LoggedRecord
from tests.streams.test_dead_letters import LettersTopic

GROUPS = 2
FOLD = FoldSettings(allowed_lateness_ms=1_000, duplicate_window_ms=1_000)
SETTINGS = AttributionSettings(grace_ms=100, window_ms=1_000, clock_skew_ms=0)


class Topic:
    """A conversions partition in memory."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    async def publish(self, decisions: Sequence[Decision]) -> list[int]:
        self.decisions += decisions
        return list(range(len(self.decisions) - len(decisions), len(self.decisions)))

    async def read(self, start: int) -> tuple[list[Standing], int]:
        found = [Standing(at, one.source, one.event.event_id) for at, one in enumerate(self.decisions)]
        return found[start:], len(self.decisions)

    async def read_events(self, start: int, take: Callable[[list[Decision]], None]) -> None:
        take(self.decisions[start:])

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


class Shop:
    """What a worker is made of: Redis, and the clicks of one machine."""

    def __init__(self, redis: Redis, store: ClickStore) -> None:
        self.redis = redis
        self.store = store
        self.clicks_since: Callable[[int], int] = lambda time: 0

    def worker(
        self, topic: Topic, namespace: str = "example", send_dead_letters: Any = dead_letter, accept_loss: bool = False
    ) -> PartitionWorker:
        """A worker of partition 0."""

        async def first_since(topic: str, time: int) -> int:
            return self.clicks_since(time)

        starts = Starts({CLICKS.name: 0, PURCHASES.name: 0}, {CONVERSIONS.name: 0})
        return PartitionWorker(
            progress=Progress(self.redis, namespace, GROUPS, 0, starts),
            store=self.store,
            decisions={CONVERSIONS.name: topic},
            send_dead_letters=send_dead_letters,
            first_since=first_since,
            windows=PageWindows(1_000),
            settings=SETTINGS,
            fold=FOLD,
            accept_loss=accept_loss,
        )

    async def opened(
        self,
        topic: Topic,
        clicks: int = 100,
        purchases: int = 100,
        bounds: Bounds | None = None,
        accept_loss: bool = False,
    ) -> PartitionWorker:
        """A worker over logs that end at the given offsets, or begin and end there."""
        worker = self.worker(topic, accept_loss=accept_loss)
        await worker.open(bounds or {CLICKS.name: (0, clicks), PURCHASES.name: (0, purchases)})
        return worker


@contextmanager
def store_in(folder: Path) -> Iterator[ClickStore]:
    """The clicks of partition 0."""
    locked = ClickFolder(SETTINGS.changed(folder=str(folder), memory_mb=16)).open("example", 0)
    try:
        yield locked.store
    finally:
        locked.close()


def play(url: str, folder: Path, act: Any) -> None:
    async def run() -> None:
        async with Redis.from_url(url) as redis:
            with store_in(folder) as store:
                await act(Shop(redis, store))

    asyncio.run(run())


def test_a_purchase_waits_until_the_clicks_are_read_past_its_grace(
    redis: SyncRedis, redis_url: str, tmp_path: Path
) -> None:
    async def act(shop: Shop) -> None:
        topic = Topic()
        worker = await shop.opened(topic)
        worker.feed(batch(PURCHASES, purchase(0, 5_000)))
        worker.feed(batch(CLICKS, click(0, 4_900), click(1, 5_100)))
        await worker.work()
        assert topic.credited == []
        worker.feed(batch(CLICKS, click(2, 5_101)))
        await worker.work()
        assert topic.credited == [("p0/0", "c0")]

    play(redis_url, tmp_path, act)


def test_idle_clicks_count_once_their_broker_is_past_the_grace(
    redis: SyncRedis, redis_url: str, tmp_path: Path
) -> None:
    async def act(shop: Shop) -> None:
        topic = Topic()
        worker = await shop.opened(topic)
        worker.feed(batch(CLICKS, click(0, 4_900)))
        worker.feed(batch(PURCHASES, purchase(0, 5_000)))
        for end, time in ((2, 9_000), (1, 5_100)):
            worker.ended({CLICKS.name: (0, end), PURCHASES.name: (0, 1)}, time)
            await worker.work()
            assert topic.credited == []
        worker.ended({CLICKS.name: (0, 1), PURCHASES.name: (0, 1)}, 5_101)
        await worker.work()
        assert topic.credited == [("p0/0", "c0")]

    play(redis_url, tmp_path, act)


def test_a_verdict_is_the_same_after_a_restart() -> None:
    fold = FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0, duplicate_window_ms=3)
    far = 1_000 * DAY_MS
    log = [purchase(0, far), *(purchase(offset, 5_000) for offset in range(1, 10))]
    whole = Track(PURCHASES, fold, Watermark(0), 0)
    whole.feed(batch(PURCHASES, *log))
    for _ in range(8):
        whole.take()
    resumed = Track(PURCHASES, fold, whole.position, 5)
    resumed.feed(batch(PURCHASES, *log[5:]))
    assert list(resumed.waiting) == list(whole.waiting)


def test_a_log_that_is_not_the_one_read_before_is_refused(redis: SyncRedis, redis_url: str, tmp_path: Path) -> None:
    async def act(shop: Shop) -> None:
        topic = Topic()
        worker = await shop.opened(topic)
        worker.feed(batch(CLICKS, click(0, 5_000), click(1, 5_000)))
        worker.ended({CLICKS.name: (0, 2), PURCHASES.name: (0, 0)}, 6_000)
        await worker.settle()
        with pytest.raises(StateAttention, match="the log ends at 1"):
            await shop.opened(topic, clicks=1)
        again = await shop.opened(topic)
        with pytest.raises(StateAttention, match="deleted and made again"):
            again.feed(batch(CLICKS, click(0, 5_000), click(1, 5_003)))

    play(redis_url, tmp_path, act)


def test_a_log_whose_end_holds_no_record_may_be_deleted_up_to_there(
    redis: SyncRedis, redis_url: str, tmp_path: Path
) -> None:
    async def act(shop: Shop) -> None:
        topic = Topic()
        worker = await shop.opened(topic)
        clicks, purchases = batch(CLICKS, click(0, 5_000)), batch(PURCHASES, purchase(0, 5_000))
        # Offset 1 is the marker of a transaction.
        for each in (clicks, purchases):
            worker.feed(replace(each, end=2))
        bounds = {CLICKS.name: (2, 2), PURCHASES.name: (2, 2)}
        worker.ended(bounds, 6_000)
        await worker.settle()
        assert worker.core.position.offsets[:2] == (1, 1)
        again = await shop.opened(topic, bounds=bounds)
        again.feed(batch(CLICKS, click(2, 7_000), click(3, 8_000)))
        again.feed(batch(PURCHASES, purchase(2, 7_000)))
        await again.settle()
        assert topic.credited == [("p0/0", "c0"), ("p2/0", "c2")]
        with pytest.raises(StateAttention, match=r"2 offsets of events-clicks/0 were deleted .*stands at 3"):
            await shop.opened(topic, bounds={CLICKS.name: (5, 5), PURCHASES.name: (3, 3)})

    play(redis_url, tmp_path, act)


def test_another_namespace_dead_letters_what_has_no_letter_yet(
    redis: SyncRedis, redis_url: str, tmp_path: Path
) -> None:
    async def act(shop: Shop) -> None:
        letters = LettersTopic()

        async def attribute(namespace: str, invalid: int) -> None:
            shop.store.clear()
            worker = shop.worker(Topic(), namespace, DeadLetterWriter(letters.publish, letters.read).send)
            await worker.open({CLICKS.name: (0, 0), PURCHASES.name: (0, invalid)})
            worker.feed(batch(PURCHASES, *(LoggedRecord(at, 5_000, b"u", b"{") for at in range(invalid))))
            worker.ended({CLICKS.name: (0, 0), PURCHASES.name: (0, invalid)}, 6_000)
            await worker.settle()

        await attribute("old", 2)
        await attribute("new", 3)
        assert [written.letter.offset for written in letters.records] == [0, 1, 2]

    play(redis_url, tmp_path, act)


def test_conversions_that_are_gone_are_refused(redis: SyncRedis, redis_url: str, tmp_path: Path) -> None:
    async def act(shop: Shop) -> None:
        topic = Topic()
        worker = await shop.opened(topic)
        worker.feed(batch(PURCHASES, purchase(0, 5_000)))
        worker.feed(batch(CLICKS, click(0, 4_900), click(1, 5_101)))
        await worker.settle()
        with pytest.raises(StateAttention, match="events-conversions/0 up to offset 1, but the log ends at 0"):
            await shop.opened(Topic())

    play(redis_url, tmp_path, act)


def test_published_decisions_hold_the_place_until_their_purchase_is_passed() -> None:
    published = Published(5)
    a, b = (Source(PURCHASES.name, offset) for offset in (40, 41))
    published.note([Standing(6, a, "a/0"), Standing(8, b, "b/0")], 9)
    assert published.stands("a/0", a)
    assert not published.stands("a/0", Source(PURCHASES.name, 90))
    assert published.resume_at == 6
    published.settle({PURCHASES.name: 41})
    assert published.resume_at == 8
    published.settle({PURCHASES.name: 42})
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


HOURS = 3_600_000


def test_clicks_that_are_lost_are_read_again_from_where_purchases_may_need_them(
    redis: SyncRedis, redis_url: str, tmp_path: Path
) -> None:
    late = 10 * HOURS

    async def act(shop: Shop) -> None:
        topic = Topic()
        log = [click(0, 5_000), click(1, late), click(2, late + 50)]
        worker = await shop.opened(topic)
        worker.feed(batch(CLICKS, *log))
        worker.feed(batch(PURCHASES, purchase(0, late)))
        worker.ended({CLICKS.name: (0, 3), PURCHASES.name: (0, 1)}, late + 1_000)
        await worker.settle()
        shop.store.clear()
        shop.clicks_since = lambda time: 1 if time > 5_000 else 0
        again = await shop.opened(topic)
        assert again.core.clicks.position.offset == 1
        assert 0 < (shop.store.complete_since or 0) < late - 2_000 - HOURS
        again.feed(batch(PURCHASES, purchase(1, late + 60)))
        await again.settle()
        assert topic.credited == [("p0/0", "c1")]
        assert (await again._progress.load()).position.offsets[:2] == (3, 1)
        again.feed(batch(CLICKS, *log, click(3, late + 500)))
        await again.settle()
        assert topic.credited == [("p0/0", "c1"), ("p1/0", "c2")]
        assert again.core.window() == (1_000, 1_000)

    play(redis_url, tmp_path, act)


def test_a_log_that_is_shorter_than_the_window_says_so_and_one_that_has_more_is_read(
    redis: SyncRedis, redis_url: str, tmp_path: Path
) -> None:
    async def act(shop: Shop) -> None:
        topic = Topic()
        worker = await shop.opened(topic, bounds={CLICKS.name: (4, 6), PURCHASES.name: (0, 1)}, accept_loss=True)
        worker.feed(batch(CLICKS, click(4, 5_000), click(5, 5_400)))
        worker.ended({CLICKS.name: (4, 6), PURCHASES.name: (0, 0)}, 9_000)
        await worker.settle()
        assert worker.core.window() == (300, 1_000)
        worker.feed(batch(CLICKS, click(6, 7_000)))
        await worker.settle()
        assert worker.core.window() == (1_000, 1_000)
        shop.clicks_since = lambda time: 3 if time < 5_000 else 4
        again = await shop.opened(topic, bounds={CLICKS.name: (3, 7), PURCHASES.name: (0, 1)})
        assert again.core.clicks.position.offset == 3

    play(redis_url, tmp_path, act)


def test_clicks_of_another_log_are_not_used(redis: SyncRedis, redis_url: str, tmp_path: Path) -> None:
    async def act(shop: Shop) -> None:
        worker = await shop.opened(Topic())
        worker.feed(batch(CLICKS, click(0, 4_900), click(1, 5_000)))
        worker.ended({CLICKS.name: (0, 2), PURCHASES.name: (0, 0)}, 6_000)
        await worker.settle()
        await shop.redis.flushall()
        topic, log = Topic(), [click(0, 4_870, item="other"), click(1, 4_880), click(2, 9_000)]
        other = await shop.opened(topic)
        other.feed(batch(PURCHASES, purchase(0, 4_890)))
        await other.work()
        assert other.core.purchases.next_offset == 0
        with pytest.raises(Behind, match="another log"):
            other.feed(batch(CLICKS, *log))
        again = await shop.opened(topic)
        again.feed(batch(CLICKS, *log))
        again.feed(batch(PURCHASES, purchase(0, 4_890)))
        await again.settle()
        assert topic.credited == [("p0/0", "c1")]

    play(redis_url, tmp_path, act)


def test_positions_of_groups_become_one_position_at_the_earliest(
    redis: SyncRedis, redis_url: str, tmp_path: Path
) -> None:
    left = ("wm:events-clicks:0", "wm:events-purchases:0", "conversions:0")

    async def nothing_new(start: int) -> tuple[list[Standing], int]:
        return [], start

    async def act(shop: Shop) -> None:
        home = home_group(TopicPartition(PURCHASES.name, 0), GROUPS)
        for group, offset in ((home, 9), (1 - home, 7)):
            base = f"reshelf:{{example:a{group}}}:"
            await shop.redis.set(f"{base}wm:events-clicks:0", Watermark(offset + 1, 5_000).encode())
            await shop.redis.set(f"{base}wm:events-purchases:0", Watermark(offset, 5_000).encode())
            await shop.redis.set(f"{base}conversions:0", offset - 5)
            await shop.redis.hset(f"{base}clicks:0", "1", "click")
        topic = Topic()
        topic.read = nothing_new  # type: ignore[method-assign]
        worker = await shop.opened(topic)
        assert worker.core.applied.offsets[:2] == (8, 7)
        assert (await worker._progress.load()).published == {CONVERSIONS.name: 2}
        names = {name.decode() async for name in shop.redis.scan_iter()}
        assert names == {f"reshelf:{{example:a{home}}}:{each}" for each in left}

    play(redis_url, tmp_path, act)
