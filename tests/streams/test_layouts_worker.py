"""The layout producer end to end: topics and state in, layouts and their history out."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import redis.asyncio
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from redis import Redis

from policy.assignment import epoch_of
from policy.model.priors import packed
from reshelf.processes.children import free_port
from reshelf.processes.servers import embedded_redis
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadSettings, Transient
from schemas.messages.catalog import CatalogEmbedding
from schemas.messages.layouts import Layout, LayoutRequest
from schemas.messages.pages import Candidates, PageRules, PolicyChoice
from schemas.messages.parameters import PolicyParameters
from schemas.rules import Complements, Pin
from schemas.topics import (
    CATALOG_EMBEDDINGS,
    CATALOG_ITEMS,
    EVENT_TOPICS,
    LAYOUT_REQUESTS,
    LAYOUTS,
    LAYOUTS_HISTORY,
    PAGE_RULES,
    POLICY_PARAMETERS,
    Topic,
)
from streams.catalog.snapshot import read_catalog
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.kafka.records import TopicPartition
from streams.layouts.app import layouts_app
from streams.layouts.compose import compose, stamped
from streams.metrics import Registry
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.keys import group_of
from streams.state.namespace import open_namespace
from streams.state.reader import StateReader
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from streams.transport import reader
from tests.streams.layout_inputs import item

PARTITIONS = 2
WAIT_S = 30.0
SLOTS = ["top", "left"]
ITEMS = [f"i{number}" for number in range(6)]
RULES = PageRules("home", 1, SLOTS, policy=PolicyChoice(variants=4), candidates=Candidates(categories=["shoes"]))
CLICKS = TopicPartition("events-clicks", 0)
GROUPS = 4
FOLD = FoldSettings()


class Shop:
    """One broker, one Redis: publishes what teams publish, and reads what renderers read."""

    def __init__(self, bootstrap: str, prefix: str, redis_url: str, **layouts: Any) -> None:
        self.kafka = KafkaSettings(bootstrap=bootstrap, prefix=prefix, session_timeout_s=2.0)
        self.redis = RedisSettings(url=redis_url, groups=GROUPS)
        self.layouts = LayoutSettings(**{"refresh_ms": 20, **layouts})
        self.errors: list[Exception] = []
        self.metrics = Registry()
        self._producer = Producer(confluent_producer_config(self.kafka))
        self._readers = {topic.name: self._reader(topic) for topic in (LAYOUTS, LAYOUTS_HISTORY)}
        self._read: dict[str, list[tuple[bytes, bytes | None]]] = {name: [] for name in self._readers}
        self._applied: dict[int, int] = {}

    def put(self, topic: Topic, key: bytes, value: msgspec.Struct | None) -> None:
        self._producer.produce(self.kafka.prefix + topic.name, encode(value) if value else None, key=key)
        assert self._producer.flush(WAIT_S) == 0

    def stock(self, name: str, **fields: Any) -> None:
        self.put(CATALOG_ITEMS, name.encode(), item(name, category="shoes", **fields))

    def declare(self, rules: PageRules | None, page: str = "home") -> None:
        self.put(PAGE_RULES, page.encode(), rules)

    def request(self, page: str, segment: str) -> None:
        self.put(LAYOUT_REQUESTS, encode_key(LAYOUT_REQUESTS, page, segment), None)

    def in_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Commands take its servers from now on."""
        for name, value in (
            ("KAFKA__BOOTSTRAP", self.kafka.bootstrap),
            ("KAFKA__PREFIX", self.kafka.prefix),
            ("REDIS__URL", self.redis.url),
            ("REDIS__GROUPS", str(self.redis.groups)),
        ):
            monkeypatch.setenv(f"RESHELF_{name}", value)

    async def open_namespace(self) -> None:
        """Begin the state, as the first worker does."""
        async with redis.asyncio.Redis.from_url(self.redis.url) as client:
            await open_namespace(self.kafka, client, self.redis, FOLD)

    async def count(self, segment: str, traffic: Traffic, impressions: int, clicks: dict[str, int]) -> None:
        """Add to the state as the learner does: impressions of each item in each slot, and clicks in the first."""
        shown = {(name, slot): impressions for name in ITEMS for slot in SLOTS}
        delta = TableDelta(
            {"impressions": shown, "clicks": {(name, SLOTS[0]): count for name, count in clicks.items()}}
        )
        group = group_of("home", segment, GROUPS)
        at = self._applied.get(group, 0)
        self._applied[group] = at + 1
        move = GroupUpdate(group, at, Watermark(at + 1), GroupDelta({TableKey("home", segment, 0, traffic): delta}))
        async with redis.asyncio.Redis.from_url(self.redis.url) as client:
            assert await Store(client, self.redis.namespace, GROUPS).apply(CLICKS, 0, [move]) == [at + 1]

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[Any]:
        app: Any = await layouts_app(self.kafka, self.redis, FOLD, self.layouts, self.errors.append, self.metrics)()
        await app.start()
        try:
            yield app
        finally:
            await app.stop()
            assert self.errors == []

    def seen(self, topic: Topic = LAYOUTS, segment: str = "*", page: str = "home") -> list[bytes | None]:
        """All values of one key so far, oldest first."""
        consumer, read = self._readers[topic.name], self._read[topic.name]
        for message in consumer.consume(500, 0.05):
            assert message.error() is None, message.error()
            read.append((message.key() or b"", message.value()))
        return [value for key, value in read if key == encode_key(topic, page, segment)]

    def newest(self, segment: str = "*") -> Any:
        values = self.seen(segment=segment)
        return decoder(Layout)(values[-1]) if values and values[-1] else None

    async def until(self, holds: Callable[[], Any]) -> Any:
        end = time.monotonic() + WAIT_S
        while not (result := holds()):
            assert not self.errors, self.errors
            assert time.monotonic() < end, "waited in vain"
            await asyncio.sleep(0.02)
        return result

    def _reader(self, topic: Topic) -> Consumer:
        consumer = Consumer(confluent_consumer_config(self.kafka, f"{self.kafka.prefix}renderer"))
        consumer.assign([KafkaPartition(self.kafka.prefix + topic.name, number, 0) for number in range(PARTITIONS)])
        return consumer

    def close(self) -> None:
        for consumer in self._readers.values():
            consumer.close()


@pytest.fixture
def open_shop(prefix: str, redis_url: str, redis: Redis, make_topics: Any) -> Iterator[Callable[..., Shop]]:
    """A shop on a broker, with a page and items in stock; closed after the test."""
    shops: list[Shop] = []

    def open_one(bootstrap: str, **layouts: Any) -> Shop:
        make_topics(bootstrap, PARTITIONS)
        shop = Shop(bootstrap, prefix, redis_url, **layouts)
        shops.append(shop)
        for name in ITEMS:
            shop.stock(name)
        shop.declare(RULES)
        return shop

    yield open_one
    for shop in shops:
        shop.close()


def test_layouts_follow_the_state_and_equal_their_history(any_broker: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(any_broker)

    async def run() -> None:
        await shop.count("new", Traffic.LEARNED, 2_000, {"i3": 400})
        await shop.count("new", Traffic.HOLDOUT, 2_000, {"i5": 400})
        async with shop.working():
            made = await shop.until(lambda: shop.newest("new"))
            assert made.baseline["top"] == "i5" and made.propensities["top"] == {"i3": 1.0}
            assert [slate["top"] for slate in made.slates] == ["i3"] * 4
            assert made.watermarks["events-clicks"][0] == 2
            await shop.until(shop.newest)
            await shop.count("new", Traffic.LEARNED, 0, {"i1": 1_500})
            shop.request("home", "new")
            await shop.until(lambda: shop.newest("new").propensities["top"] == {"i1": 1.0})
        for segment in ("new", "*"):
            values = shop.seen(LAYOUTS, segment)
            assert values and values == shop.seen(LAYOUTS_HISTORY, segment)
            versions = [decoder(Layout)(value or b"").version for value in values]
            assert versions == sorted(set(versions))

    asyncio.run(run())


def test_the_whole_page_is_made_from_all_its_segments(
    broker: str, open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.layouts.producer.WHOLE_PAGE_MS", 50.0)
    shop = open_shop(broker)

    async def run() -> None:
        await shop.count("new", Traffic.LEARNED, 2_000, {"i3": 300})
        await shop.count("old", Traffic.LEARNED, 2_000, {"i3": 200, "i1": 300})
        async with shop.working():
            await shop.until(lambda: (now := shop.newest()) and now.propensities["top"] == {"i3": 1.0})
            assert shop.newest().watermarks["events-clicks"][0] <= 2
            await shop.count("old", Traffic.LEARNED, 0, {"i1": 1_000})
            shop.request("home", "*")
            await shop.until(lambda: shop.newest().propensities["top"] == {"i1": 1.0})

    asyncio.run(run())


def test_a_published_layout_can_be_made_again_byte_for_byte(broker: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(broker)
    for number, name in enumerate(ITEMS):
        vector = CatalogEmbedding(name, "m", "h", [number, 1.0], "r")
        shop.put(CATALOG_EMBEDDINGS, name.encode(), vector)
    text = packed(np.array([0.5, 0.0]))
    sure = PolicyParameters("home", 3, 1, 0.05, 500.0, text_model="m@r", text=text, segment_strength=500.0)
    together = {"i4": ["i1"], "i5": ["i1"]}
    shop.put(POLICY_PARAMETERS, b"home", msgspec.structs.replace(sure, arm_strength=500.0, complements=together))
    shop.declare(msgspec.structs.replace(RULES, version=2, rules=[Complements(name="with it", factor=1_000.0)]))

    async def run() -> None:
        await shop.count("new", Traffic.LEARNED, 100, {"i3": 4, "i2": 9})
        async with shop.working():
            made = await shop.until(lambda: shop.newest("new"))
            assert made.propensities["top"].keys() <= {"i4", "i5"}, "the text says more than so few clicks"
            assert made.propensities["left"] == {"i1": 1.0}, "it is bought with either"
        async with redis.asyncio.Redis.from_url(shop.redis.url) as client:
            state = await (await StateReader.open(client, "live")).read("home", "new")
        page = read_catalog(shop.kafka).page("home")
        epoch = epoch_of(made.produced_at, "home", "new", shop.layouts.epoch_ms)
        again = compose("new", state, page, shop.layouts, epoch.number, now_ms=made.decided_at)
        life = made.expires_at - made.produced_at
        assert encode(stamped(again, made.version, made.produced_at, life)) == shop.seen(segment="new")[-1]
        assert sum(made.catalog_position) == sum(made.embeddings_position) == len(ITEMS)

    asyncio.run(run())


def test_only_what_changed_is_published_again_and_half_its_life_renews_it(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(broker, ttl_ms=3_000)

    async def run() -> None:
        async with shop.working():
            first = await shop.until(shop.newest)
            shop.put(LAYOUT_REQUESTS, b"not json", None)
            shop.put(PAGE_RULES, b"home", item("home"))
            for _ in range(5):
                shop.request("home", "*")
                await asyncio.sleep(0.03)
            renewed = await shop.until(lambda: (now := shop.newest()) and now.version > first.version and now)
            assert renewed.slates == first.slates and renewed.baseline == first.baseline
            assert renewed.produced_at - first.produced_at >= shop.layouts.ttl_ms // 2
            told = shop.metrics.value
            await shop.until(lambda: told("reshelf_layouts_total", "published") == 2)  # once it is acknowledged
            assert len(shop.seen()) == 2
            assert [told("reshelf_invalid_records_total", name) for name in ("layout-requests", "page-rules")] == [1, 1]
            assert told("reshelf_layout_requests_total") == 6
            assert told("reshelf_layout_compose_seconds") == told("reshelf_layouts_total", "unchanged") + 2
            assert told("reshelf_layout_entropy_ratio") == told("reshelf_layout_publish_seconds") == 2

    asyncio.run(run())


def test_a_request_that_brings_too_little_composes_nothing_until_its_rest_is_over(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(broker, rest_s=2.0)
    key = encode_key(LAYOUT_REQUESTS, "home", "new")

    def composed() -> float:
        return sum(shop.metrics.value("reshelf_layouts_total", result) for result in ("published", "unchanged", "held"))

    def deferred() -> float:
        return shop.metrics.value("reshelf_layout_requests_deferred_total")

    async def run() -> None:
        await shop.count("new", Traffic.LEARNED, 2_000, {"i3": 400})
        async with shop.working():
            await shop.until(lambda: shop.newest("new") and shop.newest())
            await asyncio.sleep(0.5)  # Assignments and the catalog's first records are over.
            before = composed()
            for _ in range(3):
                shop.put(LAYOUT_REQUESTS, key, LayoutRequest("home", "new", True, 60, 3))
            await shop.until(lambda: deferred() == 3)
            assert composed() == before, "9 clicks of 400"
            shop.put(LAYOUT_REQUESTS, key, LayoutRequest("home", "new", True, 60, 3))
            await shop.until(lambda: composed() == before + 1)
            shop.put(LAYOUT_REQUESTS, key, LayoutRequest("home", "new", True, 60, 3))
            await shop.until(lambda: deferred() == 4)
            began = time.monotonic()
            await shop.until(lambda: composed() == before + 2)
            assert time.monotonic() - began > 1.0, "the rest of one click"

    asyncio.run(run())


def test_what_gains_too_little_is_held_back_and_what_gains_enough_is_made_of_all_that_came(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(broker, change_threshold=0.2)

    async def run() -> None:
        even = {name: 500 + number for number, name in enumerate(ITEMS)}
        await shop.count("new", Traffic.LEARNED, 20_000, even)
        async with shop.working():
            first = await shop.until(lambda: shop.newest("new"))
            await shop.count("new", Traffic.LEARNED, 0, {"i0": 12})
            shop.request("home", "new")
            await shop.until(lambda: shop.metrics.value("reshelf_layouts_total", "held") == 1)
            assert shop.newest("new") == first, "other slates of the same value"
            await shop.count("new", Traffic.LEARNED, 0, {"i2": 5_000})
            shop.request("home", "new")
            made = await shop.until(lambda: (now := shop.newest("new")) and now.version > first.version and now)
            assert made.propensities["top"] == {"i2": 1.0}
        async with redis.asyncio.Redis.from_url(shop.redis.url) as client:
            state = await (await StateReader.open(client, "live")).read("home", "new")
        page = read_catalog(shop.kafka).page("home")
        again = compose("new", state, page, shop.layouts, made.epoch, now_ms=made.decided_at)
        assert again.slates == made.slates and again.propensities == made.propensities

    asyncio.run(run())


def test_items_and_pages_come_and_go(broker: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(broker)

    def shown() -> set[str]:
        made = shop.newest()
        return set() if made is None else {name for slate in [made.baseline, *made.slates] for name in slate.values()}

    async def run() -> None:
        for name in ITEMS[2:]:
            shop.stock(name, available=False)
        async with shop.working() as app:
            await shop.until(lambda: shown() == {"i0", "i1"})
            shop.stock("i1", available=False)
            shop.stock("i9")
            await shop.until(lambda: shown() == {"i0", "i9"})
            shop.put(CATALOG_ITEMS, b"i9", None)
            shop.put(CATALOG_ITEMS, b"i0", None)
            empty = await shop.until(lambda: (now := shop.newest()) and not now.baseline and now)
            assert empty.slates == [{}] * 4 and empty.propensities == {}
            shop.declare(msgspec.structs.replace(RULES, version=2, template="wide"))
            await shop.until(lambda: shop.newest().template == "wide")
            shop.declare(None)
            await shop.until(lambda: shop.seen()[-1] is None)
            shop.declare(RULES)
            await shop.until(shop.newest)
            assert app.conf.id == f"{shop.kafka.prefix}layouts-live"
        versions = [decoder(Layout)(value).version for value in shop.seen() if value]
        assert versions == sorted(set(versions))

    asyncio.run(run())


def test_a_worker_that_starts_again_goes_on_above_what_the_topic_holds(
    broker: str, open_shop: Callable[..., Shop], redis: Redis
) -> None:
    shop = open_shop(broker)

    async def run() -> None:
        async with shop.working():
            first = await shop.until(shop.newest)
        future = msgspec.structs.replace(first, version=10**15, slates=[{}] * 4)
        shop.put(LAYOUTS, encode_key(LAYOUTS, "home", "*"), future)
        redis.flushall()
        async with shop.working():
            await shop.until(lambda: shop.newest().version == 10**15 + 1)
        values = len(shop.seen())
        async with shop.working():
            await asyncio.sleep(1.0)
        assert len(shop.seen()) == values, "nothing changed, so nothing is published"

    asyncio.run(run())


def test_an_older_layout_on_top_of_a_newer_one_is_overruled(broker: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(broker)

    async def run() -> None:
        async with shop.working():
            made = await shop.until(shop.newest)
            shop.put(LAYOUTS, encode_key(LAYOUTS, "home", "*"), msgspec.structs.replace(made, version=1))
            await shop.until(lambda: shop.newest().version > made.version)

    asyncio.run(run())


def test_history_alone_holds_what_was_cut_off_between_both_topics(
    broker: str, open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(broker)
    publish = LogProducer.publish
    cuts = iter([True, True])

    async def cut(self: LogProducer, records: list[OutgoingRecord]) -> list[tuple[int, int]]:
        if records[0].topic == LAYOUTS.name and next(cuts, False):
            raise Transient("cut off")
        return await publish(self, records)

    monkeypatch.setattr(LogProducer, "publish", cut)

    async def run() -> None:
        async with shop.working():
            await shop.until(shop.newest)
        history = [decoder(Layout)(value or b"") for value in shop.seen(LAYOUTS_HISTORY)]
        assert len(history) == 3 and shop.seen() == shop.seen(LAYOUTS_HISTORY)[-1:]
        assert [made.version for made in history] == sorted({made.version for made in history})
        assert all(made.slates == history[0].slates for made in history)

    asyncio.run(run())


def test_missing_topics_are_named(broker: str, prefix: str, redis_url: str, redis: Redis, make_topics: Any) -> None:
    make_topics(broker, 1, (*(topic.name for topic in EVENT_TOPICS), LAYOUTS_HISTORY.name))
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    make = layouts_app(kafka, RedisSettings(url=redis_url), FOLD, LayoutSettings())
    with pytest.raises(BadSettings, match=f"{prefix}catalog-items.*reshelf topics apply"):
        asyncio.run(make())  # type: ignore[arg-type]


def test_redis_goes_away_and_comes_back(broker: str, open_shop: Callable[..., Shop], tmp_path: Path) -> None:
    port = free_port()

    async def run(first: contextlib.ExitStack, second: contextlib.ExitStack) -> None:
        serve = functools.partial(embedded_redis, folder=tmp_path, appendonly=True, port=port)
        url = first.enter_context(serve())
        shop = open_shop(broker)
        shop.redis = RedisSettings(url=url, groups=GROUPS)
        async with shop.working():
            made = await shop.until(shop.newest)
            first.close()
            # An item that stands in a slate goes, so the layout has to change whatever the day's draws are.
            shop.stock(made.slates[0]["top"], available=False)
            await asyncio.sleep(0.5)
            second.enter_context(serve())
            await shop.until(lambda: shop.newest().version > made.version)

    with contextlib.ExitStack() as second, contextlib.ExitStack() as first:
        asyncio.run(run(first, second))


def test_two_workers_share_the_keys_and_one_takes_over(kafka: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(kafka)
    pages = [f"page-{number}" for number in range(8)]

    def complete(version: int) -> bool:
        newest = [shop.seen(page=page)[-1:] for page in pages]
        return all(value and value[0] and decoder(Layout)(value[0]).rules_version == version for value in newest)

    async def run() -> None:
        for page in pages:
            shop.declare(msgspec.structs.replace(RULES, page=page), page)
        async with shop.working() as first:
            async with shop.working() as second:
                await shop.until(lambda: complete(1) and owned(first) and owned(second))
                # A member hears of a rebalance when it asks next.
                await shop.until(lambda: owned(first).isdisjoint(owned(second)))
                for page in pages:
                    shop.declare(msgspec.structs.replace(RULES, page=page, version=2, template="wide"), page)
                await shop.until(lambda: complete(2))
            await shop.until(lambda: len(owned(first)) == PARTITIONS)
            for page in pages:
                shop.declare(msgspec.structs.replace(RULES, page=page, version=3, template="tall"), page)
            await shop.until(lambda: complete(3))
        for page in pages:
            versions = [decoder(Layout)(value or b"").version for value in shop.seen(page=page)]
            assert versions == sorted(set(versions))

    asyncio.run(run())


def owned(app: Any) -> frozenset[TopicPartition]:
    return reader(app).owned()


def test_rules_hold_in_published_layouts_and_campaigns_come_and_go_by_themselves(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(broker)

    async def run() -> None:
        now = time.time_ns() // 1_000_000
        campaign = Pin(name="week", item="i2", slot="top", starts_at=now + 5_000, ends_at=now + 7_000)
        shop.declare(
            msgspec.structs.replace(
                RULES,
                version=RULES.version + 1,
                blocks=["guide"],
                rules=[
                    campaign,
                    Pin(name="guide", item="guide", slot=SLOTS[-1]),
                    Pin(name="gone", item="x", slot="top"),
                ],
            )
        )
        async with shop.working():
            first = await shop.until(lambda: (made := shop.newest()) and made.rules_version > RULES.version and made)
            assert {slate[SLOTS[-1]] for slate in [first.baseline, *first.slates]} == {"guide"}
            assert first.propensities[SLOTS[-1]] == {"guide": 1.0}
            assert first.relaxed == ["pin gone: nothing it names is available"]
            pinned = await shop.until(
                lambda: (made := shop.newest()) and made.propensities["top"] == {"i2": 1.0} and made
            )
            assert campaign.starts_at <= pinned.decided_at < campaign.ends_at
            over = await shop.until(lambda: (made := shop.newest()) and made.decided_at >= campaign.ends_at and made)
            assert over.slates == first.slates

    asyncio.run(run())
