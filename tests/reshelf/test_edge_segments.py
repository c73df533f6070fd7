"""The edge on pages with learned segments: it chooses the visitor's by what they looked at, and says which."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import requests
from confluent_kafka import Producer
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.assignment import choose
from policy.segments.rule import choose_segment
from reshelf.edge.app import Parts
from reshelf.edge.feed import Feed
from reshelf.edge.layout_cache import LayoutCache
from reshelf.edge.visitors import MOST_ITEMS, Visitor, visitor_of
from reshelf.service_settings import EdgeSettings
from schemas.codec import encode
from schemas.messages.events import Signal
from schemas.messages.layouts import Layout
from schemas.messages.segments import SegmentModel, UnitSegment
from schemas.topics import CLICKS, LAYOUTS, PURCHASES, SEGMENTS, SIGNALS, UNIT_SEGMENTS
from streams.catalog.segments.model_view import SegmentModelView
from streams.fitter.segments.published import unit_segments
from streams.fitter.segments.reader import UnitReader
from streams.fitter.segments.records import records_of
from streams.fitter.segments.unit_publisher import UnitPublisher
from streams.kafka.clients import confluent_producer_config
from streams.kafka.producer import LogProducer
from streams.metrics import Registry
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings, KafkaSettings
from tests.conftest import MakeTopics
from tests.reshelf.edge_inputs import shelf_of
from tests.reshelf.test_edge_feed import until
from tests.reshelf.test_edge_http import _Away, running
from tests.reshelf.test_layouts_command import NOW_MS, layout

MODEL = SegmentModel(
    version=1, generation=1, published_at=1, names=["t01", "t02"], starts=[0, 0], parts=0, margin=3,
    attribute="device", values={"phone": [0, 9], "other": [0, 0]},
)  # fmt: skip
POINTS = {"tent": [5, 0], "pan": [0, 6], "a,b": [0, 50]}
TASTES = [
    msgspec.structs.replace(layout(name, 9), segments="learned", holdout_share=0.0) for name in ("*", "t01", "t02")
]

RESULTS = ("assigned", "taken_back", "failed")

texts = st.text(max_size=12)


class _Record:
    def __init__(self, key: bytes | None, value: bytes | None) -> None:
        self.key, self.value = (lambda: key), (lambda: value)


def unit_segment(unit: str, value: bytes | None) -> Any:
    return _Record(unit.encode(), value)


def cache_of(*layouts: Layout, model: bool = True) -> LayoutCache:
    cache = shelf_of(*layouts)
    for record in records_of(MODEL, POINTS, 0) if model else ():
        if record.topic == SEGMENTS.name:
            cache.take_segments(_Record(record.key, record.value))  # type: ignore[arg-type]  # what it reads of one
    return cache


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*POINTS, "?"]), max_size=20), st.sampled_from(["", "t01", "t02", "t09"]))
def test_the_segment_is_that_of_the_rule_and_the_slate_that_of_its_layout(items: list[str], current: str) -> None:
    answer = cache_of(*TASTES).answer_by_items("home", Visitor("u1", tuple(items), current, "phone"), NOW_MS)
    assert answer is not None
    told = json.loads(answer.body)
    chosen = choose_segment(MODEL, POINTS, items, current, "phone")
    assert told["visitor_segment"] == chosen
    of = next(one for one in TASTES if one.segment == (chosen if chosen != "t00" else "*"))
    assert (told["segment"], told["slate"]) == (of.segment, choose(of, "u1").slate)


def test_without_a_model_nobody_is_assigned_and_other_pages_take_the_segment_as_it_is_said() -> None:
    visitor = Visitor("u1", ("tent",), "t01")
    own = cache_of(layout("t01", 9), layout("*", 8))
    for cache, segment in ((cache_of(*TASTES, model=False), "t00"), (own, "t01")):
        answer = cache.answer_by_items("home", visitor, NOW_MS)
        assert answer and json.loads(answer.body)["visitor_segment"] == segment
    plain = cache_of(layout("*", 8)).answer_by_items("home", Visitor("u1"), NOW_MS)
    assert plain and json.loads(plain.body)["visitor_segment"] == "*"
    assert cache_of().answer_by_items("home", visitor, NOW_MS) is None


def test_who_says_neither_items_nor_a_segment_is_in_the_one_that_is_published() -> None:
    cache = cache_of(*TASTES, msgspec.structs.replace(layout("*", 8), page="plain"))

    def segment(visitor: Visitor, page: str = "home") -> str:
        answer = cache.answer_by_items(page, visitor, NOW_MS)
        assert answer is not None
        segment: str = json.loads(answer.body)["visitor_segment"]
        return segment

    for unit, name in (("u1", "t02"), ("u2", "t01"), ("u3", "t09")):
        cache.take_unit_segment(unit_segment(unit, encode(UnitSegment(name, 1))))
    cache.take_unit_segment(unit_segment("u1", b"[]"))
    assert [segment(Visitor(unit)) for unit in ("u1", "u2", "u3", "u4")] == ["t02", "t01", "t00", "t00"]
    assert segment(Visitor("u1", ("tent",))) == "t01"
    assert segment(Visitor("u1", (), "t01")) == "t00"
    assert segment(Visitor("u1"), "plain") == "*"
    cache.take_unit_segment(unit_segment("u2", None))
    assert segment(Visitor("u2")) == "t00"
    cache.begin_unit_segments()
    assert segment(Visitor("u1")) == "t00"


def test_answers_for_other_segments_have_other_tags() -> None:
    cache = cache_of(*TASTES[:1])
    answers = [cache.answer_by_items("home", Visitor("u1", items), NOW_MS) for items in ((), ("tent",), ("pan",))]
    answers.append(cache.answer("home", "*", "u1", NOW_MS))
    assert len({answer.etag for answer in answers if answer}) == 4
    repeated = cache.answer_by_items("home", Visitor("u1", ("pan",)), NOW_MS)
    assert repeated and answers[2] and repeated.etag == answers[2].etag


@settings(max_examples=40)
@given(st.lists(texts.filter(bool), max_size=8), texts, texts, st.none() | texts.filter(bool))
def test_a_query_says_what_was_put_into_it(items: list[str], segment: str, value: str, unit: str | None) -> None:
    plain = list(itertools.takewhile(lambda item: "," not in item, items))
    said = [("items", ",".join(plain)), ("segment", segment), ("value", value)]
    said += [("item", item) for item in items[len(plain) :]] + ([] if unit is None else [("unit", unit)])
    assert visitor_of(urlencode(said).encode()) == Visitor(unit, tuple(items), segment, value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (b"items=" + b"a," * (MOST_ITEMS + 1), "items: expected at most 64, got 65"),
        (b"items=" + b"x" * 129, "items: expected 1 to 128 characters, got 129"),
        (b"unit=", "unit: expected 1 to 128 characters, got 0"),
        (b"segment=" + b"t" * 65, "segment: expected 0 to 64 characters, got 65"),
    ],
)
def test_what_is_too_long_is_refused(query: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        visitor_of(query)


def test_over_http_a_segment_is_chosen_and_what_is_wrong_is_told() -> None:
    cache = cache_of(*TASTES)
    with running(Parts(EdgeSettings(), cache, _Away(), _Away(), now=lambda: NOW_MS / 1000)) as port:
        address = f"http://127.0.0.1:{port}/layouts/home"
        told = requests.get(address, params={"unit": "u1", "items": "tent", "item": "a,b"}, timeout=10).json()
        wrong = requests.get(f"{address}?items={'x' * 200}", timeout=10)
        whole = requests.get(f"{address}?items=tent", timeout=10).json()
    assert told["visitor_segment"] == "t02"
    assert (wrong.status_code, "items" in wrong.json()["error"]) == (400, True)
    assert (whole["segment"], len(whole["slates"])) == ("t01", len(TASTES[1].slates))


def test_segments_of_visitors_come_from_the_log_of_clicks_to_the_edge(
    broker: str, prefix: str, make_topics: MakeTopics
) -> None:
    make_topics(broker, 2, tuple(topic.name for topic in (SIGNALS, CLICKS, PURCHASES, LAYOUTS, UNIT_SEGMENTS)))
    kafka, cache, metrics = KafkaSettings(bootstrap=broker, prefix=prefix), cache_of(*TASTES), Registry()
    producer, now = Producer(confluent_producer_config(kafka)), time.time_ns() // 1_000_000
    for number, item in enumerate(POINTS):
        event = Signal(f"e{number}", now, f"u{number}", "view", item)
        producer.produce(prefix + SIGNALS.name, encode(event), event.unit.encode())
    producer.flush(30)
    model, learned = SegmentModelView(), SegmentSettings(learned=True, publish_units=True)
    model.current = MODEL, POINTS

    async def publish() -> None:
        """As one fitter that begins, publishes and ends."""
        reader, log_producer = UnitReader(kafka, FoldSettings(), learned), LogProducer(kafka)
        try:
            await reader.start()
            assert await UnitPublisher(kafka, model, reader, log_producer, metrics).publish_once()
        finally:
            await reader.close()
            await log_producer.close()

    def visible() -> list[str]:
        answers = [cache.answer_by_items("home", Visitor(f"u{number}"), NOW_MS) for number in range(3)]
        return [json.loads(answer.body)["visitor_segment"] for answer in answers if answer]

    asyncio.run(publish())
    with Feed(kafka, cache, units=True) as feed:
        assert until(lambda: feed.ready and visible() == ["t01", "t02", "t02"])
        producer.produce(prefix + CLICKS.name, None, b"u1")
        producer.flush(30)
        asyncio.run(publish())
        assert until(lambda: visible() == ["t01", "t00", "t02"])
    assert unit_segments(kafka) == {"u0": "t01", "u2": "t02"}
    results = {result: metrics.value("reshelf_unit_segment_records_total", result) for result in RESULTS}
    assert results == {"assigned": 3, "taken_back": 1, "failed": 0}
    assert metrics.value("reshelf_unit_segments") == 2
