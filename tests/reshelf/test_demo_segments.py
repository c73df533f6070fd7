"""The demonstration's visitors in learned segments: the rule in its web tier, and what it shows of it."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing as ended

import numpy as np
import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from policy.assignment import choose
from policy.segments.rule import UNASSIGNED, choose_segment
from reshelf.demo.catalog import WHOLE, check_declared, page_rules
from reshelf.demo.picture import Picture, summary
from reshelf.demo.screen import closing, line, screen
from reshelf.demo.segments import KnownSegments, LearnedSegments, Segments, tastes
from reshelf.demo.shop.model import ShopSettings, Views
from reshelf.demo.shop.pages import SEGMENTS
from reshelf.demo.traffic import Traffic
from schemas import topics
from schemas.codec import encode
from schemas.errors import BadSettings
from schemas.messages.segments import LearnedSegment, SegmentItems, SegmentModel
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings
from tests.all_tests import if_all
from tests.deadline import Deadline
from tests.delivery import flush
from tests.reshelf.demo_shop import SMALL, shop

POINTS = {f"i{number}": [16 * (number % 3), 16 * (number % 2)] for number in range(6)}
ABOUT = [LearnedSegment(5, 0.5, ["garden", "living"]), LearnedSegment(5, 0.5)]


def model_of(version: int, names: list[str], points: dict[str, list[int]]) -> list[tuple[bytes, bytes]]:
    """The records of a model, its items first."""
    model = SegmentModel(
        version=version, generation=1, published_at=1, names=names, starts=[0, 4], parts=1, margin=16, segments=ABOUT
    )
    return [(b"items/0", encode(SegmentItems(version, 0, points))), (b"model", encode(model))]


def take(segments: Segments, records: list[tuple[bytes, bytes]]) -> None:
    for key, value in records:
        segments.take_record(key, value)


def views(units: list[int]) -> Views:
    unit = np.array(units, dtype=np.int64)
    return Views(unit, unit % len(SEGMENTS), unit * 0, unit * 0)


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.sampled_from(["other", *POINTS]))), max_size=60))
def test_visitors_are_where_the_rule_puts_them(steps: list[tuple[int, str | None]]) -> None:
    """None: the visitor sees a page; else they look at that item."""
    segments, looked, current = LearnedSegments(5), [list[str]() for _ in range(5)], [UNASSIGNED] * 5
    take(segments, model_of(1, ["t01", "t02"], POINTS))
    model, points = segments._view.current or pytest.fail("there is no model")
    for unit, item in steps:
        if item is not None:
            segments.see(unit, item)
            looked[unit].append(item)
            continue
        current[unit] = choose_segment(model, points, looked[unit], current[unit])
        assert [segments.names[at] for at in segments.of(views([unit]))] == [current[unit]]
    for name in segments.names:
        assert segments.units(name).tolist() == [unit for unit in range(5) if current[unit] == name]


def test_a_name_keeps_its_number_when_another_model_comes() -> None:
    segments = LearnedSegments(2)
    segments.see(0, "i0")
    assert segments.of(views([0, 1])).tolist() == [0, 0] and segments.model is None
    take(segments, model_of(1, ["t01", "t02"], POINTS))
    assert segments.of(views([0, 1])).tolist() == [2, 0] and segments.names == [UNASSIGNED, "t01", "t02"]
    take(segments, model_of(2, ["t02", "t03"], POINTS))
    assert segments.of(views([0])).tolist() == [2] and segments.names == [UNASSIGNED, "t01", "t02", "t03"]
    seen = [(each.segment, each.visitors, each.most) for each in tastes(segments, np.array([1, 0]))]
    assert seen == [("t02", 1, SEGMENTS[1]), ("t03", 0, SEGMENTS[0])]


def test_where_the_tier_knows_its_visitors_it_learns_nothing() -> None:
    segments = KnownSegments(np.array([2, 0]))
    take(segments, model_of(1, ["t01", "t02"], POINTS))
    segments.see(0, "i0")
    assert segments.of(views([2, 4])).tolist() == [2, 0] and segments.units(SEGMENTS[2]).tolist() == [0]
    assert tastes(segments, np.array([2, 0])) == []


def test_visitors_look_elsewhere_at_what_they_like() -> None:
    """With more than chance would give, and without changing what else the shop does."""
    model, other = shop(), shop(settings=ShopSettings(units=SMALL.units, delay=SMALL.delay, elsewhere=0.5))
    seen, same = model.views(4_000), other.views(4_000)
    assert np.array_equal(seen.unit, same.unit) and len(model.looks(seen)[0]) == 0
    view, rows = other.looks(same)
    assert 1_800 < len(view) < 2_200
    liked = other.attraction[same.segment[view], rows].mean()
    assert liked > 1.1 * other.attraction[same.segment].mean()
    assert np.array_equal(model.views(50).unit, other.views(50).unit)


def test_pages_compare_learned_segments_with_one_layout_for_all() -> None:
    for rules in page_rules(learned=True):
        assert rules.has_learned_segments
        assert [branch.name for branch in rules.branches if branch.segment == "*"] == (
            [] if rules.has_shelves else [WHOLE]
        )
    assert not any(rules.has_learned_segments for rules in page_rules())


@pytest.fixture
def kafka(broker: str, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    make_topics(broker)
    return KafkaSettings(bootstrap=broker, prefix=prefix)


def publish_model(kafka: KafkaSettings, items: list[str]) -> None:
    producer = Producer(confluent_producer_config(kafka))
    for key, value in model_of(1, ["t01", "t02"], {item: [64 * (at % 2), 32] for at, item in enumerate(items)}):
        producer.produce(kafka.prefix + topics.SEGMENTS.name, value, key)
    flush(producer)


def are_assigned(segments: Segments, names: set[str]) -> bool:
    """Whether there are visitors in each of these."""
    return names <= {*segments.names} and all(len(segments.units(name)) for name in names)


def test_the_terminal_shows_the_segments_that_visitors_are_in(kafka: KafkaSettings) -> None:
    model = shop(settings=ShopSettings(units=300, delay=0.05, elsewhere=0.5))
    with ended(Traffic(model, kafka, choose, rate=400.0, run="t", learned=True)) as traffic:
        traffic.open()
        before = line(Picture(traffic, "test shop").at(1.0)), closing(summary(traffic))
        publish_model(kafka, [item.key for item in model.items])
        end = Deadline(30)
        while end.ahead and not are_assigned(traffic.segments, {"t01", "t02"}):
            traffic.step()
        picture = Picture(traffic, "test shop").at(12.0)
        console = Console(file=(text := io.StringIO()), width=200)
        console.print(screen(picture, "", ""))
    assert "none yet" in before[0] and "No segments were learned" in before[1]
    assert picture["segments"] == [UNASSIGNED, "t01", "t02"]
    assert "t01 garden living (" in line(picture) and "garden, living" in text.getvalue()
    assert "t01 garden living (" in closing(summary(traffic))


def test_pages_that_have_other_segments_are_refused() -> None:
    declared = {rules.page: rules for rules in page_rules()}
    check_declared(declared)
    with pytest.raises(BadSettings, match=r"without learned segments.*--segments"):
        check_declared(declared, learned=True)


@if_all
def test_segments_appear_in_a_demonstration() -> None:
    command = [sys.executable, "-m", "reshelf", "demo", "--segments", "learned", "--no-web", "--no-encoder"]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = Deadline(240)
    assert demo.stderr
    for told in demo.stderr:
        if "t01 " in told or not end.ahead:
            break
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=120)
    assert "Learned segments (t01 " in out, err
