"""What a shop may expect of its money: orders that are reported again count once, and what goes back is taken off."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from policy.attribution.plain import LogEntry, Logs, plain_outcomes
from schemas.messages.events import Click, Conversion, Credit, Purchase, PurchaseLine, Return, ReturnLine
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, PURCHASES, RETURNS, SIGNALS
from streams.attribution.core import PartitionAttribution
from streams.attribution.step import Remembered, credit_rule
from streams.attribution.windows import PageWindows
from streams.fold.judge import Judge
from streams.fold.plain import PlainFold
from streams.kafka.records import Batch, TopicPartition
from streams.replay.run import replay
from streams.settings import AttributionSettings, FoldSettings
from streams.state import export, manifest
from streams.state.clicks.folder import ClickFolder
from streams.state.clicks.progress import Position
from streams.state.store import Store
from streams.state.watermark import Watermark
from tests.streams.logs import LoggedRecord
from tests.streams.test_replay import Memory

BEGIN_MS = 1_790_000_000_000
FOLD, RULES = FoldSettings(), AttributionSettings()
WINDOWS = PageWindows(RULES.window_ms)
IN_ORDER = (CLICKS, PURCHASES, SIGNALS, RETURNS)
REVENUE, RETURNED = ("sale", 8), ("followed", 10)
"""Kinds of rows of the state, and where they have the sums of money."""
UNITS, ITEMS = ("u1", "u2", "ü3"), ("i1", "i2", "i3", "i4")

Records = dict[Topic, list[LoggedRecord]]
Line = tuple[str, str, int]
"""Order, item and number of a line."""


class Shop(NamedTuple):
    """What a shop sent, in the order of the log: clicks, reports of orders, and reports of what went back."""

    clicks: list[Click]
    orders: list[Purchase]
    returns: list[Return]

    @property
    def records(self) -> Records:
        """The records of one partition of each topic; each log is appended after the one before."""
        logs, at = Records(), BEGIN_MS
        sent: list[tuple[Topic, Sequence[Any]]] = [
            (CLICKS, self.clicks),
            (PURCHASES, self.orders),
            (RETURNS, self.returns),
        ]
        for topic, events in sent:
            logs[topic] = [
                LoggedRecord(offset, at := at + 10, event.unit.encode(), msgspec.json.encode(event))
                for offset, event in enumerate(events)
            ]
            at += 3 * RULES.grace_ms
        return logs | {SIGNALS: []}

    @property
    def credited(self) -> dict[Line, int]:
        """The amount of each line whose item its unit has clicked, from the longest report of each order."""
        clicked, amounts = {(click.unit, click.item) for click in self.clicks}, dict[Line, int]()
        for order in sorted(self.orders, key=lambda order: len(order.lines)):
            times = Counter[str]()
            for line in order.lines:
                times[line.item] += 1
                if (order.unit, line.item) in clicked:
                    amounts[order.order_id, line.item, times[line.item]] = line.amount
        return amounts


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    """Orders that are reported four times each and once with a line more, in any order; every third went back."""
    pairs = draw(st.sets(st.tuples(st.sampled_from(UNITS), st.sampled_from(ITEMS)), min_size=1))
    clicks = [
        Click(f"c{at}", BEGIN_MS, unit, "home", "s", "top", item, f"v{at}", 1, draw(st.integers(-1, 2)))
        for at, (unit, item) in enumerate(sorted(pairs))
    ]
    line = st.builds(PurchaseLine, st.sampled_from(ITEMS), st.just(1), st.integers(0, 5_000))
    reports, returns = list[Purchase](), list[Return]()
    for number in range(draw(st.integers(1, 6))):
        unit, lines = draw(st.sampled_from(UNITS)), draw(st.lists(line, min_size=1, max_size=4))
        order = Purchase(f"p{number}", BEGIN_MS + 500, unit, f"o{number}", "EUR", lines)
        reports += [msgspec.structs.replace(order, event_id=f"p{number}-{again}") for again in range(4)]
        reports.append(msgspec.structs.replace(order, event_id=f"p{number}-amended", lines=[*lines, draw(line)]))
        if number % 3 == 0:
            returns += draw(_returns_of(order))
    return Shop(clicks, draw(st.permutations(reports)), draw(st.permutations(returns)))


@st.composite
def _returns_of(draw: st.DrawFn, order: Purchase) -> list[Return]:
    """All lines of an order, of which a part or all was paid back, reported three times."""
    times, lines = Counter[str](), []
    for line in order.lines:
        times[line.item] += 1
        back = draw(st.integers(0, line.amount))
        lines.append(ReturnLine(line.item, 1, back, times[line.item]))
    at, number = BEGIN_MS + 1_000, f"r-{order.order_id}"
    return [Return(f"{number}-{again}", at, order.unit, number, order.order_id, "EUR", lines) for again in range(3)]


def by_the_rule(records: Records, kinds: Mapping[str, int] | None = None) -> list[Conversion | Credit]:
    """What comes of the logs by the plain rule."""
    logs = Logs(*(_entries(topic, records[topic]) for topic in IN_ORDER))
    return plain_outcomes(logs, credit_rule(RULES, FOLD, WINDOWS), FOLD.currency, FOLD.amount_cap, kinds).events


def _entries(topic: Topic, records: Sequence[LoggedRecord]) -> list[LogEntry[Any]]:
    events = {entry.offset: entry.event for entry in Judge(topic, FOLD).judge(records).accepted}
    return [
        LogEntry(record.offset, record.timestamp, (record.key or b"").decode(), events.get(record.offset))
        for record in records
    ]


def by_a_worker(records: Records, size: int, kinds: Mapping[str, int] | None = None) -> list[Conversion | Credit]:
    """What a worker decides that reads so many records of a topic at a time."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        locked = ClickFolder(RULES.changed(folder=folder, memory_mb=16)).open("law", 0)
        try:
            remembered = Remembered.nothing(locked.store, IN_ORDER)
            applied = Position(Watermark(0), Watermark(0))
            core = PartitionAttribution(RULES, FOLD, WINDOWS, remembered, applied, kinds)
            return _decided(core, records, size)
        finally:
            locked.close()


def _decided(core: PartitionAttribution, records: Records, size: int) -> list[Conversion | Credit]:
    events: list[Conversion | Credit] = []
    for start in range(0, max(map(len, records.values())) + size, size):
        for topic, log in records.items():
            if some := log[start : start + size]:
                core.feed(Batch(TopicPartition(topic.name, 0), start, start + len(some), 0, some))
            elif start >= len(log):
                core.tracks[topic.name].ended(len(log), 2 * BEGIN_MS)
        while (step := core.decide()).records:
            events += [decision.event for decision in step.decisions]
            core.write(0)
    return events


def money_in_the_state(redis_url: str, events: Sequence[Conversion | Credit]) -> Counter[tuple[str, int]]:
    """The sums of revenue and of what was returned, in Redis, which is what the plain fold has."""
    log = {
        TopicPartition(topic.name, 0): [
            LoggedRecord(offset, BEGIN_MS + 10**6, event.unit.encode(), msgspec.json.encode(event))
            for offset, event in enumerate(event for event in events if isinstance(event, topic.message or object))
        ]
        for topic in (CONVERSIONS, CREDITS)
    }
    plain = PlainFold(FOLD)
    for tp, records in log.items():
        plain.read(tp, records)
    rows = asyncio.run(_rows(redis_url, log))
    assert rows == [list(row) for row in plain.rows()]
    return Counter({each: sum(row[each[1]] for row in rows if row[0] == each[0]) for each in (REVENUE, RETURNED)})


async def _rows(redis_url: str, log: Mapping[TopicPartition, list[LoggedRecord]]) -> list[list[Any]]:
    source = Memory(dict(log))
    ends = {tp: end for tp, (_, end) in source.bounds(()).items()}
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
        starts = {topic.name: [0] for topic in (CONVERSIONS, CREDITS, SIGNALS)}
        made = await manifest.agree(client, manifest.manifest_of("n", "", starts, 3, FOLD))
        await replay(source, Store(client, "n", 3), made, ends, FOLD)
        return await export.rows(Store(client, "n", 3), made)


@given(shops(), st.integers(1, 9))
@settings(max_examples=40)
def test_an_order_that_is_reported_again_and_amended_gives_one_conversion_a_line(shop: Shop, size: int) -> None:
    decided = by_the_rule(shop.records)
    conversions = [event for event in decided if isinstance(event, Conversion)]
    lines = [(event.order_id, event.bought or event.item, event.nth) for event in conversions]
    assert len(set(lines)) == len(lines)
    assert dict(zip(lines, (event.amount for event in conversions), strict=True)) == shop.credited
    by_id = {event.event_id: event for event in by_a_worker(shop.records, size)}
    assert by_id == {event.event_id: event for event in decided}


@given(shops(), st.integers(1, 9))
@settings(max_examples=25)
def test_with_a_third_of_all_orders_returned_the_state_has_the_net_revenue(
    redis_url: str, shop: Shop, size: int
) -> None:
    credited, back = shop.credited, dict[Line, int]()
    for returned in shop.returns:
        back |= {(returned.order_id, line.item, line.nth): line.amount for line in returned.lines}
    net = sum(amount - back.get(line, 0) for line, amount in credited.items())
    for events in (by_the_rule(shop.records), by_a_worker(shop.records, size)):
        money = money_in_the_state(redis_url, events)
        assert money[REVENUE] == sum(credited.values())
        assert money[REVENUE] - money[RETURNED] == net
