"""`reshelf bench shop`: the state that is made is the one that is read, and a small run of its parts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from bench.shop.catalog import Shop, number_in
from bench.shop.parts import workers
from bench.shop.report import KEYS
from bench.shop.size import SIZES, Share
from bench.shop.state.counts import PageDays, shown
from bench.shop.state.filling import fill
from bench.shop.traffic import Visitors
from bench.state.encoding import table_parts
from reshelf.cli.main import cli
from schemas.messages.events import Click, Impression, Purchase
from schemas.topics import DAY_MS
from streams.fold.buckets import span_of
from streams.fold.deltas import TableKey, Traffic
from streams.settings import FoldSettings, RedisSettings
from streams.state.arrays.packed_value import decode_table
from streams.state.manifest import manifest_of
from streams.state.merging import Merger
from streams.state.reader import StateReader
from streams.state.store import Store
from tests.all_tests import if_all
from tests.reshelf.environments import use_servers

TODAY = 20_000 * DAY_MS
SMALL = replace(SIZES["S"], pages=5, segments=3, items=200, candidates=30, days=3, visitors=2_000)


def shop(workers: int = 1) -> Shop:
    return Shop(SMALL, 1, TODAY, Share(workers))


def test_a_table_is_read_as_it_was_made() -> None:
    counts = PageDays(shop(), 0)
    for views in (3.0, 500.0):
        made = counts.table(1, "segment-001", 0, TODAY, Traffic.LEARNED, views)
        read = decode_table(TableKey("page-0000", made.segment, TODAY, made.traffic), dict(table_parts(made)))
        assert (read.items, read.slots) == (made.items, made.slots)
        assert all(np.array_equal(read.counts[name], counted) for name, counted in made.counts.items())
        assert made.impressions.sum() == pytest.approx(views * 0.9 * 12, rel=0.3)


def test_the_state_that_is_written_is_the_one_that_workers_read(redis: Redis, redis_url: str) -> None:
    settings, made, said = RedisSettings(url=redis_url, namespace="shop"), shop(), list[str]()
    filled = fill(settings, 16, made, FoldSettings(), said.append)
    assert (filled.keys, filled.days, filled.tables) == (12, 3, 3 * 2 * (12 + 4))
    manifest = manifest_of("shop", "", {"events-clicks": [0]}, 16, FoldSettings())
    redis.set("reshelf:{shop}:manifest", msgspec.json.encode(manifest))

    async def read() -> None:
        async with AsyncRedis.from_url(redis_url) as client:
            reader = await StateReader.open(client, "shop")
            assert await reader.keys() == set(made.counted_keys) < set(made.keys)
            (key, weight) = made.keys[0], made.weights[0]
            state = await reader.read(*key)
            assert {table.bucket for table in state.tables} == {TODAY - day * DAY_MS for day in range(3)}
            seen = sum(int(table.impressions.sum()) for table in state.tables)
            assert seen == pytest.approx(3 * 12 * SMALL.views * weight, rel=0.1)
            assert (await reader.read_bins(key.page))[TODAY, Traffic.HOLDOUT].shape == (256, 6)

    asyncio.run(read())


def test_old_days_are_in_spans_as_workers_merge_them(redis: Redis, redis_url: str) -> None:
    days, fold = 20, FoldSettings()
    made = Shop(replace(SMALL, days=days), 1, TODAY, Share(1))
    fill(RedisSettings(url=redis_url, namespace="shop"), 16, made, fold, lambda text: None)
    manifest = manifest_of("shop", "", {"events-clicks": [0]}, 16, fold)
    spans = {span_of(TODAY - day * DAY_MS, TODAY, fold) for day in range(days)}
    assert 3 < len(spans) < 10
    for span in spans:
        names = {name.decode().split(":")[3] for name in redis.scan_iter(f"*:{span.start}:page-*")}
        assert (names - {"bins"} == {"packed", "revision"}) is (len(span) > 1), "workers leave one value of a span"

    async def read() -> None:
        async with AsyncRedis.from_url(redis_url) as client:
            merger = Merger(Store(client, "shop", 16), fold, manifest.partitions(), rest_s=0)
            assert [await merger.due(group) for group in range(16)] == [[]] * 16
            (key, weight) = made.keys[0], made.weights[0]
            reader = StateReader(client, manifest)
            state = await reader.read(*key)
            assert {table.buckets for table in state.tables} == spans
            seen = sum(int(table.impressions.sum()) for table in state.tables)
            assert seen == pytest.approx(days * 12 * SMALL.views * weight, rel=0.1)
            assert len(await reader.read_bins(key.page)) == 2 * days

    asyncio.run(read())


def test_a_state_too_large_for_the_memory_holds_the_newest_days(redis: Redis, redis_url: str) -> None:
    filled = fill(
        RedisSettings(url=redis_url, namespace="shop"), 16, shop(), FoldSettings(), lambda text: None, limit_mb=0
    )
    assert (filled.days, filled.days_wanted) == (1, 3)


def test_a_shop_follows_from_its_seed_and_shares_add_up_to_it() -> None:
    assert list(shop().items()) == list(shop().items())
    assert shop().candidates(1) == shop().candidates(1)
    assert len(shop().candidates(1)) == SMALL.candidates
    assert shop().weights.sum() == pytest.approx(1.0)
    of_four = Shop(SMALL, 1, TODAY, Share(4)).keys
    assert 0 < len(of_four) < len(shop().keys) and set(of_four) < set(shop().keys)


def test_a_page_view_shows_as_many_items_as_it_has_slots() -> None:
    for items in (5, 12, 13, 300):
        share = shown(items, 12)
        assert share.sum() == pytest.approx(min(items, 12)) and share.max() <= 1.0


def test_visitors_click_on_what_they_saw_and_buy_what_they_clicked_on() -> None:
    visitors, made = Visitors(shop(), "run"), shop()
    events = [visitors.next() for _ in range(3_000)]
    assert len({event.event_id for event in events}) == 3_000
    views = {event.page_view_id: event for event in events if isinstance(event, Impression)}
    clicks = [event for event in events if isinstance(event, Click)]
    assert len(clicks) > 100
    for click in clicks:
        assert any((click.slot, click.item) == (one.slot, one.item) for one in views[click.page_view_id].slots)
    clicked = {(click.unit, click.item) for click in clicks}
    bought = [(event.unit, line.item) for event in events if isinstance(event, Purchase) for line in event.lines]
    assert bought and set(bought) <= clicked
    candidates = {page: set(made.candidates(page)) for page in made.pages}
    for view in views.values():
        assert {one.item for one in view.slots} <= candidates[number_in(view.page)]


@if_all
def test_each_part_tells_the_same_figures(
    monkeypatch: pytest.MonkeyPatch, broker: str, redis: Redis, redis_url: str, prefix: str
) -> None:
    monkeypatch.setitem(SIZES, "S", SMALL)
    use_servers(monkeypatch, broker, redis_url, prefix)
    short = ["--seconds", "4", "--warm-up", "0.5", "--rate", "200", "--backlog", "0", "--settle-seconds", "60"]
    command = ["bench", "shop", *short, "--part", "learner", "--part", "layouts", "--json"]
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["state"]["days"] == 3 and told["shop"]["pages"] == 5
    learner, layouts = told["parts"]
    for part in (learner, layouts):
        assert set(KEYS) <= part.keys() and not part["ended"]
        assert part["lag"] == part["quota_letters"] == 0
        assert part["ready_s"] > 0 and 0 < part["rss_mb"]["rest"] <= part["rss_mb"]["peak"] and part["redis_mb"] > 0
    assert learner["events_per_s"] > 0
    assert layouts["with_layout"] == layouts["keys"] == 17
    assert layouts["layouts_per_s"]["requested"] > 0 and layouts["click_to_layout_ms"]["clicks"] > 0
    assert not list(redis.scan_iter("*bench-shop*"))


@if_all
@pytest.mark.long
def test_workers_on_three_shards_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "S", SMALL)
    monkeypatch.setattr(workers, "NUMBERS", (2,))
    command = ["bench", "shop", "--broker", "embedded", "--shards", "3", "--part", "workers", "--backlog", "3000"]
    done = CliRunner().invoke(cli, [*command, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    (part,) = told["parts"]
    assert told["shards"] == 3 and not part["ended"] and part["quota_letters"] == 0
    assert part["layouts_composed"]["2"] >= 17 and part["layouts_ms_each"]["2"] > 0


def test_shards_are_started_with_a_broker_alone() -> None:
    done = CliRunner().invoke(cli, ["bench", "shop", "--shards", "3"])
    assert done.exit_code == 2 and "--broker" in done.output
