"""A world for the laws of attribution: logs that grow with a clock, workers, and faults at every command."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st
from redis.asyncio import Redis

from policy.attribution.clicks import CreditRule
from policy.attribution.plain import LogEntry, plain_outcomes
from policy.attribution.plain import Logs as PlainLogs
from schemas import dead_letters
from schemas.errors import Transient
from schemas.messages.events import Click, Conversion, Credit, Purchase, PurchaseLine, Return, ReturnLine, Signal
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, PURCHASES, RETURNS, SIGNALS
from streams.attribution.published import Standing
from streams.attribution.step import Decision
from streams.attribution.worker import Behind, PartitionWorker
from streams.dead_letters import DeadLetterWriter, LetterCollector, WrittenLetters
from streams.fold.judge import FORGOTTEN, Judge
from streams.kafka.producer import OutgoingRecord
from streams.kafka.records import Batch, TopicPartition
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.folder import ClickFolder, LockedStore
from streams.state.clicks.progress import Progress, Starts
from streams.state.keys import home_group
from tests.streams.choices import Choices
from tests.streams.logs import LoggedRecord

GROUPS, PARTITION, SKEW_MS = 3, 1, 30
TP = TopicPartition(PURCHASES.name, PARTITION)
TOPICS = (CLICKS, PURCHASES, SIGNALS, RETURNS)
DECIDED = (PURCHASES.name, SIGNALS.name, RETURNS.name)
WRITTEN = (CONVERSIONS.name, CREDITS.name)
FOLD = FoldSettings(allowed_lateness_ms=300, max_clock_skew_ms=100, duplicate_window_ms=150)
SETTINGS = AttributionSettings(grace_ms=50, window_ms=200, clock_skew_ms=SKEW_MS, returns_ms=700)
HOME = home_group(TP, GROUPS)


class Pages:
    """Attribution windows of pages."""

    def of(self, page: str) -> int:
        return {"home": 400}.get(page, 150)

    def longest(self) -> int:
        return 400


RULE = CreditRule(Pages().of, SETTINGS.grace_ms, FOLD.max_clock_skew_ms, SETTINGS.stage, SETTINGS.returns_ms)


class Appended(NamedTuple):
    """A record and the true time of its appending; its stamp is of a broker whose clock may be behind."""

    record: LoggedRecord
    at: int


class Logs(NamedTuple):
    clicks: list[Appended]
    purchases: list[Appended]
    signals: Sequence[Appended] = ()
    returns: Sequence[Appended] = ()

    def of(self, topic: str) -> Sequence[Appended]:
        return self[[each.name for each in TOPICS].index(topic)]


CHOICES = 21
"""Bytes that the choices for any record need at most."""
_units = ["u1", "u2", "ü3", "u4"]
_items = ["i1", "i2"]
_families = ["", "", "f"]


def _click(chosen: Choices, stamp: int) -> tuple[str, Any]:
    among = chosen.among
    unit, occurred = among(_units), max(0, stamp - among([0, 0, 20, 90, 350, -50, -200]))
    event_id, view = f"c{among(range(31))}", f"v{among(range(10))}"
    page, item, slot = among(["home", "other"]), among(_items), among(["top", "left"])
    variant, family = among([0, 1, 2, -1, -2]), among(_families)
    shelf = among(["", "", "new", "sale"])
    return unit, Click(event_id, occurred, unit, page, "s", slot, item, view, 3, variant, family, shelf)


def _purchase(chosen: Choices, stamp: int) -> tuple[str, Any]:
    among = chosen.among
    unit, occurred = among(_units), max(0, stamp - among([0, 0, 0, 0, 30, 30, 50, -50, -80, 120, 350, -200]))
    currency, event_id = among(["EUR"] * 15 + ["USD"]), f"p{among(range(21))}"
    lines = [PurchaseLine(among(_items), 1, among(range(100)), among(_families)) for _ in range(among(range(1, 4)))]
    return unit, Purchase(event_id, occurred, unit, f"o{occurred // 100}", currency, lines)


def _signal(chosen: Choices, stamp: int) -> tuple[str, Any]:
    among = chosen.among
    unit, occurred = among(_units), max(0, stamp - among([0, 0, 0, 30, 90, 350, -50, -200]))
    kind, event_id = among(["add-to-cart", "add-to-cart", "view", "unheard-of"]), f"s{among(range(41))}"
    return unit, Signal(event_id, occurred, unit, kind, among(_items), among(_families))


def _return(chosen: Choices, stamp: int) -> tuple[str, Any]:
    among = chosen.among
    unit, order = among(_units), f"o{max(0, stamp - among(range(-100, 400, 2))) // 100}"
    numbers, currency = (among(range(16)), among(range(16))), among(["EUR"] * 9 + ["USD"])
    lines = [ReturnLine(among(_items), 1, among(range(100)), among(range(3))) for _ in range(among(range(1, 3)))]
    return unit, Return(f"b{numbers[0]}", stamp, unit, f"r{numbers[1]}", order, currency, lines)


_EVENTS = {CLICKS: _click, PURCHASES: _purchase, SIGNALS: _signal, RETURNS: _return}


@st.composite
def _log(draw: st.DrawFn, topic: Topic) -> list[Appended]:
    log, offset, at = [], draw(st.integers(0, 3)), 1_000
    for _ in range(draw(st.integers(0, 8)) * 5):
        chosen = Choices(draw(st.binary(min_size=CHOICES, max_size=CHOICES)))
        kind, gap, stamp = chosen.among(range(25)), chosen.among([1, 1, 1, 1, 4]), at - chosen.among([0, 0, 0, SKEW_MS])
        later_ms = chosen.among([0, 1, 5, 15, 15, 15, 40, 60, 300])
        unit, event = _EVENTS[topic](chosen, stamp)
        value = {24: b"{", 23: None}.get(kind, msgspec.json.encode(event))
        key = b"another" if kind == 22 else unit.encode()
        log.append(Appended(LoggedRecord(offset, stamp, key, value), at))
        offset += gap
        at += later_ms
    return log


def logs() -> st.SearchStrategy[Logs]:
    """Logs of all topics with gaps, duplicates, poison, stragglers and clocks that step back."""
    return st.builds(Logs, *map(_log, TOPICS))


class Killed(Exception):
    """The worker is gone, between two commands."""


class World:
    """What outlives workers: the logs, Redis, the conversions topic, the dead letters, the time."""

    def __init__(self, redis: Redis, logs: Logs, chance: random.Random, meddle: bool, folder: Path) -> None:
        self.redis = redis
        self.folder = folder
        self.clicks = ClickFolder(SETTINGS.changed(folder=str(folder), memory_mb=16))
        # What is kept in memory must not matter: nothing, some, all.
        self.most_recent = (0, 6, 10_000)[len(logs.clicks) // 5 % 3]
        self.logs = logs
        self.chance = chance
        self.now = 1_000
        self.decisions: dict[str, list[Decision]] = {topic: [] for topic in WRITTEN}
        self.letters: list[dead_letters.DeadLetter] = []
        self.snapshot: dict[bytes, bytes] = {}
        self.workers: list[Worker] = []
        self.faults = True
        self._meddle = meddle
        self._inside = False
        self.acting: Worker | None = None

    @property
    def outcomes(self) -> list[Conversion | Credit]:
        """What was published, of each topic in its order."""
        return [one.event for decisions in self.decisions.values() for one in decisions]

    @property
    def dead_lettered(self) -> dict[tuple[str, int], str]:
        return {(letter.topic, letter.offset): letter.reason for letter in self.letters}

    @property
    def letters_of_each(self) -> Counter[tuple[str, int]]:
        return Counter((letter.topic, letter.offset) for letter in self.letters)

    def bounds(self) -> dict[str, tuple[int, int]]:
        return {topic.name: (0, self._end(topic.name)) for topic in TOPICS}

    def _end(self, topic: str) -> int:
        return max((one.record.offset + 1 for one in self.logs.of(topic) if one.at <= self.now), default=0)

    async def command(self) -> None:
        """Before and after every command: the worker may die here, or others may act while it sleeps."""
        if not self.faults:
            return
        if self.chance.random() < 0.03:
            raise Killed
        if self._meddle and not self._inside and self.chance.random() < 0.1:
            self._inside = True
            try:
                others = [worker for worker in self.workers[1:] if worker is not self.acting]
                for _ in range(self.chance.randint(1, 6)):
                    await self.chance.choice(others).act()
            finally:
                self._inside = False

    def lost(self, share: float) -> bool:
        return self.faults and self.chance.random() < share

    async def take_snapshot(self) -> None:
        names = [name async for name in self.redis.scan_iter(f"reshelf:{{law:a{HOME}}}:*")]
        self.snapshot = {name: await self.redis.dump(name) or b"" for name in names}

    async def roll_back(self) -> None:
        """Redis is again as it was at the snapshot, or empty where there was none."""
        async for name in self.redis.scan_iter(f"reshelf:{{law:a{HOME}}}:*"):
            await self.redis.delete(name)
        for name, content in self.snapshot.items():
            await self.redis.restore(name, 0, content, replace=True)

    def lose_clicks(self) -> None:
        """The clicks of a worker that does not run are gone, or those of long ago are back."""
        idle = [one for one in self.workers if one.locked is None]
        backup = self.folder / "backup"
        for worker in idle:
            match self.chance.randrange(3):
                case 0:
                    shutil.rmtree(worker.folder, ignore_errors=True)
                case 1 if worker.folder.exists():
                    shutil.copytree(worker.folder, backup, dirs_exist_ok=True)
                case 2 if backup.exists():
                    shutil.rmtree(worker.folder, ignore_errors=True)
                    shutil.move(backup, worker.folder)


class FlakyProgress(Progress):
    """Commands are not carried out, or the replies are lost."""

    world: World

    async def _run(self, *arguments: Any) -> Any:
        await self.world.command()
        if self.world.lost(0.1):
            raise Transient("cut off")
        reply = await super()._run(*arguments)
        if self.world.lost(0.15):
            raise self.world.chance.choice([Killed(), Transient("cut off")])
        await self.world.command()
        return reply


class FlakyTopic:
    """The partition of a topic that is written."""

    def __init__(self, world: World, topic: str) -> None:
        self.world = world
        self.decisions = world.decisions[topic]

    async def publish(self, decisions: Sequence[Decision]) -> list[int]:
        world = self.world
        await world.command()
        count = len(self.decisions)
        if world.lost(0.2):
            self.decisions += decisions[: world.chance.randint(0, len(decisions))]
            raise Transient("no acknowledgement")
        self.decisions += decisions
        offsets = list(range(count, len(self.decisions)))
        if world.lost(0.2):
            raise Killed
        await world.command()
        return offsets

    async def read(self, start: int) -> tuple[list[Standing], int]:
        await self.world.command()
        pairs = list(enumerate(self.decisions))[start:]
        return [Standing(at, one.source, one.event.event_id) for at, one in pairs], len(self.decisions)

    async def read_events(self, start: int, take: Callable[[list[Decision]], None]) -> None:
        await self.world.command()
        for one in self.decisions[start:]:
            take([one])


class Worker:
    """A worker process that may die and come back, and does not know of the others."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.part: PartitionWorker | None = None
        self.dead_letters = DeadLetterWriter(self._publish_letters, self._read_letters)
        self.locked: LockedStore | None = None
        self.read: dict[str, int] = {}

    @property
    def folder(self) -> Path:
        return self.world.folder / self.name

    async def act(self) -> None:
        """One random thing, if it is alive; deaths and rollbacks of Redis make it begin anew."""
        before, self.world.acting = self.world.acting, self
        try:
            await self._act()
        except Transient:
            pass
        except Killed:
            self.end()
        except Behind:
            self.part = None
        finally:
            self.world.acting = before

    def end(self) -> None:
        """The process is gone."""
        self.part = None
        if self.locked is not None:
            self.locked.close()
            self.locked = None

    async def _act(self) -> None:
        if self.part is None:
            part = self._made()
            self.read = await part.open(self.world.bounds())
            self.part = part
            return
        match self.world.chance.randrange(9):
            case 0 | 1 | 2 | 3 | 4 | 5:
                self.fetch(self.world.chance.choice(TOPICS).name, self.world.chance.randint(1, 9))
            case 6:
                self.part.ended(self.world.bounds(), self.world.now - SKEW_MS)
            case 7:
                await self.part.work()
            case _:
                await self.part.settle()

    def _made(self) -> PartitionWorker:
        starts = Starts(dict.fromkeys([each.name for each in TOPICS], 0), dict.fromkeys(WRITTEN, 0))
        progress = FlakyProgress(self.world.redis, "law", GROUPS, PARTITION, starts)
        progress.world = self.world
        self.dead_letters.take_over([TopicPartition(topic, PARTITION) for topic in DECIDED])
        self.locked = self.locked or self.world.clicks.open(self.name, PARTITION)
        self.locked.store.most_recent = lambda: self.world.most_recent
        return PartitionWorker(
            progress=progress,
            store=self.locked.store,
            decisions={topic: FlakyTopic(self.world, topic) for topic in WRITTEN},
            send_dead_letters=self.dead_letters.send,
            first_since=self._first_since,
            windows=Pages(),
            settings=SETTINGS,
            fold=FOLD,
        )

    async def _first_since(self, topic: str, time: int) -> int:
        appended = (one.record for one in self.world.logs.of(topic) if one.at <= self.world.now)
        late = (one.offset for one in appended if one.timestamp >= time)
        return next(late, self.world.bounds()[topic][1])

    async def _publish_letters(self, records: Iterable[OutgoingRecord]) -> None:
        await self.world.command()
        letters = [dead_letters.read(record.headers, record.key, record.value) for record in records]
        if self.world.lost(0.2):
            self.world.letters += letters[: self.world.chance.randint(0, len(letters))]
            raise Transient("no acknowledgement")
        self.world.letters += letters
        await self.world.command()

    async def _read_letters(
        self, tps: Collection[TopicPartition], since_ms: int
    ) -> dict[TopicPartition, WrittenLetters]:
        await self.world.command()
        collector = LetterCollector(tps)
        for letter in self.world.letters:
            collector.note(letter, 0)
        return collector.letters()

    def fetch(self, topic: str, size: int) -> None:
        """A batch of what was appended by now; it may have read on to where the next record lies."""
        assert self.part is not None
        start, log = self.read[topic], self.world.logs.of(topic)
        appended = [one.record for one in log if one.at <= self.world.now and one.record.offset >= start]
        records, rest = appended[:size], appended[size:]
        if records:
            end = records[-1].offset + 1
            if rest and self.world.chance.random() < 0.5:
                end = rest[0].offset
            self.part.feed(Batch(TopicPartition(topic, PARTITION), start, end, 0, records))
            self.read[topic] = end

    async def drain(self) -> None:
        """Bring everything to its end, long after the last record."""
        world = self.world
        world.faults = False
        world.now = 10**9
        while True:
            try:
                self.part = self._made()
                self.read = await self.part.open(world.bounds())
                for topic in TOPICS:
                    self.fetch(topic.name, 10**6)
                self.part.ended(world.bounds(), world.now - SKEW_MS)
                return await self.part.settle()
            except Behind:
                continue


def expected(logs: Logs) -> tuple[list[Conversion | Credit], dict[tuple[str, int], str]]:
    """What comes of the whole logs by the plain rule, and the dead-lettered records."""
    plain: list[list[LogEntry[Any]]] = []
    dead_lettered: dict[tuple[str, int], str] = {}
    for topic in TOPICS:
        of_topic, refused = entries(logs.of(topic.name), topic)
        plain.append(of_topic)
        if topic is not CLICKS:
            dead_lettered |= {(topic.name, offset): reason for offset, reason in refused.items()}
    return plain_outcomes(PlainLogs(*plain), RULE).events, dead_lettered


def entries(log: Sequence[Appended], topic: Topic) -> tuple[list[LogEntry[Any]], dict[int, str]]:
    judged = Judge(topic, FOLD).judge([one.record for one in log])
    events = {one.offset: one.event for one in judged.accepted}
    dead_lettered = {one.record.offset: one.reason for one in judged.rejected}
    for offset, event in list(events.items()):
        if topic in (PURCHASES, RETURNS) and event.currency != "EUR":
            del events[offset]
            dead_lettered[offset] = "currency"
    times = accumulate((one.record.timestamp for one in log), max)
    forgotten = set(judged.skipped[FORGOTTEN])
    entries = [
        LogEntry(
            one.record.offset,
            time,
            (one.record.key or b"").decode(),
            events.get(one.record.offset),
            one.record.offset in forgotten,
        )
        for one, time in zip(log, times, strict=True)
    ]
    return entries, dead_lettered
