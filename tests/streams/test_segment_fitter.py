"""Segments as the fitter learns them: a sample within bounds, without whom to forget, and models that go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from policy.segments.rule import choose_segment
from schemas.codec import encode
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Purchase, PurchaseLine, Signal
from schemas.messages.segments import SegmentModel
from schemas.topics import CATALOG_ITEMS, CLICKS, PURCHASES, SEGMENTS, SEGMENTS_HISTORY, SIGNALS
from streams.fitter.segments import published
from streams.fitter.segments.fitter import SegmentFitter, TitledCatalog, is_barred
from streams.fitter.segments.reader import UnitReader
from streams.fitter.segments.records import parts_of, records_of
from streams.fitter.segments.sample import DAY_MS, MOST_EVENTS, SPAN_MS, WINDOW, LeftOut, Seen, UnitSample
from streams.fitter.view_sample import unit_hash
from streams.kafka.clients import confluent_producer_config
from streams.kafka.producer import LogProducer
from streams.kafka.records import Logged
from streams.metrics import Registry
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings, KafkaSettings
from tests.conftest import MakeTopics

NOW = 1_700_000_000_000
UNITS, ITEMS = 700, 24
SETTINGS = SegmentSettings(learned=True, min_units=100, barred_categories=("health",))
CATEGORIES = ("running", "kitchen", "health/pills")


def sample(*seen: Seen, limit: int = 1_000) -> UnitSample:
    taken = UnitSample(limit, ["device"])
    for one in seen:
        taken.see(one)
    return taken


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), min_size=1, max_size=30), st.randoms())
def test_the_newest_of_each_item_counts_whatever_the_order_of_the_log(
    looked: list[tuple[str, int]], chance: Any
) -> None:
    times = {item: max(at for other, at in looked if other == item) for item, _ in looked}
    chance.shuffle(looked)
    ((items,), _) = sample(*(Seen(1, item, NOW + at, {}) for item, at in looked)).looked_at()
    assert sorted(items) == sorted(times)
    assert [times[item] for item in items] == sorted(times.values())


def test_a_visitor_keeps_the_last_items_alone() -> None:
    ((items,), _) = sample(*(Seen(1, f"i{at}", NOW + at, {}) for at in range(WINDOW + 5))).looked_at()
    assert items == [f"i{at}" for at in range(5, WINDOW + 5)]


def test_the_sample_is_bounded_and_a_visitor_is_in_or_out() -> None:
    taken = sample(*(Seen(unit_hash(b"%d" % at), item, NOW, {}) for at in range(400) for item in "ab"), limit=100)
    assert 20 < len(taken) <= 100
    assert all(len(items) == 2 for items in taken.looked_at()[0])


def test_who_refuses_and_robots_are_not_learned_from() -> None:
    views = [Seen(1, "a", NOW, {}), Seen(2, "a", NOW, {"device": "phone", "colour": "red"})]
    no = Seen(1, "b", NOW, {"consent": "no", "device": "phone"})
    robot = [Seen(3, f"i{at % 30}", NOW, {}) for at in range(MOST_EVENTS + 1)]
    regular = [Seen(4, f"i{at % 30}", NOW + at % 2 * DAY_MS, {}) for at in range(MOST_EVENTS)]
    taken = sample(*views, no, Seen(1, "c", NOW + 1, {}), *robot, *regular)
    units, values = taken.looked_at()
    assert units[0] == ["a"] and len(units) == 2
    assert values == {"device": ["phone", ""]}
    assert taken.left_out() == LeftOut(1, 1)
    taken.see(Seen(1, "d", NOW + 2, {"consent": "yes"}))
    assert ["d"] in taken.looked_at()[0]
    taken.see(Seen(1, "", NOW + 3, {"consent": "no"}))
    taken.see(Seen(5, "", NOW + 3, {"consent": "yes"}))
    assert ["d"] not in (units := taken.looked_at()[0]) and [] not in units, "an answer is no item"


def test_what_was_long_ago_goes() -> None:
    taken = sample(Seen(1, "a", NOW - SPAN_MS, {}), Seen(2, "a", NOW - SPAN_MS, {}), Seen(2, "b", NOW + 1, {}))
    taken.expire()
    assert taken.looked_at()[0] == [["b"]]
    taken.forget(2)
    assert len(taken) == 0


def test_barred_categories_bar_what_is_below_them() -> None:
    found = [is_barred(one, ("health",)) for one in ("health", "health/pills", "health > pills", "healthy", "")]
    assert found == [True, True, True, False, False]


def test_parts_are_bounded_and_those_that_are_no_more_are_taken_back() -> None:
    items = {f"item {at}": [at, -at] for at in range(100)}
    parts = list(parts_of(items, 300))
    assert {item: points for part in parts for item, points in part.items()} == items
    assert all(len(encode(SegmentModel(1, 1, 0, [], [], 0))) and len(part) < 20 for part in parts)
    keys = [
        (record.topic, record.key, record.value is None)
        for record in records_of(SegmentModel(1, 1, 0, [], [], 0), {}, 2)
    ]
    assert keys == [
        ("segments", b"model", False),
        ("segments-history", b"model", False),
        ("segments", b"items/0", True),
        ("segments", b"items/1", True),
    ]


def events() -> Iterator[tuple[str, Signal | Click | Purchase]]:
    """Visitors of two tastes and what goes with both: of each kind of event, all with a barred item."""
    rng, now = np.random.default_rng(2), time.time_ns() // 1_000_000
    for number in range(UNITS):
        unit, taste = f"u{number}", number % 2
        place = ("home", "*", "a")
        looked = [2 * int(at) + taste for at in rng.choice(ITEMS // 2, 4, replace=False)]
        for at, item in enumerate(looked[:2]):
            yield SIGNALS.name, Signal(f"s{number}-{at}", now, unit, "view", f"i{item}", context={"device": "phone"})
        yield SIGNALS.name, Signal(f"b{number}", now, unit, "view", "pill")
        yield SIGNALS.name, Signal(f"w{number}", now, unit, "wish", f"i{1 - taste}")
        yield SIGNALS.name, Signal(f"n{number}", now, f"n{number % 9}", "view", "i0")
        yield SIGNALS.name, Signal(f"q{number}", now, f"n{number % 9}", "wish", "i0", context={"consent": "no"})
        yield CLICKS.name, Click(f"c{number}", now, unit, *place, f"i{looked[2]}", f"v{number}", 1, 0)
        lines = [PurchaseLine(f"i{looked[3]}", 1, 100)]
        yield PURCHASES.name, Purchase(f"p{number}", now, unit, f"o{number}", "EUR", lines)


def catalog() -> TitledCatalog:
    items = [CatalogItem(f"i{at}", f"thing {at}", category=CATEGORIES[at % 2]) for at in range(ITEMS)]
    items.append(CatalogItem("pill", "pill", category=CATEGORIES[2]))
    view = TitledCatalog()
    view.take(CATALOG_ITEMS, 0, [Logged(at, 0, one.item.encode(), encode(one)) for at, one in enumerate(items)])
    return view


def test_segments_are_learned_from_the_log_and_go_on(broker: str, prefix: str, make_topics: MakeTopics) -> None:
    topics = [topic.name for topic in (SIGNALS, CLICKS, PURCHASES, SEGMENTS, SEGMENTS_HISTORY)]
    make_topics(broker, names=topics)
    kafka, metrics = KafkaSettings(bootstrap=broker, prefix=prefix), Registry()
    producer = Producer(dict(confluent_producer_config(kafka)))
    for topic, event in events():
        producer.produce(prefix + topic, encode(event), event.unit.encode())
    producer.produce(prefix + CLICKS.name, None, b"u7")
    producer.flush(30)

    async def run() -> None:
        reader, log_producer = UnitReader(kafka, FoldSettings(), SETTINGS), LogProducer(kafka)
        try:
            await reader.start()
            units, values, _ = reader.looked_at()
            assert len(units) == UNITS - 1
            assert all(len(items) == 5 for items in units)
            assert set(values["device"]) == {"phone"}
            fitter = SegmentFitter(kafka, SETTINGS, catalog(), reader, log_producer, metrics)
            assert await fitter.fit_once()
            first = published.newest(kafka)
            assert first is not None
            assert await fitter.fit_once()
            second = published.newest(kafka)
            assert second is not None
        finally:
            await reader.close()
            await log_producer.close()
        assert {choose_segment(*first, [f"i{2 * at}", f"i{2 * at + 2}"]) for at in range(5)} != {"t00"}
        assert "pill" not in first.points and len(first.points) == ITEMS
        assert {word for segment in first.model.segments for word in segment.words} <= {"running", "kitchen"}
        assert second.model.names == first.model.names
        assert second.model.version > first.model.version
        assert second.model.moved < 0.05
        assert [model.version for model in published.history(kafka)] == [first.model.version, second.model.version]
        lost = published.last_names(kafka)
        assert lost is not None
        assert lost.model.names == [] and lost.model.names_given == first.model.names_given

    asyncio.run(run())
    assert metrics.value("reshelf_segment_fits_total", "fitted") == 2
    assert metrics.value("reshelf_segment_sample_units", "learned_from") == UNITS - 1
