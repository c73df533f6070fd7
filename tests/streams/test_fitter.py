"""The fitter: parameters from tables as a pure function, and as a worker between Redis and its topic."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from confluent_kafka import Consumer

from policy.model.examination import examination
from policy.model.priors import interest
from schemas.codec import decoder, encode
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.messages.events import Purchase, PurchaseLine
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.rules import Complements
from schemas.topics import CATALOG_EMBEDDINGS, PAGE_RULES, POLICY_PARAMETERS, PURCHASES
from streams.catalog.candidates import CandidateSet
from streams.catalog.embeddings import filled
from streams.catalog.item_features import item_features
from streams.catalog.weights import ONE, weights
from streams.fitter.app import fitter_app
from streams.fitter.page import MOST_SEGMENTS, PageState, _visible_times, fit, start_of
from streams.fold.deltas import Traffic
from streams.metrics import Registry
from streams.page_settings import FitterSettings, LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table
from tests.deadline import Deadline
from tests.streams.layout_inputs import table
from tests.streams.layouts_shop import FOLD, Shop, open_shop  # noqa: F401  a fixture
from tests.streams.layouts_shop import RULES as SHOP_RULES

DAY_MS = 86_400_000
LAYOUTS, SLOTS = LayoutSettings(), ("top", "left", "right")
ITEMS = tuple(f"i{number}" for number in range(30))
RULES = PageRules("home", 7, list(SLOTS))
FOLDED = FoldSettings()


def stocked() -> dict[str, CatalogItem]:
    return {
        name: CatalogItem(name, name, category="hats" if at % 2 else "shoes", price=1_000 * (at + 1))
        for at, name in enumerate(ITEMS)
    }


def seen(seed: int = 0, bucket: int = 0, hats: float = 1.0) -> Table:
    """Clicks by a known curve; hats are clicked so many times as often."""
    rng = np.random.default_rng(seed)
    one = table(bucket, Traffic.LEARNED, ITEMS, SLOTS, seed)
    looks = np.array([1.0, 0.8, 0.3])
    rates = np.where(np.arange(len(ITEMS)) % 2, 0.02 * hats, 0.02)
    one.impressions[:] = 4_000
    one.clicks[:] = rng.binomial(4_000, rates[:, None] * looks)
    return one


def fitted(tables: dict[str, list[Table]], fold: FoldSettings = FOLDED, now_ms: int = 1_000) -> PolicyParameters:
    start = start_of(RULES, [], LAYOUTS)
    return fit(PageState(RULES, tables, stocked()), start, LAYOUTS, fold, now_ms)


def test_looks_and_interests_are_found_in_the_tables() -> None:
    parameters = fitted({"plain": [seen(1)], "hatters": [seen(2, hats=2.5)]})
    assert parameters.examination["left"] == pytest.approx(0.8, abs=0.08)
    assert parameters.examination["right"] == pytest.approx(0.3, abs=0.06)
    candidates = CandidateSet(ITEMS)
    features = item_features(parameters, candidates, stocked()).features
    plain, hatters = (interest(parameters, segment, features, None) for segment in ("plain", "hatters"))
    assert hatters[1::2].mean() > 1.7 * hatters[::2].mean()
    assert plain[1::2].mean() == pytest.approx(plain[::2].mean(), rel=0.25)


def test_the_same_tables_give_the_same_parameters_in_any_order() -> None:
    tables = {"a": [seen(1), seen(3, bucket=DAY_MS)], "b": [seen(2)]}
    turned = {"b": [shuffled(seen(2))], "a": [shuffled(seen(3, bucket=DAY_MS)), seen(1)]}
    assert encode(fitted(tables)) == encode(fitted(turned))


def test_visible_times_say_what_is_looked_at_before_clicks_do() -> None:
    """Those of learned traffic; slots that the page does not have say nothing, and neither do a few impressions."""
    one = table(0, Traffic.LEARNED, ITEMS, ("gone", *SLOTS), most=5)
    one.clicks[:] = 0
    before = fitted({"a": [one]}).examination
    one.counts["timed"][:], one.counts["visible_ms"][:] = (9, 8, 6, 7), (9_000, 8_000, 60_000, 70_000)
    assert fitted({"a": [one]}).examination == pytest.approx(before, rel=0.05)
    timed = np.array([90_000, 80_000, 60_000, 70_000])
    one.counts["timed"][:], one.counts["visible_ms"][:] = timed, timed * np.array([60_000, 1_200, 1_200, 9_000])
    curve = fitted({"a": [one]}).examination
    assert curve["right"] == 1.0 > curve["top"] > curve["left"], "before the first click"
    held_out = replace(one, traffic=Traffic.HOLDOUT)
    one = table(0, Traffic.LEARNED, ITEMS, SLOTS, most=5)
    one.clicks[:] = 0
    assert fitted({"a": [one, held_out]}).examination == before


def test_visible_times_are_weighed_by_age_and_exact_in_any_order() -> None:
    tables = [seen(number, bucket=number * DAY_MS) for number in range(4)]
    rng = np.random.default_rng(1)
    for one in tables:
        one.counts["timed"][:] = rng.integers(1, 10**6, len(SLOTS))
        one.counts["visible_ms"][:] = one.counts["timed"] * rng.integers(1_000, 60_000, len(SLOTS))
    curve = fitted({"a": tables}, now_ms=5 * DAY_MS)
    assert encode(curve) == encode(fitted({"a": tables[::-1]}, now_ms=5 * DAY_MS))
    weighed = weights(tables, LAYOUTS.half_life_ms)
    times = _visible_times(tables, weighed, SLOTS)
    shares = [weighed[one.buckets] / ONE for one in tables]
    assert times.timed == pytest.approx(sum(a * one.counts["timed"] for a, one in zip(shares, tables, strict=True)))


def shuffled(one: Table) -> Table:
    """The same counts with the items in another order, as they may lie in the state."""
    order = np.random.default_rng(1).permutation(len(one.items))
    turned = {name: numbers[order] if len(numbers) == len(order) else numbers for name, numbers in one.counts.items()}
    return replace(one, items=tuple(one.items[row] for row in order), counts=turned)


def test_what_texts_say_is_found_and_told_of_an_item_that_nobody_saw() -> None:
    rng = np.random.default_rng(5)
    vectors = {name: rng.normal(size=8).astype(np.float32) for name in ITEMS[:-2]}
    liked = np.array([vectors[name][0] if name in vectors else 0.0 for name in ITEMS])
    one = seen(1)
    one.clicks[:] = rng.binomial(4_000, 0.02 * np.exp(0.5 * liked)[:, None] * np.array([1.0, 0.8, 0.3]))
    start = start_of(RULES, [], LAYOUTS)
    state = PageState(RULES, {"a": [one]}, stocked(), vectors, "m@r")
    parameters = fit(state, start, LAYOUTS, FOLDED, 1_000)
    assert parameters.text_model == "m@r"
    strangers = CandidateSet(("high", "low", "none"))
    told = filled(np.array([[2.0] + [0.0] * 7, [-2.0] + [0.0] * 7, [0.0] * 8], np.float32), np.array([1, 1, 0], bool))
    high, low, average = item_features(parameters, strangers, {}, told).fitted("a", strangers).interest
    assert high > 3.0 * low
    assert low < average < high
    assert fit(PageState(RULES, {"a": [one]}, stocked()), start, LAYOUTS, FOLDED, 1_000).text_model == ""


def robots(item: str) -> Table:
    """A segment in which one item is clicked whenever it is shown."""
    one = table(0, Traffic.LEARNED, ITEMS, SLOTS, 9, segment="robots")
    one.clicks[:] = 0
    one.impressions[:] = 0
    one.impressions[ITEMS.index(item)] = one.clicks[ITEMS.index(item)] = 500
    return one


def test_a_segment_of_robots_teaches_the_others_nothing() -> None:
    people = {name: [seen(at)] for at, name in enumerate(("a", "b", "c"))}
    start, state = start_of(RULES, [], LAYOUTS), PageState(RULES, people | {"robots": [robots("i3")]}, stocked())
    parameters = fit(state, start, LAYOUTS, FOLDED, 1_000, times=10.0)
    assert parameters.left_out == ["robots"]
    assert parameters == msgspec.structs.replace(fitted(people), left_out=["robots"])
    taught = fit(state, start, LAYOUTS, FOLDED, 1_000, times=0.0)
    # Most of it is taken for the segment's own interest even then, but not all,
    # and items that are alike are taken for different everywhere.
    assert factor(taught, "i3") > 1.03 * factor(parameters, "i3")
    assert parameters.arm_strength > 3.0 * taught.arm_strength


def factor(parameters: PolicyParameters, item: str) -> float:
    """How many times as often as its features let expect an item is clicked."""
    clicks, expected = parameters.arms[item]
    return clicks / expected


def test_holdout_and_fallback_teach_nothing() -> None:
    other = [table(0, traffic, ITEMS, SLOTS, 5) for traffic in (Traffic.HOLDOUT, Traffic.FALLBACK)]
    assert fitted({"a": [seen(1), *other]}) == fitted({"a": [seen(1)]})


def test_a_page_with_very_many_segments_is_fitted_to_those_shown_most() -> None:
    small = table(0, Traffic.LEARNED, ITEMS[:2], SLOTS, 1)
    tables = {f"s{number}": [small] for number in range(MOST_SEGMENTS + 5)} | {"zz": [seen(1)]}
    segments = fitted(tables).segments
    assert len(segments) == MOST_SEGMENTS
    assert "zz" in segments


def test_young_buckets_have_matured_less_and_slow_purchases_say_so() -> None:
    now = 10 * DAY_MS
    tables = [seen(number, bucket=number * DAY_MS) for number in range(10)]
    for one in tables:
        one.delays[:] = 0
        one.delays[18] = 40  # about two days
    sales = fitted({"a": tables}, FoldSettings(bucket_ms=DAY_MS), now).sales
    assert sales.maturity["0"] == pytest.approx(1.0)
    assert sales.maturity[str(9 * DAY_MS)] < 0.3
    assert sales.delays[16] < 0.1 < 0.9 < sales.delays[19]


def test_a_new_page_starts_from_what_the_others_learned() -> None:
    others = [PolicyParameters(f"p{n}", 1, 1, 0.002, 90.0, {"x": 1.0, "y": 0.2, "z": 0.1}) for n in range(9)]
    start = start_of(RULES, others, LAYOUTS)
    assert start.click_rate == pytest.approx(0.002, rel=0.4)
    assert start.curve["left"] < 0.3
    alone = start_of(RULES, [], LAYOUTS)
    assert alone.click_rate == pytest.approx(LAYOUTS.click_rate)
    assert list(alone.curve.values()) == pytest.approx(examination(SLOTS, {}).tolist())


async def last_fit(
    fits: Callable[[], Awaitable[list[PolicyParameters]]], holds: Callable[[PolicyParameters], bool]
) -> PolicyParameters:
    """The first of the fits that come of which this holds."""
    while not holds(last := (await fits())[-1]):
        pass
    return last


def test_the_worker_fits_what_changed_and_layouts_take_it(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
) -> None:
    shop, metrics = open_shop(broker), Registry()
    read = shop._reader(POLICY_PARAMETERS)
    for number in range(3):
        vector = CatalogEmbedding(f"i{number}", "m", "h", [number, 1.0], "r")
        shop.put(CATALOG_EMBEDDINGS, vector.item.encode(), vector)

    shop.declare(msgspec.structs.replace(SHOP_RULES, version=2, rules=[Complements(name="with it")]))
    orders = iter(range(1_000))

    def buy(*items: str, times: int) -> None:
        for number in [next(orders) for _ in range(times)]:
            lines = [PurchaseLine(name, 1, 500) for name in items]
            bought = Purchase(f"p{number}", time.time_ns() // 1_000_000, f"u{number}", f"o{number}", "EUR", lines)
            for _ in range(2):
                shop.put(PURCHASES, bought.unit.encode(), bought)

    buy("i0", "i1", times=8)
    buy("i2", "i3", times=2)
    buy("i4", times=20)

    async def fits() -> list[PolicyParameters]:
        found: list[PolicyParameters] = []
        until = Deadline(20)
        while not found:
            assert until.ahead
            messages = await asyncio.to_thread(consumed, read)
            found = [decoder(PolicyParameters)(value) for value in messages]
        return found

    async def run() -> None:
        errors: list[Exception] = []
        app: Any = await fitter_app(
            shop.kafka, shop.redis, FOLD, shop.layouts, FitterSettings(interval_s=0.2), errors.append, metrics
        )()
        await app.start()
        try:
            await shop.count("new", Traffic.LEARNED, 1_000, {"i1": 40, "i2": 10})
            first = (await fits())[-1]
            assert first.arms["i1"][0] > first.arms["i2"][0] > 0.0
            assert first.complements == {"i0": ["i1"], "i1": ["i0"]}, "orders count once, and two may be chance"
            assert (first.text_model, len(first.text)) == ("m@r", 4)
            await asyncio.sleep(1.0)
            assert consumed(read) == [], "nothing changed, nothing is fitted"
            async with shop.working():
                await shop.until(lambda: (made := shop.newest("new")) and made.parameters_version == first.version)
            await shop.count("new", Traffic.LEARNED, 1_000, {"i1": 1, "i2": 500})
            second = (await fits())[-1]
            assert second.version > first.version
            assert second.arms["i2"][0] > second.arms["i1"][0] > 0.0
            buy("i2", "i3", times=8)
            third = await last_fit(fits, lambda one: "i2" in one.complements)
            assert third.complements["i2"] == ["i3"]
            await asyncio.sleep(0.5)
            consumed(read)
            shop.put(CATALOG_EMBEDDINGS, b"i0", CatalogEmbedding("i0", "m", "h", [1.0], "next"))
            await asyncio.sleep(0.5)
            models = {decoder(PolicyParameters)(one).text_model for one in consumed(read)}
            assert models <= {"m@r"}, "most vectors are still of the model before"
            for number in (1, 2):
                vector = CatalogEmbedding(f"i{number}", "m", "h", [1.0, number], "next")
                shop.put(CATALOG_EMBEDDINGS, vector.item.encode(), vector)
            await last_fit(fits, lambda one: one.text_model == "m@next")
            shop.put(PAGE_RULES, b"home", None)
            await asyncio.to_thread(tombstone, read)
        finally:
            await app.stop()
        assert errors == []

    asyncio.run(run())
    assert metrics.value("reshelf_fits_total", "failed") == 0
    assert metrics.value("reshelf_fits_total", "fitted") >= 2
    assert metrics.value("reshelf_fits_total", "withdrawn") == 1


def tombstone(consumer: Consumer) -> None:
    """Read on until the parameters of a page are taken back."""
    until = Deadline(20)
    while all(message.value() is not None for message in consumer.consume(100, 0.1)):
        assert until.ahead


def consumed(consumer: Consumer) -> list[bytes]:
    return [value for message in consumer.consume(100, 0.1) if (value := message.value())]
