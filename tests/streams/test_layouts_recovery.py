"""Layout workers start again, share keys and go on where topics and Redis left off."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from reshelf.processes.children import free_port
from reshelf.processes.servers import embedded_redis
from schemas.codec import decoder, encode_key
from schemas.errors import BadSettings, Transient
from schemas.messages.layouts import Layout
from schemas.topics import EVENT_TOPICS, LAYOUT_LIVES, LAYOUT_REQUESTS, LAYOUTS, LAYOUTS_HISTORY
from streams.kafka.clients import partition_of
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.kafka.records import TopicPartition
from streams.layouts.app import layouts_app
from streams.page_settings import LayoutSettings
from streams.settings import KafkaSettings, RedisSettings
from streams.transport import reader
from tests.streams.layouts_shop import FOLD, GROUPS, PARTITIONS, RULES, Shop, open_shop

__all__ = ["open_shop"]


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
    make_topics(broker, 1, (*(topic.name for topic in EVENT_TOPICS), LAYOUT_LIVES.name, LAYOUTS_HISTORY.name))
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

    def composed() -> float:
        return shop.metrics.value("reshelf_layout_compose_seconds")

    def requested_in(page: str) -> TopicPartition:
        number = partition_of(encode_key(LAYOUT_REQUESTS, page, "*"), PARTITIONS)
        return TopicPartition(LAYOUT_REQUESTS.name, number)

    async def run() -> None:
        for page in pages:
            shop.declare(msgspec.structs.replace(RULES, page=page), page)
        async with shop.working() as first:
            await shop.until(lambda: complete(1) and shop.newest())
            before = composed()
            async with shop.working() as second:
                await shop.until(lambda: owned(first) and owned(second))
                # A member hears of a rebalance when it asks next.
                await shop.until(lambda: owned(first).isdisjoint(owned(second)))
                moved = [page for page in ("home", *pages) if requested_in(page) in owned(second)]
                await shop.until(lambda: composed() >= before + len(moved))
                await asyncio.sleep(0.3)
                assert composed() == before + len(moved), "what stayed is not composed again"
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
