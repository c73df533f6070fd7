"""What single events say of who sent them: partitioner, clock and holdout."""

from __future__ import annotations

import logging
from binascii import crc32
from itertools import count

import msgspec
import pytest

from policy.assignment import in_holdout
from schemas.messages.events import Impression, SlotItem
from schemas.topics import IMPRESSIONS, PURCHASES
from streams.kafka.clients import partition_of
from streams.kafka.event_checks import (
    AS_DRAWN,
    HOLDOUT_SAW_LEARNED,
    LEARNED_SAW_HOLDOUT,
    MOST_SOURCES,
    OTHER_SOURCES,
    RIGHT,
    SOURCE_HEADER,
    SPAN_S,
    WRONG,
    EventChecks,
    Holdout,
)
from streams.kafka.records import Batch, Logged, TopicPartition
from streams.metrics import Registry

NOON, PARTITIONS = 1_700_000_000_000, 4
HOLDOUT = Holdout("holdout-1", 0.1)
STARTS = {IMPRESSIONS.name: [0] * PARTITIONS, PURCHASES.name: [0] * PARTITIONS}


class Watched:
    """A worker's checks, its metrics, and a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.metrics = Registry()
        self.checks = EventChecks(STARTS, STARTS, HOLDOUT, self.metrics, lambda: self.now)
        self._offsets = count()

    def read(
        self, unit: str, partition: int, variant: int = 0, ahead_ms: int = -20, source: str = "", topic: str = ""
    ) -> None:
        """A batch of one event."""
        offset = next(self._offsets)
        event = Impression(
            f"e{offset}", NOON + ahead_ms, unit, "home", "s", f"v{offset}", 1, variant, [SlotItem("top", "i")]
        )
        headers = ((SOURCE_HEADER, source.encode()),) if source else ()
        record = Logged(offset, NOON, unit.encode(), msgspec.json.encode(event), headers)
        tp = TopicPartition(topic or IMPRESSIONS.name, partition)
        self.now += 1.0
        self.checks.look_at(Batch(tp, offset, offset + 1, 0, [record]))

    def places(self, topic: str = IMPRESSIONS.name) -> dict[str, float]:
        return {place: self.metrics.value("reshelf_partition_checks_total", topic, place) for place in (RIGHT, WRONG)}

    def sides(self) -> list[float]:
        sides = AS_DRAWN, HOLDOUT_SAW_LEARNED, LEARNED_SAW_HOLDOUT
        return [self.metrics.value("reshelf_holdout_checks_total", side) for side in sides]

    def clock(self, source: str = "", topic: str = IMPRESSIONS.name) -> float:
        return self.metrics.value("reshelf_event_clock_seconds", topic, source)


def test_keys_that_another_partitioner_placed_are_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    watched, units = Watched(), [f"unit-{number}" for number in range(40)]
    for unit in units:
        watched.read(unit, partition_of(unit.encode(), PARTITIONS))
    assert watched.places() == {RIGHT: 40, WRONG: 0}
    with caplog.at_level(logging.ERROR, "reshelf"):
        for unit in units:
            watched.read(unit, crc32(unit.encode()) % PARTITIONS, topic=PURCHASES.name)
    assert watched.places(PURCHASES.name)[WRONG] > 20
    (said,) = caplog.messages
    assert "partitioner=murmur2_random" in said and PURCHASES.name in said


def test_a_large_batch_is_looked_at_in_a_few_places_and_a_broken_record_harms_nothing() -> None:
    watched = Watched()
    broken = Logged(0, NOON, None, b"\xff")
    watched.checks.look_at(Batch(TopicPartition(IMPRESSIONS.name, 0), 0, 5_000, 0, [broken] * 5_000))
    event = msgspec.json.encode({"occurred_at": NOON, "unit": "u", "variant": 0})
    records = [Logged(at, NOON, b"u", event) for at in range(5_000)]
    watched.checks.look_at(Batch(TopicPartition(IMPRESSIONS.name, 0), 0, 5_000, 0, records))
    assert sum(watched.places().values()) == 4
    watched.checks.look_at(Batch(TopicPartition("layout-requests", 0), 0, 1, 0, records[:1]))
    assert sum(watched.places().values()) == 4


def test_a_clock_that_is_ahead_shows_and_is_forgotten_once_it_is_right() -> None:
    watched = Watched()
    for ahead_ms in (-30, 2_000, -10):
        watched.read("u", 0, ahead_ms=ahead_ms, source="web-1")
    watched.read("u", 0, ahead_ms=-240_000, topic=PURCHASES.name)
    watched.now += 1.0
    watched.read("u", 0, ahead_ms=-40, source="web-2")
    assert [watched.clock("web-1"), watched.clock("web-2")] == [2.0, -0.04]
    assert watched.clock(topic=PURCHASES.name) == -240.0
    for _ in range(2):
        watched.now += SPAN_S
        watched.read("u", 0, ahead_ms=-10, source="web-1")
    assert watched.clock("web-1") == -0.01


def test_sources_beyond_the_limit_share_a_line() -> None:
    watched = Watched()
    for number in range(MOST_SOURCES + 5):
        watched.read("u", 0, ahead_ms=number, source=f"web-{number}")
    assert watched.clock(OTHER_SOURCES) == (MOST_SOURCES + 4) / 1000


def test_a_renderer_that_draws_the_holdout_anew_shows_at_once() -> None:
    right, wrong = Watched(), Watched()
    for view in range(400):
        unit = f"unit-{view % 100}"
        right.read(unit, 0, variant=-1 if in_holdout(unit, *HOLDOUT) else view % 16)
        wrong.read(unit, 0, variant=-1 if in_holdout(f"{unit} {view}", *HOLDOUT) else view % 16)
    assert right.sides() == [400, 0, 0]
    assert wrong.sides()[1] > 10 and wrong.sides()[2] > 10
    before = wrong.sides()
    wrong.read("unit-1", 0, variant=-2)
    assert wrong.sides() == before
