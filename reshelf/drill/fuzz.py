"""Records that mean harm, through decoding, rules, fold and attribution: each has to be accounted for.

Valid events are damaged in every way that producers, networks and people
manage; some are left whole but name ever new things, to flood the state.
"""

from __future__ import annotations

import random
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from reshelf.drill.verify import Logged
from schemas.messages.events import (
    Click,
    Conversion,
    Credit,
    Impression,
    Purchase,
    PurchaseLine,
    Return,
    ReturnLine,
    Signal,
    SlotItem,
)
from schemas.topic import Topic
from schemas.topics import CLICKS, CREDITS, FOLDED_TOPICS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS
from streams.attribution.core import PartitionAttribution
from streams.attribution.step import Remembered
from streams.attribution.windows import PageWindows
from streams.fold.deltas import Folder
from streams.fold.judge import SKIPPED
from streams.fold.measures import CELLS
from streams.kafka.records import Batch, TopicPartition
from streams.settings import HOUR_MS, AttributionSettings, FoldSettings, RedisSettings
from streams.state.clicks.folder import ClickFolder
from streams.state.clicks.progress import READ, Position
from streams.state.clicks.store import ClickStore
from streams.state.connection.client import redis_client
from streams.state.keys import group_of
from streams.state.partition import PartitionFold
from streams.state.store import Store
from streams.state.watermark import Watermark

BATCH = 2_000
GROUPS = 16
BEGIN_MS = 1_790_000_000_000
DECIDED = (PURCHASES, SIGNALS, RETURNS)
DEEP = 3_000
LONG = 100_000

Value = bytes | None
Damage = Callable[[random.Random, bytes], Value]


@dataclass(slots=True)
class Account:
    """What became of the records; `names` are the distinct names that the quotas let in, by topic."""

    read: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    clicks_kept: int = 0
    grown_mb: float = 0.0

    @property
    def equal(self) -> bool:
        """Whether each record that was read got exactly one verdict."""
        return self.read == self.verdicts.total()

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        counts = {name: dict(getattr(self, name)) for name in ("verdicts", "names", "cells")}
        rest = {"read": self.read, "clicks_kept": self.clicks_kept, "grown_mb": self.grown_mb, "equal": self.equal}
        return {**rest, **counts}


def check_hostile_records(records: int, seed: int, settings: FoldSettings) -> Account:
    """Send `records` damaged records through each step that a worker takes before Redis."""
    account, chance = Account(), random.Random(seed)
    before = _resident_mb()
    topics = (*FOLDED_TOPICS, *DECIDED)
    shares = {topic: records // len(topics) + (number < records % len(topics)) for number, topic in enumerate(topics)}
    for topic in FOLDED_TOPICS:
        _one_topic(topic, shares[topic], chance, settings, account)
    _attributed({topic: shares[topic] for topic in DECIDED}, chance, settings, account)
    account.grown_mb = round(_resident_mb() - before, 1)
    return account


def _one_topic(topic: Topic, records: int, chance: random.Random, settings: FoldSettings, account: Account) -> None:
    async def nobody(*_: object) -> None:
        """Nothing becomes a dead letter here, and Redis is never asked."""

    marks = [Watermark(0)] * GROUPS
    store = Store(redis_client(RedisSettings()), "hostile", GROUPS)
    partition = PartitionFold(TopicPartition(topic.name, 0), store, 0, marks, settings, nobody)
    folder = Folder(topic, settings, lambda page, segment: group_of(page, segment, GROUPS))
    log = damaged(topic, records, chance)
    for start in range(0, records, BATCH):
        some = list(islice(log, BATCH))
        prepared = partition.prepare(Batch(partition.tp, start, start + len(some), 0, some))
        account.read += len(some)
        account.verdicts.update(prepared.tally(0))
        account.names[topic.name] += len(prepared.names)
        for delta in folder.fold(prepared.judged.accepted).values():
            account.cells[topic.name] += sum(
                len(cells)
                for table in delta.tables.values()
                for name, cells in table.amounts.items()
                if name in CELLS.names
            )


def _attributed(shares: dict[Topic, int], chance: random.Random, settings: FoldSettings, account: Account) -> None:
    """What attribution decides, with as many clicks before it."""
    with TemporaryDirectory(prefix="reshelf-clicks-") as path:
        locked = ClickFolder(AttributionSettings(folder=path)).open("hostile", 0)
        try:
            _attribute(shares, chance, settings, account, locked.store)
            account.clicks_kept = len(locked.store)
        finally:
            locked.close()


def _attribute(
    shares: dict[Topic, int], chance: random.Random, settings: FoldSettings, account: Account, store: ClickStore
) -> None:
    rules, windows = AttributionSettings(), PageWindows(HOUR_MS)
    applied, kinds = Position(Watermark(0), Watermark(0)), dict.fromkeys(settings.signals, 0)
    attribution = PartitionAttribution(rules, settings, windows, Remembered.nothing(store, READ), applied, kinds)
    sizes = {CLICKS: max(shares.values()), **shares}
    logs = {topic: damaged(topic, size, chance) for topic, size in sizes.items()}
    for start in range(0, sizes[CLICKS], BATCH):
        for topic, log in logs.items():
            some = list(islice(log, BATCH))
            attribution.feed(Batch(TopicPartition(topic.name, 0), start, start + len(some), 0, some))
            account.read += len(some) if topic in shares else 0
        _decide(attribution, account)
    for name, track in attribution.tracks.items():
        size = next(size for topic, size in sizes.items() if topic.name == name)
        track.ended(size, BEGIN_MS + sizes[CLICKS] + 3 * rules.grace_ms)
    _decide(attribution, account)


def _decide(attribution: PartitionAttribution, account: Account) -> None:
    """Records are counted by their verdicts, under the name of their topic but for purchases."""
    while (step := attribution.decide()).records:
        for name, number in step.counts.items():
            verdict = name.rpartition(" ")[2].removeprefix("invalid_")
            if verdict in ("applied", *SKIPPED) or "invalid_" in name:
                account.verdicts[verdict] += number
        attribution.write(0)


def damaged(topic: Topic, records: int, chance: random.Random) -> Iterator[Logged]:
    """Records with offsets from 0; a tenth is whole, another tenth whole but full of new names."""
    for offset in range(records):
        unit = f"unit-{chance.randrange(1_000)}"
        dice = chance.random()
        names = str(offset) if dice < 0.1 else str(chance.randrange(50))
        event = _event(topic, chance, unit, f"e-{offset if chance.random() < 0.95 else offset // 2}", names)
        value: Value = msgspec.json.encode(event)
        key: Value = unit.encode()
        if dice > 0.2:
            value = chance.choice(DAMAGES)(chance, value or b"")
            key = chance.choice((key, key, key, None, b"", b"\xff\xfe", b"another"))
        yield Logged(offset, BEGIN_MS + offset, key, value, ())


def _event(topic: Topic, chance: random.Random, unit: str, event_id: str, names: str) -> msgspec.Struct:
    at = BEGIN_MS - chance.randrange(1_000)
    page, segment, item = f"page-{chance.randrange(3)}", f"segment-{names}", f"item-{names}"
    shelf = f"shelf-{int(names) % 7}" if chance.random() < 0.3 else ""
    if topic is IMPRESSIONS:
        slots = [SlotItem(f"slot-{place}", f"{item}-{place}", row="first" if shelf else "") for place in range(3)]
        return Impression(event_id, at, unit, page, segment, event_id, 1, 0, slots, {"first": shelf} if shelf else {})
    if topic is PURCHASES:
        return Purchase(event_id, at, unit, event_id, "EUR", [PurchaseLine(f"item-{chance.randrange(50)}", 1, 100)])
    if topic is CLICKS:
        return Click(event_id, at, unit, page, segment, "slot-1", item, event_id, 1, 0, shelf=shelf)
    if topic is SIGNALS:
        kind = chance.choice(("view", "add-to-cart", "undeclared-kind"))
        return Signal(event_id, at, unit, kind, f"item-{chance.randrange(50)}")
    if topic is RETURNS:
        order, line = f"e-{chance.randrange(1_000)}", ReturnLine(f"item-{chance.randrange(50)}", 1, 100)
        return Return(event_id, at, unit, event_id, order, "EUR", [line])
    if topic is CREDITS:
        kind = chance.choice(("view", "return", "undeclared-kind"))
        place = page, segment, "slot-1", item, 1, 0
        return Credit(event_id, at, unit, kind, "source", "click", at, 0, *place, "EUR", shelf=shelf)
    place = page, segment, "slot-1", item, 1, 0
    return Conversion(event_id, at, unit, "order", "purchase", 0, "click", at, 0, *place, 1, 100, "EUR", shelf=shelf)


def _flip(chance: random.Random, value: bytes) -> Value:
    broken = bytearray(value)
    for _ in range(chance.randint(1, 4)):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def _insert(chance: random.Random, value: bytes) -> Value:
    at = chance.randrange(len(value))
    return value[:at] + chance.randbytes(chance.randint(1, 8)) + value[at:]


def _swap(chance: random.Random, value: bytes) -> Value:
    """Put another kind of value in place of one that is there."""
    fields = value.split(b",")
    at = chance.randrange(len(fields))
    name, colon, _ = fields[at].rpartition(b":")
    fields[at] = name + colon + chance.choice(STRANGE)
    return b",".join(fields)


def _nest(chance: random.Random, value: bytes) -> Value:
    mark = chance.choice((b"[", b'{"a":'))
    return value[:-1] + b',"extra":' + mark * DEEP + b"1" + (b"]" if mark == b"[" else b"}") * DEEP + b"}"


STRANGE = (
    b"null", b"true", b"[]", b"{}", b'""', b"-1", b"1e400", b"NaN", b"1.5", b"0.1e-400", b"18446744073709551616",
    b"9223372036854775807", b"-9223372036854775808", b"9" * 400, b'"' + b"x" * 5_000 + b'"', b'"\\ud800"',
    b'"\\u0000"', b'"\xff\xfe"', b'"' + "\u202e".encode() + b'"', b"1" + b"0" * 18, b"0",
)  # fmt: skip

DAMAGES: tuple[Damage, ...] = (
    _flip,
    _flip,
    _insert,
    _swap,
    _swap,
    _swap,
    _nest,
    lambda chance, value: value[: chance.randrange(len(value))],
    lambda chance, value: chance.randbytes(chance.randrange(200)),
    lambda chance, value: value[:-1] + b',"unknown":{"a":[1,2,3]}}',
    lambda chance, value: value[:-1] + b',"pad":"' + b"x" * chance.randrange(LONG) + b'"}',
    lambda chance, value: value + value,
    lambda chance, value: b"",
    lambda chance, value: None,
    lambda chance, value: value.replace(b"unit-", b"unit\xc3("),
)
"""Ways to break a valid event."""


def _resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
