"""What is published of visitors' segments is the rule applied to the sample, whatever came in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policy.segments.rule import UNASSIGNED, choose_segment
from schemas.codec import encode
from schemas.errors import StateAttention
from schemas.messages.events import Click
from schemas.messages.segments import SegmentModel, UnitSegment
from schemas.topics import CLICKS, UNIT_SEGMENTS
from streams.catalog.segments.model_view import SegmentModelView
from streams.fitter.segments import unit_publisher
from streams.fitter.segments.reader import UnitReader
from streams.fitter.segments.sample import MOST_EVENTS, SPAN_MS, Seen, UnitSample
from streams.fitter.segments.unit_publisher import UnitPublisher
from streams.kafka.producer import OutgoingRecord
from streams.metrics import Registry
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings, KafkaSettings

KAFKA = KafkaSettings()
NOW = 1_700_000_000_000
UNITS, ITEMS = ("u1", "u2", "u3", "u4", "u5", "u6"), ("a", "b", "c")
SETTINGS = SegmentSettings.model_construct(learned=True, publish_units=True, attributes=("device",), sample_units=4)
"""With a smaller sample than may be set."""
FIRST = SegmentModel(
    version=1, generation=1, published_at=NOW, names=["t01", "t02"], starts=[0, 0], parts=0, margin=9,
    attribute="device", values={"phone": [0, 12], "other": [0, 0]},
)  # fmt: skip
MODELS = [
    (FIRST, {"a": [10, 0], "b": [0, 11]}),
    (msgspec.structs.replace(FIRST, version=2), {"a": [10, 0], "c": [3, 14]}),
    (msgspec.structs.replace(FIRST, version=3, generation=2, names=["t03", "t04"]), {"b": [0, 11], "c": [2, 0]}),
    (SegmentModel(4, 3, NOW, [], [], 0), {}),
]


class Logged:
    """A record of clicks as a consumer has it."""

    def __init__(self, offset: int, unit: str, at: int, value: bytes | None) -> None:
        self._offset, self._unit, self._at, self._value = offset, unit, at, value

    def topic(self) -> str:
        return KAFKA.prefix + CLICKS.name

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 2, self._at

    def key(self) -> bytes:
        return self._unit.encode()

    def value(self) -> bytes | None:
        return self._value


class Topic:
    """The topic as it was published to; `refuses` says that the next records are not taken."""

    def __init__(self) -> None:
        self.segments: dict[str, str] = {}
        self.written = 0
        self.refuses = False

    async def publish(self, records: Iterable[OutgoingRecord]) -> list[tuple[int, int]]:
        """Takes half of what it refuses, as a broker may."""
        outgoing = list(records)
        for record in outgoing[: len(outgoing) // 2 if self.refuses else None]:
            unit, self.written = (record.key or b"").decode(), self.written + 1
            assert record.topic == UNIT_SEGMENTS.name
            if record.value is None:
                assert self.segments.pop(unit, None) or self.refuses, "nothing is taken back twice"
            else:
                self.segments[unit] = msgspec.json.decode(record.value, type=UnitSegment).segment
        if self.refuses and outgoing:
            raise StateAttention("no")
        return [(0, 0)] * len(outgoing)


class Shop:
    """A fitter's reader and publisher, and what visitors do."""

    def __init__(self) -> None:
        self.topic, self.model = Topic(), SegmentModelView()
        self.at, self.offset, self.owned = NOW, 0, True
        self.restart()

    def restart(self) -> None:
        """Another process, which reads nothing back of the log."""
        self.reader = UnitReader(KAFKA, FoldSettings(), SETTINGS)
        self.reader.caught_up = True
        self.take_over()

    def take_over(self) -> None:
        """Another publisher of the same sample."""
        own: Any = self.topic
        self.publisher = UnitPublisher(KAFKA, self.model, self.reader, own, Registry())
        self.publisher.owns = lambda: self.owned

    def take(self, unit: str, value: bytes | None) -> None:
        self.offset += 1
        message: Any = Logged(self.offset, unit, self.at, value)
        self.reader.count([message])

    def click(self, unit: str, item: str, context: Mapping[str, str]) -> None:
        name = f"e{self.offset}"
        self.take(unit, encode(Click(name, self.at, unit, "p", "*", "s", item, name, 1, 0, context=dict(context))))

    async def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("click", unit, item, context):
                self.click(unit, item, context)
            case ("forget", unit):
                self.take(unit, None)
            case ("later", share):
                self.at += int(share * SPAN_MS)
                self.reader.looked_at()
            case ("model", number):
                self.model.current = MODELS[number]
            case ("restart",):
                self.restart()
            case ("read anew",):
                self.reader.begin()
            case ("owned", owned):
                self.owned = owned
            case ("lost", unit):
                self.topic.segments.pop(unit, None)
                self.restart()
            case _:
                self.topic.refuses = step == ("refused",)
                await self.publish()
                self.topic.refuses = False

    async def publish(self) -> bool:
        return await self.publisher.publish_once()


contexts = st.sampled_from([{}, {}, {"device": "phone"}, {"consent": "no"}, {"consent": "yes"}])
units = st.sampled_from(UNITS)
steps = st.one_of(
    st.tuples(st.just("click"), units, st.sampled_from(ITEMS), contexts),
    st.tuples(st.just("click"), units, st.sampled_from(ITEMS), contexts),
    st.just(("publish",)),
    st.just(("publish",)),
    st.tuples(st.just("model"), st.integers(0, len(MODELS) - 1)),
    st.tuples(st.just("forget"), units),
    st.tuples(st.just("later"), st.sampled_from([0.4, 1.1])),
    st.tuples(st.just("owned"), st.booleans()),
    st.tuples(st.sampled_from(["restart", "read anew", "refused"])),
    st.tuples(st.just("lost"), units),
)
Step = tuple[Any, ...]
CLICK: Step = ("click", "u1", "a", {})
OTHER: Step = ("click", "u1", "c", {})
LAST: Step = ("click", "u2", "a", {})


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, max_size=25))
@example([("model", 0), CLICK, ("publish",), ("click", "u1", "b", {}), ("publish",)])
@example([("model", 0), CLICK, ("publish",), ("click", "u1", "a", {"consent": "no"})])
@example([("model", 0), CLICK, ("publish",), ("owned", False), ("forget", "u1"), ("publish",)])
@example([("model", 0), CLICK, ("publish",), ("later", 1.1), ("click", "u2", "b", {}), ("later", 0.0)])
@example([("model", 0), CLICK, ("publish",), ("read anew",)])
@example([("model", 0), CLICK, ("later", 0.6), OTHER, ("publish",), ("later", 0.6), LAST, ("later", 0.0)])
@example([("model", 0), *(("click", unit, "a", {}) for unit in UNITS[:4]), ("publish",), ("click", "u5", "a", {})])
def test_what_is_published_is_the_rule_applied_to_the_sample(does: list[Step]) -> None:
    async def run() -> None:
        shop = Shop()
        with patch.object(unit_publisher, "unit_segments", lambda kafka: dict(shop.topic.segments)):
            for step in does:
                await shop.do(step)
            shop.owned = True
            assert await shop.publish()
            check(shop)
            written = shop.topic.written
            await shop.publish()
            shop.take_over()
            await shop.publish()
            assert shop.topic.written == written, "nothing is published twice"

    asyncio.run(run())


def check(shop: Shop) -> None:
    """Who is learned from has the segment of the rule, the current one within the margin; nobody else has any."""
    evidence = shop.reader.evidence(UNITS)
    assert evidence is not None
    for unit, own in evidence.items():
        published = shop.topic.segments.get(unit, UNASSIGNED)
        if own is None:
            assert published == UNASSIGNED
        elif shop.model.current is not None:
            about, points = shop.model.current
            value = own.values["device"]
            assert published == choose_segment(about, points, own.items, published, value)
            if published == UNASSIGNED:
                assert not any(item in points for item in own.items)


def test_robots_have_no_segment_and_visitors_beyond_the_limit_are_counted() -> None:
    touched: list[Any] = []
    sample = UnitSample(2, (), touched.append)
    for number in range(MOST_EVENTS + 1):
        assert sample.evidence("u1") is not None or number == 0
        sample.see(Seen("u1", f"i{number % 20}", NOW, {}))
    assert sample.evidence("u1") is None
    touched.clear()
    for number in range(64):
        sample.see(Seen(f"v{number}", "a", NOW, {}))
    size = len(sample)
    assert size + sample.left_out().beyond_limit == size / sample.share.size
    assert {"u1"} | {f"v{number}" for number in range(64)} >= {*sample.units(), *touched}
    assert not {*sample.units()} - {*touched, "u1"}
