"""A page on a broker with a layout worker, and what its tests send, count and read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
import redis.asyncio
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from redis import Redis

from schemas.codec import decoder, encode, encode_key
from schemas.messages.layouts import Layout
from schemas.messages.pages import Candidates, PageRules, PolicyChoice
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, LAYOUT_REQUESTS, LAYOUTS, LAYOUTS_HISTORY, PAGE_RULES
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.layouts.app import layouts_app
from streams.metrics import Registry
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.keys import group_of
from streams.state.namespace import open_namespace
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.deadline import Deadline
from tests.delivery import flush
from tests.streams.layout_inputs import item

PARTITIONS = 2

WAIT_S = 30.0

SLOTS = ["top", "left"]

ITEMS = [f"i{number}" for number in range(6)]

RULES = PageRules("home", 1, SLOTS, policy=PolicyChoice(variants=4), candidates=Candidates(categories=["shoes"]))

CLICKS = TopicPartition("events-clicks", 0)

GROUPS = 4

FOLD = FoldSettings()

EPOCH_MS = 10**15
"""The first epoch ends in tens of thousands of years: what is drawn is the same on every day."""


class Shop:
    """One broker, one Redis: publishes what teams publish, and reads what renderers read."""

    def __init__(self, bootstrap: str, prefix: str, redis_url: str, **layouts: Any) -> None:
        self.kafka = KafkaSettings(bootstrap=bootstrap, prefix=prefix, session_timeout_s=2.0)
        self.redis = RedisSettings(url=redis_url, groups=GROUPS)
        self.layouts = LayoutSettings(**{"refresh_ms": 20, "epoch_ms": EPOCH_MS, **layouts})
        self.errors: list[Exception] = []
        self.metrics = Registry()
        self._producer = Producer(confluent_producer_config(self.kafka))
        self._readers = {topic.name: self._reader(topic) for topic in (LAYOUTS, LAYOUTS_HISTORY)}
        self._read: dict[str, list[tuple[bytes, bytes | None]]] = {name: [] for name in self._readers}
        self._applied: dict[int, int] = {}

    def put(self, topic: Topic, key: bytes, value: msgspec.Struct | None) -> None:
        self.put_raw(topic, key, encode(value) if value else None)

    def put_raw(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        self._producer.produce(self.kafka.prefix + topic.name, value, key=key)
        flush(self._producer)

    def send(self, topic: Topic, event: Any) -> None:
        """An event under its unit, without waiting for it."""
        self._producer.produce(self.kafka.prefix + topic.name, encode(event), key=event.unit)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all that was sent is in the log."""
        flush(self._producer)

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
    async def working(self, *others: Callable[[], Any], fold: FoldSettings = FOLD) -> AsyncIterator[Any]:
        """The layout worker, while `others` work that make their applications so."""
        make = layouts_app(self.kafka, self.redis, fold, self.layouts, self.errors.append, self.metrics)
        try:
            async with contextlib.AsyncExitStack() as stack:
                for each in (*others, make):
                    app: Any = await each()
                    await app.start()
                    stack.push_async_callback(app.stop)
                yield app
        finally:
            assert self.errors == []

    def seen(self, topic: Topic = LAYOUTS, segment: str = "*", page: str = "home") -> list[bytes | None]:
        """All values of one key so far, oldest first."""
        consumer, read = self._readers[topic.name], self._read[topic.name]
        for message in consumer.consume(500, 0.05):
            assert message.error() is None, message.error()
            read.append((message.key() or b"", message.value()))
        return [value for key, value in read if key == encode_key(topic, page, segment)]

    def published(self) -> int:
        """How many layouts were published so far, of all keys."""
        self.seen()
        return len(self._read[LAYOUTS.name])

    def newest(self, segment: str = "*") -> Any:
        values = self.seen(segment=segment)
        return decoder(Layout)(values[-1]) if values and values[-1] else None

    async def until(self, holds: Callable[[], Any]) -> Any:
        end = Deadline(WAIT_S)
        while not (result := holds()):
            assert not self.errors, self.errors
            assert end.ahead, "waited in vain"
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
