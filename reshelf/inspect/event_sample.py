"""The ends of the event topics: what spoils figures without a sign shows in single events.

Keys that another partitioner placed, clocks that are off, and page views on the other side of
the experiment than their unit.  Workers look at some records of each batch in the same way
(`streams.kafka.event_checks`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from confluent_kafka import TopicPartition

from reshelf.inspect.attribution_window import duration
from reshelf.settings import Settings
from reshelf.words.said import say
from schemas.dead_letters import headers_of
from schemas.topic import Topic
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS
from streams.kafka import records
from streams.kafka.bounds import log_bounds
from streams.kafka.event_checks import AS_DRAWN, WRONG, Clocks, EventCheck, Holdout, check_event
from streams.kafka.reader import read_of, reader, to_the_end
from streams.settings import KafkaSettings

SAMPLED = (IMPRESSIONS, CLICKS, PURCHASES, SIGNALS, RETURNS)
MOST = 600
"""Records of a topic that are looked at, the last ones of its partitions."""
NOTICED_AHEAD_MS, NOTICED_BEHIND_MS = 1_000, 60_000
TOLERATED_SHARE = 0.02
"""Of page views on the other side than their unit: around a change of the holdout's share there are some."""
FEWEST = 5


class TopicSample(NamedTuple):
    """What the last records of a topic say.

    `ahead_ms` is for each source the largest event time minus append time, `sides` how many
    page views of each page have which result.
    """

    topic: str
    records: int
    misplaced: int
    ahead_ms: Mapping[str, int]
    sides: Mapping[tuple[str, str], int]

    def other_side(self, page: str) -> tuple[int, int]:
        """Page views of a page on the other side than their unit, and how many were looked at."""
        sides = {side: count for (name, side), count in self.sides.items() if name == page}
        return sum(sides.values()) - sides.get(AS_DRAWN, 0), sum(sides.values())


class Fault(NamedTuple):
    """Something that the sample shows; `about` says of what, `remedy` what to do."""

    about: str
    state: Literal["note", "bad"]
    detail: str
    remedy: str


def sample_events(settings: Settings) -> list[TopicSample]:
    """Look at the ends of the event topics; raises `Transient` without a broker, `BadSettings` without topics."""
    return [sample_of_topic(settings, topic) for topic in SAMPLED]


def sample_of_topic(settings: Settings, topic: Topic) -> TopicSample:
    """Look at the end of an event topic; raises as `sample_events`."""
    bounds = log_bounds(settings.kafka, [topic.name])[topic.name]
    holdout = Holdout.of(settings.layouts)
    last = _last(settings.kafka, topic, bounds)
    return sample_of(topic, (check_event(record, tp, len(bounds), holdout) for tp, record in last))


def last_records(kafka: KafkaSettings, topic: Topic) -> Iterator[records.Record]:
    """The last records of an event topic, some of each partition; raises as `sample_events`."""
    for _, record in _last(kafka, topic, log_bounds(kafka, [topic.name])[topic.name]):
        yield record


def _last(
    kafka: KafkaSettings, topic: Topic, bounds: Sequence[tuple[int, int]]
) -> Iterator[tuple[records.TopicPartition, records.Record]]:
    each = max(1, MOST // len(bounds))
    places = [
        TopicPartition(kafka.prefix + topic.name, partition, max(first, end - each))
        for partition, (first, end) in enumerate(bounds)
        if end > first
    ]
    if not places:
        return
    with reader(kafka) as consumer:
        for message in to_the_end(consumer, places):
            if message.error() is None:
                tp = records.TopicPartition(topic.name, message.partition() or 0)
                yield tp, read_of(message)._replace(headers=headers_of(message))


def sample_of(topic: Topic, checks: Iterable[EventCheck]) -> TopicSample:
    """What records of a topic say together."""
    clocks, sides, seen, misplaced = Clocks(), Counter[tuple[str, str]](), 0, 0
    for check in checks:
        seen += 1
        misplaced += check.place == WRONG
        clocks.note(topic.name, check)
        if check.side:
            sides[check.page, check.side] += 1
    ahead = {source: value for (_, source), value in clocks.ahead_ms().items()}
    return TopicSample(topic.name, seen, misplaced, ahead, sides)


def sample_as_json(sample: TopicSample) -> dict[str, Any]:
    """As JSON has it, without what it says of pages."""
    return {name: getattr(sample, name) for name in ("topic", "records", "misplaced", "ahead_ms")}


def faults(samples: Iterable[TopicSample], settings: Settings) -> Iterator[Fault]:
    """What is not as it should be."""
    for sample in samples:
        if sample.misplaced:
            detail = say("sample.misplaced", misplaced=sample.misplaced, count=sample.records)
            yield Fault(say("sample.partitions", topic=sample.topic), "bad", detail, say("sample.partitioner-next"))
        for source, ahead_ms in sample.ahead_ms.items():
            yield from _clock(sample.topic, source, ahead_ms, settings.fold.max_clock_skew_ms)
        yield from mixed_sides(sample)


def _clock(topic: str, source: str, ahead_ms: int, allowed_ms: int) -> Iterator[Fault]:
    about = say("sample.clock-from", topic=topic, source=source) if source else say("sample.clock", topic=topic)
    if ahead_ms > NOTICED_AHEAD_MS:
        beyond = bool(allowed_ms) and ahead_ms > allowed_ms
        remedy = say("sample.refused" if beyond else "sample.by-log")
        yield Fault(about, "bad" if beyond else "note", say("sample.ahead", time=duration(ahead_ms)), remedy)
    elif ahead_ms < -NOTICED_BEHIND_MS:
        yield Fault(about, "note", say("sample.behind", time=duration(-ahead_ms)), say("sample.late"))


def mixed_sides(sample: TopicSample, page: str | None = None) -> Iterator[Fault]:
    """Whether units are on both sides of the experiment, on one page or on any."""
    for name in sorted({name for name, _ in sample.sides if page in (None, name)}):
        wrong, total = sample.other_side(name)
        if wrong >= FEWEST and wrong > TOLERATED_SHARE * total:
            detail = say("sample.other-side", wrong=wrong, count=total)
            yield Fault(say("sample.holdout", page=name), "bad", detail, say("sample.mixed-remedy"))
