"""The partitions that a worker owns: clicks, signals, purchases and returns in, conversions and credits out.

Partitions are assigned by range, so that one worker reads the same number of
all topics.  Where one topic has to wait for another, the reader pauses it
instead of the stream: all come through the same reader.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from faust.types import TP

from schemas.errors import StateAttention
from schemas.topics import BY_NAME, CLICKS, PURCHASES
from streams.attribution.decisions import DecisionLog
from streams.attribution.report import report_clicks, report_lines
from streams.attribution.windows import PageWindows, RulesReader
from streams.attribution.worker import Behind, PartitionWorker
from streams.cancellation import finish_in_thread
from streams.dead_letters import DeadLetterWriter
from streams.fold.alarm import InvalidAlarm
from streams.kafka.bounds import LogEnds
from streams.kafka.broker_time import BrokerTime
from streams.kafka.event_checks import EventChecks, Holdout
from streams.kafka.records import Batch, TopicPartition
from streams.metrics import REGISTRY
from streams.refusals import PARTITIONS_ADDED
from streams.retry import Retry
from streams.settings import AttributionSettings, FoldSettings, LearnerSettings
from streams.state.clicks.folder import ClickFolder, LockedStore
from streams.state.clicks.progress import READ, progress_of
from streams.transport import AtOnce, BatchApp, reader
from streams.worker import Worker

log = logging.getLogger("reshelf")
HELD_RECORDS = 50_000
"""How many records of a topic may wait for another one before it is paused."""
_LOOK_S = 0.2
AT_ONCE = 8
"""Batches in work: while that of one partition waits for Kafka or Redis, those of others are decided."""


@dataclass(slots=True)
class Part:
    """A partition number that this worker owns."""

    number: int
    worker: PartitionWorker
    alarms: Mapping[str, InvalidAlarm]
    lock: asyncio.Lock
    time: BrokerTime = field(default_factory=BrokerTime)
    paused: set[str] = field(default_factory=set)


class Attribution:
    """The partition numbers that this worker owns, and what it does with them."""

    def __init__(
        self, worker: Worker, fold: FoldSettings, learner: LearnerSettings, settings: AttributionSettings
    ) -> None:
        self.app: BatchApp
        self.counts: Counter[str] = Counter()
        self._manifest = worker.manifest
        self._kafka = worker.kafka
        self._fold = fold
        self._learner = learner
        self._settings = settings
        self._redis = worker.redis
        self._log_producer = worker.log_producer
        self._dead_letters = DeadLetterWriter.of(worker.kafka, worker.log_producer)
        self.topics = worker.manifest.topics_of(READ)
        self._decided = [topic.name for topic in self.topics if topic is not CLICKS]
        self._ends = LogEnds(worker.kafka, [topic.name for topic in self.topics])
        worker.opened.push_async_callback(self._ends.close)
        self._windows = PageWindows(settings.window_ms)
        self._rules = RulesReader(worker.kafka, self._windows)
        worker.opened.push_async_callback(self._rules.close)
        self._parts: dict[int, Part] = {}
        self._claims: dict[int, object] = {}
        # Whoever works on a partition number or opens or closes its store holds its lock.
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._folder = ClickFolder(settings)
        self._stores: dict[int, LockedStore] = {}
        worker.opened.push_async_callback(self._close_stores)
        self._retry = Retry()
        self._checks = EventChecks(self._manifest.starts, tuple(self._decided), Holdout("", 0.0))
        REGISTRY.add("reshelf_rewinds_total", PURCHASES.name, by=0)

    async def start(self) -> None:
        """Read the rules; waits for the broker."""
        await self._retry.until_success(self._rules.start)

    async def resume(self, tps: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where to read each partition from: early enough before the memory for duplicates to be known."""
        positions: dict[TopicPartition, int] = {}
        for number in sorted({tp.partition for tp in tps}):
            if not tps.issuperset(TopicPartition(topic.name, number) for topic in self.topics):
                names = ", ".join(topic.name for topic in self.topics)
                raise StateAttention(
                    f"expected partition {number} of {names}, got {', '.join(map(str, sorted(tps)))}: the topics need "
                    f"the same number of partitions. {PARTITIONS_ADDED}"
                )
            offsets = (await self._take_up(number)).items()
            positions |= {TopicPartition(topic, number): offset for topic, offset in offsets}
        return positions

    async def revoked(self, tps: frozenset[TopicPartition]) -> None:
        """Forget partitions that went to another worker."""
        for number in {tp.partition for tp in tps}:
            await self._let_go(number)

    async def _take_up(self, number: int) -> Mapping[str, int]:
        """Open a partition anew; nothing where it went to another worker meanwhile."""
        claim = self._claims[number] = object()
        await self._close(number)
        async with self._locks[number]:
            opened = await self._retry.until_success(
                partial(self._open, number), lambda: self._claims.get(number) is claim
            )
            if opened is None or self._claims.get(number) is not claim:
                return {}
            self._parts[number], offsets = opened
            return offsets

    async def _let_go(self, number: int) -> None:
        """Forget a partition and wait for what is in work: nothing of it may be published after another worker read."""
        self._claims.pop(number, None)
        await self._close(number)

    async def _close(self, number: int) -> None:
        part = self._parts.pop(number, None)
        async with self._locks[number]:
            await self._dead_letters.let_go(self._with_letters(number))
            if part is not None:
                self.counts.update(part.worker.counts)
            if (locked := self._stores.pop(number, None)) is not None:
                await finish_in_thread(locked.close)

    async def _close_stores(self) -> None:
        for number in list(self._stores):
            await self._let_go(number)

    async def _open(self, number: int) -> tuple[Part, dict[str, int]]:
        if number not in self._stores:
            await finish_in_thread(partial(self._open_store, number))
        self._dead_letters.take_over(self._with_letters(number))
        worker = self._worker(number)
        await worker.load()
        offsets = await worker.open(await self._ends.of(number))
        alarms = {tp.topic: InvalidAlarm(tp, self._learner) for tp in self._with_letters(number)}
        return Part(number, worker, alarms, self._locks[number]), offsets

    def _with_letters(self, number: int) -> list[TopicPartition]:
        """The partitions whose dead letters attribution writes."""
        return [TopicPartition(topic, number) for topic in self._decided]

    def _open_store(self, number: int) -> None:
        self._stores[number] = self._folder.open(self._manifest.namespace, number)

    def _worker(self, number: int) -> PartitionWorker:
        progress, own = progress_of(self._redis, self._manifest, number), partial(DecisionLog, self._kafka)
        return PartitionWorker(
            progress=progress,
            store=self._stores[number].store,
            decisions={topic: own(self._log_producer, BY_NAME[topic], number) for topic in progress.starts.written},
            send_dead_letters=self._dead_letters.send,
            first_since=lambda topic, time_ms: self._ends.at_time(TopicPartition(topic, number), time_ms),
            windows=self._windows,
            settings=self._settings,
            fold=self._fold,
            accept_loss=self._learner.accept_loss,
            kinds={kind: starts[number] for kind, starts in self._manifest.signals.items()},
        )

    async def attribute(self, stream: Any) -> None:
        """The agent: take each batch in and go on as far as it allows, while others wait for Kafka and Redis."""
        working = AtOnce(self.app, AT_ONCE)
        async for event in stream.noack().events():
            await working.begin(self._attribute(event))

    async def _attribute(self, event: Any) -> None:
        """Take a batch in, after those of its partition that came before: who waits for a lock has it in turn."""
        part = self._parts.get(event.value.tp.partition)
        if part is not None:
            async with part.lock:
                if self._owns(part) and reader(self.app).is_current(event.value):
                    await self._take(part, event.value)
        event.ack()

    async def _take(self, part: Part, batch: Batch) -> None:
        try:
            rejected = part.worker.feed(batch)
        except Behind as behind:
            await self._read_again(part, behind)
            return
        if batch.records:
            part.time.read(batch.records[-1].timestamp)
            self._checks.look_at(batch)
        if alarm := part.alarms.get(batch.tp.topic):
            alarm.note(len(batch.records), len(rejected), rejected[-1].reason if rejected else "")
        await self._go_on(part, part.worker.work)

    def _owns(self, part: Part) -> bool:
        return self._parts.get(part.number) is part

    def _being_read(self) -> list[Part]:
        """The parts that the reader reads: one may have gone while it was being opened."""
        numbers = {tp.partition for tp in reader(self.app).owned()}
        return [part for part in self._parts.values() if part.number in numbers]

    async def _go_on(self, part: Part, step: Callable[[], Awaitable[None]]) -> None:
        """Carry a step out, however long the broker or Redis is away; the caller holds the lock."""
        try:
            await self._retry.until_success(step, lambda: self._owns(part))
        except Behind as behind:
            await self._read_again(part, behind)
        else:
            if self._owns(part):
                self._throttle(part)

    async def _read_again(self, part: Part, behind: Behind) -> None:
        if not self._owns(part):
            return
        log.warning("Attribution of partition %d: %s; reading again from there.", part.number, behind)
        REGISTRY.add("reshelf_rewinds_total", PURCHASES.name)
        opened = await self._retry.until_success(partial(self._open, part.number), lambda: self._owns(part))
        if opened is None or not self._owns(part):
            return
        self.counts.update(part.worker.counts)
        self._parts[part.number], offsets = opened
        for topic, offset in offsets.items():
            if not await reader(self.app).rewind(TopicPartition(topic, part.number), offset):
                self._parts.pop(part.number, None)
                return
            self._flow(part, topic, True)

    def _throttle(self, part: Part) -> None:
        """Pause a topic that is far ahead of others, and let it go on once half of what waited is done."""
        for topic, track in part.worker.core.tracks.items():
            if topic not in part.paused and len(track.waiting) > HELD_RECORDS:
                self._flow(part, topic, False)
            elif topic in part.paused and len(track.waiting) < HELD_RECORDS // 2:
                self._flow(part, topic, True)

    def _flow(self, part: Part, topic: str, on: bool) -> None:
        consumer, name = reader(self.app), TP(self._kafka.prefix + topic, part.number)
        if on:
            part.paused.discard(topic)
            consumer.resume_partitions({name})
        else:
            part.paused.add(topic)
            consumer.pause_partitions({name})

    async def look(self) -> None:
        """Ask where the logs end when records wait for another topic."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for part in self._being_read():
                if any(track.waiting for track in part.worker.core.tracks.values()):
                    await self._look(part)

    async def _look(self, part: Part) -> None:
        """Batches are taken in while the brokers are asked: what was read by then counts, if it is up to the end."""
        requested_at = part.time.at_least()
        ends = await self._retry.until_success(partial(self._ends.of, part.number), lambda: self._owns(part))
        async with part.lock:
            if ends is None or requested_at is None or not self._owns(part):
                return
            part.worker.ended(ends, requested_at - self._settings.clock_skew_ms)
            await self._go_on(part, part.worker.work)

    async def settle(self) -> None:
        """Move idle groups along and notice a rollback of Redis, about once a second."""
        while True:
            await asyncio.sleep(self._learner.advance_s)
            for part in self._being_read():
                async with part.lock:
                    await self._go_on(part, part.worker.settle)
            report_lines(self.totals())
            report_clicks([part.worker.clicks for part in self._being_read() if part.worker.clicks])

    async def follow_rules(self) -> None:
        """Take new page rules in."""
        while True:
            await self._retry.until_success(self._rules.follow)

    def totals(self) -> Counter[str]:
        """What was counted: of records, behind their topic but for purchases, of lines, signal_… and returned_…."""
        return sum((part.worker.counts for part in self._parts.values()), self.counts)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the agent."""
        return [self.look(), self.settle(), self.follow_rules()]
