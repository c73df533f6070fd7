"""Conversions decided anew are those of the plain rule, wherever the reading of them begins and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.attribution.plain import Logs as PlainLogs
from policy.attribution.plain import plain_outcomes
from schemas.messages.events import Conversion, Credit
from schemas.topics import CLICKS, CONVERSIONS, PURCHASES, SIGNALS
from streams.attribution.reattribute import ANEW, Reattributed, Rule
from streams.kafka.log_source import Runs, Span
from streams.kafka.records import Logged, Record, TopicPartition
from tests.streams.attribution_world import (
    FOLD,
    PARTITION,
    SETTINGS,
    TOPICS,
    WRITTEN,
    Logs,
    Pages,
    entries,
    expected,
    logs,
)
from tests.streams.attribution_world import RULE as CREDIT

RULE = Rule(SETTINGS, FOLD, Pages())
CONVERSIONS_HERE = TopicPartition(CONVERSIONS.name, PARTITION)
PURCHASES_HERE = TopicPartition(PURCHASES.name, PARTITION)


class Kept:
    """Logs in memory, handed out in runs of some size."""

    grows = False

    def __init__(self, logs: Logs, size: int) -> None:
        self._logs = logs
        self._size = size

    def bounds(self, topics: object) -> dict[TopicPartition, Span]:
        """All logs begin at 0 and end after their last record."""
        ends = {topic.name: [one.record.offset + 1 for one in self._logs.of(topic.name)] for topic in TOPICS}
        return {TopicPartition(topic, PARTITION): (0, max(those, default=0)) for topic, those in ends.items()}

    def at_time(self, topics: object, time_ms: int) -> dict[TopicPartition, int]:
        """Not asked here."""
        raise NotImplementedError

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        """Runs of one partition."""
        for tp, (first, end) in spans.items():
            records = [one.record for one in self._logs.of(tp.topic) if first <= one.record.offset < end]
            some = [Logged(one.offset, one.timestamp, one.key, one.value) for one in records]
            for at in range(0, len(some), self._size):
                yield tp, some[at : at + self._size]


def decided(source: Reattributed) -> list[Record]:
    """All conversions, then all credits of the partition."""
    spans = source.bounds(sorted(ANEW))
    in_turn = [{tp: spans[tp]} for topic in WRITTEN for tp in spans if tp.topic == topic]
    return [one for spans in in_turn for _, run in source.records(spans) for one in run]


def events(records: list[Record]) -> list[Conversion | Credit]:
    """Their contents."""
    contents: list[Conversion | Credit] = []
    for value in (record.value or b"" for record in records):
        message: Any = Credit if b'"kind":' in value else Conversion
        contents.append(msgspec.json.decode(value, type=message))
    return contents


@settings(max_examples=30)
@given(logs(), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_they_are_those_of_the_plain_rule_and_a_part_is_that_part(log: Logs, size: int, first: int, more: int) -> None:
    kept = Kept(log, size)
    source = Reattributed(kept, RULE, kept.bounds(()))
    found = decided(source)
    assert events(found) == expected(log)[0]
    conversions = sum(isinstance(event, Conversion) for event in events(found))
    assert [one.offset for one in found] == [*range(conversions), *range(len(found) - conversions)]
    assert all(one.key == event.unit.encode() for one, event in zip(found, events(found), strict=True))
    part = source.records({CONVERSIONS_HERE: (first, first + more)})
    assert [one for _, run in part for one in run] == found[:conversions][first : first + more]


@settings(max_examples=15)
@given(logs(), st.integers(1, 9), st.integers(0, 40), st.integers(0, 40))
def test_purchases_outside_the_span_are_not_decided(log: Logs, size: int, first: int, more: int) -> None:
    kept = Kept(log, size)
    end = kept.bounds(())[PURCHASES_HERE][1]
    span = min(first, end), min(first + more, end)
    source = Reattributed(kept, RULE, {PURCHASES_HERE: span})
    clicks, signals = (entries(log.of(topic.name), topic)[0] for topic in (CLICKS, SIGNALS))
    purchases = [one for one in entries(log.purchases, PURCHASES)[0] if span[0] <= one.offset < span[1]]
    plain = plain_outcomes(PlainLogs(clicks, purchases, signals), CREDIT).conversions
    # Clocks of brokers step back here: what was appended before the span is not known to one that begins there.
    mine = {one.event_id for one in events(decided(source)) if isinstance(one, Conversion)}
    assert mine <= {f"{one.message.event_id}/{at}" for one in purchases if one.message for at in range(9)}
    if span[0] == 0:
        assert mine == {one.event_id for one in plain}
