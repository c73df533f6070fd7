"""The books after a drill: what Redis and the topics hold against what the log alone says they must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import Message

from policy.attribution.clicks import CreditRule
from policy.attribution.plain import LogEntry, Logs, plain_outcomes
from reshelf.drill.traffic import PAGES
from reshelf.settings import Settings
from schemas import dead_letters
from schemas.codec import decode_key, decoder
from schemas.messages.events import Conversion, Credit
from schemas.messages.layouts import Layout, LayoutLife
from schemas.topic import Topic
from schemas.topics import (
    BY_NAME,
    CLICKS,
    CONVERSIONS,
    CREDITS,
    FOLDED_TOPICS,
    LAYOUT_LIVES,
    LAYOUTS,
    LAYOUTS_HISTORY,
    PURCHASES,
    RETURNS,
    SIGNALS,
)
from streams.catalog.layouts.lives import Lives
from streams.fold.judge import FORGOTTEN, Judge
from streams.fold.plain import PlainFold
from streams.kafka.reader import partitions, reader, to_the_end
from streams.kafka.records import TopicPartition
from streams.settings import KafkaSettings

SHOWN = 5
LAYOUT_TTL_MS = 20_000
"""How long a layout of a drill is good: short enough for its end to be waited for."""


class Logged(NamedTuple):
    """A record as the broker keeps it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class Finding:
    """What was compared, how much is missing, how much is too much, and examples of both."""

    what: str
    compared: int
    lost: int = 0
    double: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not (self.lost or self.double or self.examples)


Log = dict[TopicPartition, list[Logged]]


def read(kafka: KafkaSettings, topics: Sequence[Topic]) -> Log:
    """All committed records of topics."""
    log: Log = {}
    with reader(kafka) as consumer:
        for topic in topics:
            places = partitions(consumer, kafka.prefix + topic.name)
            log |= {TopicPartition(topic.name, place.partition): [] for place in places}
            for message in to_the_end(consumer, places):
                if message.error() is None:
                    log[TopicPartition(topic.name, int(message.partition() or 0))].append(_logged(message))
    return log


def _logged(message: Message) -> Logged:
    headers: Any = message.headers() or ()
    key, value = message.key(), message.value()
    return Logged(int(message.offset() or 0), message.timestamp()[1], key, value, tuple(headers))


def check_acknowledged(log: Log, acknowledged: set[str]) -> Finding:
    """Every event that the broker acknowledged is in the log."""
    logged = {_event_id(record) for records in log.values() for record in records}
    lost = acknowledged - logged
    return Finding("acknowledged events in the log", len(acknowledged), len(lost), 0, sorted(lost)[:SHOWN])


def _event_id(record: Logged) -> str:
    _, marker, rest = (record.value or b"").partition(b'"event_id":"')
    return rest.partition(b'"')[0].decode() if marker else ""


def check_state(rows: list[list[Any]], plain: PlainFold) -> Finding:
    """The state equals the plain fold of the log, row for row."""
    return compare("state against the plain fold", [tuple(row) for row in plain.rows()], [tuple(row) for row in rows])


def fold(log: Log, settings: Settings) -> PlainFold:
    """The plain fold of the log, which takes long."""
    plain, names = PlainFold(settings.fold), {topic.name for topic in FOLDED_TOPICS}
    for tp, records in log.items():
        if tp.topic in names:
            plain.read(tp, records)
    return plain


def compare(what: str, expected: list[tuple[Any, ...]], got: list[tuple[Any, ...]]) -> Finding:
    """Rows of names followed by counts: too little is lost, too much is double."""
    lacking, surplus = sorted(set(expected) - set(got), key=str), sorted(set(got) - set(expected), key=str)
    lacked, held = _sum(lacking), _sum(surplus)
    lost = sum(max(0, lacked[key] - held[key]) for key in lacked.keys() | held.keys())
    double = sum(max(0, held[key] - lacked[key]) for key in lacked.keys() | held.keys())
    examples = [f"expected {row}" for row in lacking[:SHOWN]] + [f"got {row}" for row in surplus[:SHOWN]]
    return Finding(what, len(expected), lost, double, examples)


E = TypeVar("E", Conversion, Credit)
DECIDED = (PURCHASES.name, SIGNALS.name, RETURNS.name)
_NAMES = {"cell": 8, "sale": 7, "delay": 7, "followed": 7, "stage_delay": 7}
_NAMES |= {"bin": 5, "return_bin": 5, "quota": 4, "tally": 4}
"""How many of a row's leading fields are its name."""


def _sum(rows: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter({row[: _NAMES[row[0]]]: int(row[_NAMES[row[0]]]) for row in rows})


def check_conversions(log: Log, settings: Settings, windows: dict[str, int]) -> Finding:
    """Conversions and credits are those of a plain attribution, whatever was published twice."""
    expected: dict[str, Conversion | Credit] = {}
    fold, own = settings.fold, settings.attribution
    rule = CreditRule(windows.__getitem__, own.grace_ms, fold.max_clock_skew_ms, own.stage, own.returns_ms)
    for number in range(settings.kafka.partitions):
        topics = (CLICKS, PURCHASES, SIGNALS, RETURNS)
        logs = Logs(*(_entries(log.get(TopicPartition(topic.name, number), []), topic, settings) for topic in topics))
        outcomes = plain_outcomes(logs, rule, fold.currency, fold.amount_cap, dict.fromkeys(fold.signals, 0))
        expected |= {event.event_id: event for event in outcomes.events}
    published: dict[str, Conversion | Credit] = {**_by_id(log, CONVERSIONS, decoder(Conversion))}
    published.update(_by_id(log, CREDITS, decoder(Credit)))
    lost, double = expected.keys() - published.keys(), published.keys() - expected.keys()
    differ = [key for key in expected.keys() & published.keys() if expected[key] != published[key]]
    examples = [f"lacking {key}" for key in sorted(lost)[:SHOWN]] + [f"surplus {key}" for key in sorted(double)[:SHOWN]]
    examples += [f"differing {key}" for key in sorted(differ)[:SHOWN]]
    return Finding(
        "conversions and credits against a plain attribution", len(expected), len(lost), len(double), examples
    )


def _by_id(log: Log, topic: Topic, decode: Callable[[bytes], E]) -> dict[str, E]:
    """The events of a topic by their ids."""
    values = (record.value for tp in sorted(log) if tp.topic == topic.name for record in log[tp])
    return {(event := decode(value)).event_id: event for value in values if value}


def _entries(records: list[Logged], topic: Topic, settings: Settings) -> list[LogEntry[Any]]:
    """The log as the plain rule takes it: what is invalid or a duplicate only holds its place."""
    judged = Judge(topic, settings.fold).judge(records)
    events = {entry.offset: entry.event for entry in judged.accepted}
    if topic in (PURCHASES, RETURNS):
        events = {at: event for at, event in events.items() if event.currency == settings.fold.currency}
    times = accumulate((record.timestamp for record in records), max)
    forgotten = frozenset(judged.skipped[FORGOTTEN])
    return [
        LogEntry(
            record.offset, time, (record.key or b"").decode(), events.get(record.offset), record.offset in forgotten
        )
        for record, time in zip(records, times, strict=True)
    ]


def check_dead_letters(log: Log, plain: PlainFold, letters: Log, settings: Settings) -> Finding:
    """Each invalid record becomes one dead letter with its reason, and nothing else is; a second one is double."""
    expected = dict(plain.rejected)
    for tp, records in log.items():
        if tp.topic in DECIDED:
            invalid = _invalid(BY_NAME[tp.topic], records, settings)
            expected |= {(*tp, offset): reason for offset, reason in invalid.items()}
    dead_lettered = [
        dead_letters.read(record.headers, record.key, record.value)
        for records in letters.values()
        for record in records
    ]
    reasons = {(letter.topic, letter.partition, letter.offset): letter.reason for letter in dead_lettered}
    lost, double = expected.items() - reasons.items(), reasons.items() - expected.items()
    again = {record: times - 1 for record, times in Counter(map(_named, dead_lettered)).items() if times > 1}
    examples = [f"lacking {letter}" for letter in sorted(lost)[:SHOWN]] + [
        f"surplus {letter}" for letter in sorted(double)[:SHOWN]
    ]
    examples += [f"{times} more of {record}" for record, times in list(again.items())[:SHOWN]]
    surplus = len(double) + sum(again.values())
    return Finding("invalid records in the dead letters", len(expected), len(lost), surplus, examples)


def _named(letter: dead_letters.DeadLetter) -> dead_letters.DeadLetter:
    """What of a dead letter says which record it is of."""
    return replace(letter, reason="", detail="", key=None, value=None, headers=())


def _invalid(topic: Topic, records: list[Logged], settings: Settings) -> dict[int, str]:
    judged, currency = Judge(topic, settings.fold).judge(records), settings.fold.currency
    invalid = {rejection.record.offset: rejection.reason for rejection in judged.rejected}
    others = (entry.offset for entry in judged.accepted if getattr(entry.event, "currency", currency) != currency)
    return invalid | dict.fromkeys(others, "currency")


def check_layouts(log: Log, ends: dict[TopicPartition, int], partitions: int, composed_since: int = 2**53) -> Finding:
    """The newest record of each key has the highest version, and reflects the log to its end.

    So does one that does not change, if its life says that it was composed from counts `composed_since` then.
    """
    decode, newest, highest = decoder(Layout), dict[tuple[str, ...], Layout](), Counter[tuple[str, ...]]()
    for tp, records in log.items():
        for record in records if tp.topic == LAYOUTS.name else ():
            key = decode_key(LAYOUTS, record.key)
            if record.value is not None:
                newest[key] = decode(record.value)
                highest[key] = max(highest[key], newest[key].version)
    back = [f"version of {key} went back" for key, layout in newest.items() if layout.version < highest[key]]
    vouched_for = {life.life for life in _lives(log) if life.expires_at - LAYOUT_TTL_MS >= composed_since}
    behind = [
        f"layout of {key} is behind"
        for key, layout in newest.items()
        if layout.life not in vouched_for and _is_behind(layout, ends, partitions)
    ]
    lacking = [f"no layout for {page} *" for page in PAGES if (page, "*") not in newest]
    return Finding("newest layouts", len(newest), len(behind) + len(lacking), len(back), back + behind + lacking)


def _lives(log: Log) -> list[LayoutLife]:
    """The newest sign of each life."""
    lives = Lives()
    for tp, records in log.items():
        for record in records if tp.topic == LAYOUT_LIVES.name else ():
            lives.take_record(record.key, record.value)
    return lives.all()


def torn_layouts(log: Log, since_ms: int = 0) -> int:
    """Layouts that reached the history and never the renderers, because their producer died in between.

    Those that were appended before `since_ms`, when the topic for renderers was made anew, went with it.
    """
    versions: dict[str, set[tuple[Any, ...]]] = {LAYOUTS.name: set(), LAYOUTS_HISTORY.name: set()}
    for tp, records in log.items():
        since = since_ms if tp.topic == LAYOUTS_HISTORY.name else 0
        values = (record.value for record in records if record.value is not None and record.timestamp >= since)
        versions[tp.topic] |= {(layout.page, layout.segment, layout.version) for layout in map(decoder(Layout), values)}
    return len(versions[LAYOUTS_HISTORY.name] - versions[LAYOUTS.name])


def _is_behind(layout: Layout, ends: dict[TopicPartition, int], partitions: int) -> bool:
    for topic in FOLDED_TOPICS:
        marks = layout.watermarks.get(topic.name, ())
        # One from before partitions were added knows of fewer.
        reached = [*marks, *[0] * (partitions - len(marks))]
        if any(mark < ends.get(TopicPartition(topic.name, number), 0) for number, mark in enumerate(reached)):
            return True
    return False
