"""The layout producer end to end: topics and state in, layouts and their history out."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable

import msgspec
import numpy as np
import pytest
import redis.asyncio

from policy.assignment import epoch_of
from policy.model.priors import packed
from reshelf.inspect.layouts_topic import newest, read_lives
from schemas.codec import decoder, encode, encode_key
from schemas.errors import StateAttention
from schemas.messages.catalog import CatalogEmbedding
from schemas.messages.layouts import Layout, LayoutRequest
from schemas.messages.parameters import PolicyParameters
from schemas.rules import Complements, Pin
from schemas.topics import (
    CATALOG_EMBEDDINGS,
    CATALOG_ITEMS,
    LAYOUT_REQUESTS,
    LAYOUTS,
    LAYOUTS_HISTORY,
    PAGE_RULES,
    POLICY_PARAMETERS,
)
from streams.catalog.snapshot import read_catalog
from streams.fold.deltas import Traffic
from streams.kafka.producer import Delivery, LogProducer, OutgoingRecord
from streams.layouts.compose import compose, stamped
from streams.state.reader import StateReader
from tests.streams.layout_inputs import item
from tests.streams.layouts_shop import ITEMS, RULES, SLOTS, Shop, open_shop

__all__ = ["open_shop"]


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
        assert encode(stamped(again, made.version, made.produced_at, life, made.life)) == shop.seen(segment="new")[-1]
        assert sum(made.catalog_position) == sum(made.embeddings_position) == len(ITEMS)

    asyncio.run(run())


def test_without_lives_half_its_life_renews_what_did_not_change(broker: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(broker, ttl_ms=3_000, lives=False)

    async def run() -> None:
        async with shop.working():
            first = await shop.until(shop.newest)
            assert first.life == ""
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


def test_what_does_not_change_is_not_published_again_and_lasts_as_long_as_its_worker(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    ttl_ms = 8_000
    shop = open_shop(broker, ttl_ms=ttl_ms)

    def good() -> int:
        """How many layouts renderers may show."""
        now = time.time_ns() // 1_000_000
        return sum(ends > now for _, ends in newest(shop.kafka).expiries())

    async def rests() -> None:
        """Nothing is published for longer than layouts are good by themselves; a busy machine has some tries."""
        since, before = time.monotonic(), shop.published()

        def rested() -> bool:
            nonlocal since, before
            if (now := shop.published()) != before:
                since, before = time.monotonic(), now
            return time.monotonic() - since > 1.2 * ttl_ms / 1000

        await shop.until(rested)
        assert good() == 2

    async def run() -> None:
        await shop.count("new", Traffic.LEARNED, 2_000, {"i3": 400})
        async with shop.working():
            await shop.until(lambda: shop.newest("new") and shop.newest())
            await rests()
        async with shop.working():
            shop.request("home", "new")
            await rests()
        stopped_at = time.time_ns() // 1_000_000
        ends = dict(newest(shop.kafka).expiries())
        assert all(stopped_at < end <= stopped_at + ttl_ms for end in ends.values())
        await asyncio.sleep((max(ends.values()) - stopped_at) / 1000)
        assert good() == 0

    asyncio.run(run())


def test_a_page_that_the_broker_refuses_expires_alone_and_is_named(
    broker: str, open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, deliver, refuses = open_shop(broker, ttl_ms=8_000), LogProducer.deliver, False

    async def refusing(self: LogProducer, records: Iterable[OutgoingRecord]) -> list[Delivery]:
        records = list(records)
        if refuses and any(record.key == b'["home","*"]' for record in records):
            raise StateAttention("too large")
        return await deliver(self, records)

    monkeypatch.setattr(LogProducer, "deliver", refusing)
    monkeypatch.setattr("streams.layouts.lives.ownership.partition_of", lambda key, partitions: 0)

    async def run() -> None:
        nonlocal refuses
        await shop.count("new", Traffic.LEARNED, 2_000, {"i3": 400})
        async with shop.working():
            made = await shop.until(lambda: shop.newest("new") and shop.newest())
            await shop.until(lambda: shop.metrics.value("reshelf_layout_lives_total", "extended") > 0)
            refuses = True
            shop.stock(made.slates[0]["top"], available=False)
            await shop.until(lambda: shop.metrics.value("reshelf_layouts_total", "refused") > 0)
            await shop.until(lambda: any(life.held_up_by for life in read_lives(shop.kafka).all()))
            (life,) = read_lives(shop.kafka).all()
            assert re.match(r"home for \*( \(and 1 others\))?: the broker refuses its layout", life.held_up_by)
            await asyncio.sleep(shop.layouts.ttl_ms / 1000)
            now = time.time_ns() // 1_000_000
            assert {key.segment: ends > now for key, ends in newest(shop.kafka).expiries()} == {"*": False, "new": True}
            refuses = False
            await shop.until(lambda: shop.newest().version > made.version)
            await shop.until(lambda: not read_lives(shop.kafka).all()[0].held_up_by)

    asyncio.run(run())


def test_a_request_that_brings_too_little_composes_nothing_until_its_rest_is_over(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(broker, rest_s=6.0)
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


def test_rules_hold_in_published_layouts_and_campaigns_come_and_go_by_themselves(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(broker)

    def declare(version: int, *campaigns: Pin) -> None:
        pins = [Pin(name="guide", item="guide", slot=SLOTS[-1]), Pin(name="gone", item="x", slot="top")]
        version += RULES.version
        shop.declare(msgspec.structs.replace(RULES, version=version, blocks=["guide"], rules=[*campaigns, *pins]))

    async def run() -> None:
        async with shop.working():
            began = time.monotonic()
            declare(1)
            first = await shop.until(lambda: (it := shop.newest()) and it.rules_version > RULES.version and it)
            assert {slate[SLOTS[-1]] for slate in [first.baseline, *first.slates]} == {"guide"}
            assert first.propensities[SLOTS[-1]] == {"guide": 1.0}
            assert first.relaxed == ["pin gone: nothing it names is available"]
            # A machine that took long for the first layout takes long for the next.
            span = 1_000 + round(1_000 * (time.monotonic() - began))
            now = time.time_ns() // 1_000_000
            campaign = Pin(name="week", item="i2", slot="top", starts_at=now + span, ends_at=now + 2 * span)
            declare(2, campaign)
            pinned = await shop.until(lambda: (it := shop.newest()) and it.propensities["top"] == {"i2": 1.0} and it)
            assert campaign.starts_at <= pinned.decided_at < campaign.ends_at
            over = await shop.until(lambda: (it := shop.newest()) and it.decided_at >= campaign.ends_at and it)
            assert over.slates == first.slates

    asyncio.run(run())
