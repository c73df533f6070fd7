"""The learner: batches in, state and layout requests out.

While Redis works on some batches the next one is already being judged.  Those of a
partition are committed one after another, of others at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from schemas.topics import CLICKS, FOLDED_TOPICS, IMPRESSIONS
from streams.dead_letters import DeadLetterWriter
from streams.fold.alarm import InvalidAlarm, QuotaAlarm
from streams.fold.deltas import WHOLE_PAGE
from streams.fold.evidence import Evidence
from streams.fold.fast.path import BUILT
from streams.fold.limits import used_shares
from streams.kafka.bounds import log_bounds
from streams.kafka.event_checks import EventChecks, Holdout
from streams.kafka.producer import LogProducer
from streams.kafka.records import Batch, TopicPartition
from streams.learner import held_names
from streams.learner.commits import AT_ONCE, Commits
from streams.learner.duplicates import DuplicateWindows
from streams.learner.layout_requests import RequestDebouncer, request_records
from streams.learner.old_buckets import tend_buckets
from streams.metrics import REGISTRY
from streams.refusals import check_begin, check_end
from streams.retry import Retry
from streams.settings import FoldSettings, KafkaSettings, LearnerSettings
from streams.state.manifest import Manifest, agree
from streams.state.partition import OtherLimits, PartitionFold, Prepared, Rewind
from streams.state.recent.window import OtherLog
from streams.state.store import Store
from streams.transport import AtOnce, BatchApp, reader

log = logging.getLogger("reshelf")
_UNCLICKED_REST_S = 5.0
"""How long the request of a key that nobody clicks rests before the next: impressions alone move a posterior slowly."""
_LOOK_S = 0.5
"""How often keys without clicks are looked through, so that requests for them go together."""
_ASK_REST_S = 0.02
"""How far requests are apart at least: what is clicked meanwhile goes together."""


class Learner:
    """The partitions that this worker owns, and what it does with them."""

    def __init__(
        self,
        kafka: KafkaSettings,
        store: Store,
        manifest: Manifest,
        log_producer: LogProducer,
        fold: FoldSettings,
        settings: LearnerSettings,
        holdout: Holdout,
    ) -> None:
        self.app: BatchApp
        self._kafka = kafka
        self._store = store
        self._manifest = manifest
        self._log_producer = log_producer
        self._dead_letters = DeadLetterWriter.of(kafka, log_producer)
        self._fold = fold
        self._settings = settings
        self._parts: dict[TopicPartition, PartitionFold] = {}
        self._alarms: dict[TopicPartition, InvalidAlarm] = {}
        self._quota_alarms: dict[TopicPartition, QuotaAlarm] = {}
        self._checks = EventChecks(manifest.starts, (IMPRESSIONS.name, CLICKS.name), holdout)
        self._keys = RequestDebouncer(_UNCLICKED_REST_S)
        self._clicked = asyncio.Event()
        self._commits = Commits()
        self._retry = Retry()
        self._asking = Retry()
        self._duplicates = DuplicateWindows(kafka, fold, settings, store)
        for topic in FOLDED_TOPICS:
            REGISTRY.add("reshelf_rewinds_total", topic.name, by=0)

    # Ownership

    async def resume(self, tps: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where to read each partition from: early enough before the state for duplicates to be known.

        One that stayed here while the group shared out anew is read on, unless others have moved its state.
        """
        topics = sorted({tp.topic for tp in tps})
        bounds = await self._retry.until_success(lambda: asyncio.to_thread(log_bounds, self._kafka, topics))
        assert bounds is not None
        self._dead_letters.take_over(tps)
        positions = await self._read_on(tps)
        for tp in sorted(tps):
            first, end = bounds[tp.topic][tp.partition]
            if not first <= positions.get(tp, -1) <= end:
                positions[tp] = await self._take_up(tp, first, end)
        return positions

    async def _read_on(self, tps: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        read = partial(self._store.stored_marks, [tp for tp in tps if tp in self._parts])
        async with self._commits.alone():
            stored = await self._retry.until_success(read) or {}
            positions = {tp: self._parts[tp].read_on(marks) for tp, marks in stored.items() if tp in self._parts}
        return {tp: position for tp, position in positions.items() if position is not None}

    async def revoked(self, tps: frozenset[TopicPartition]) -> None:
        """Forget partitions that went to another worker."""
        for tp in tps:
            self._parts.pop(tp, None)
            self._duplicates.let_go(tp)
        await self._dead_letters.let_go(tps)

    async def _take_up(self, tp: TopicPartition, first: int, end: int) -> int:
        position = await self._retry.until_success(lambda: self._position(tp, first, end))
        assert position is not None
        return position

    async def _position(self, tp: TopicPartition, first: int, end: int) -> int:
        start = self._manifest.start(tp)
        built = BUILT and self._settings.compiled
        part = await PartitionFold.resume(
            tp, self._store, start, self._fold, self._dead_letters.send, built, journal=self._duplicates.journal(tp)
        )
        if part.applied > end:
            # Another worker may have gone on since the log was asked.
            end = (await asyncio.to_thread(log_bounds, self._kafka, [tp.topic]))[tp.topic][tp.partition][1]
        check_end(f"the state has applied {tp}", part.applied, end)
        if lost := check_begin(str(tp), part.applied, first, self._settings.accept_loss):
            log.error("%d offsets of %s are lost; going on as learner.accept_loss says", lost, tp)
            await part.skip_to(first)
        position = await self._duplicates.read_from(part, first)
        self._parts[tp] = part
        return position

    # Batches

    async def learn(self, stream: Any) -> None:
        """The agent: prepare each batch while those before are being committed."""
        committing = AtOnce(self.app, AT_ONCE)
        async for event in stream.noack().events():
            batch: Batch = event.value
            part = self._parts.get(batch.tp)
            prepared = await self._prepare(part, batch) if part and reader(self.app).is_current(batch) else None
            if part is None or prepared is None:
                event.ack()
                continue
            await committing.begin(self._commit(part, prepared, event))

    async def _prepare(self, part: PartitionFold, batch: Batch) -> Prepared | None:
        try:
            with REGISTRY.timed("reshelf_fold_seconds", batch.tp.topic):
                prepared = part.prepare(batch)
        except OtherLog as other:
            await self._rewind(part, other)
            return None
        self._checks.look_at(batch)
        alarm = self._alarms.setdefault(batch.tp, InvalidAlarm(batch.tp, self._settings))
        rejected, refusals = prepared.judged.rejected, prepared.judged.refusals
        self._quota_alarms.setdefault(batch.tp, QuotaAlarm(batch.tp)).note(refusals)
        last, refused = rejected[-1].reason if rejected else "", sum(count for count, _ in refusals.values())
        alarm.note(part.fresh(batch), len(rejected), last, refused)
        return prepared

    def _is_current(self, part: PartitionFold, batch: Batch) -> bool:
        return self._parts.get(part.tp) is part and reader(self.app).is_current(batch)

    async def _commit(self, part: PartitionFold, prepared: Prepared, event: Any) -> None:
        is_current = lambda: self._is_current(part, prepared.batch)  # noqa: E731
        try:
            async with self._commits.of(part.tp):
                changed = await self._retry.until_success(lambda: part.commit(prepared), is_current)
        except Rewind as behind:
            await self._rewind(part, behind)
        else:
            if changed is not None:
                _count_batch(part, prepared)
            for (page, segment), came in (changed or {}).items():
                self._note(page, segment, came, clicked=part.tp.topic != IMPRESSIONS.name)
        event.ack()

    def _note(self, page: str, segment: str, came: Evidence, *, clicked: bool) -> None:
        """The key may need a layout, soon when it was clicked, and so may the whole page in its time."""
        self._keys.note((page, segment), came, clicked=clicked)
        if segment != WHOLE_PAGE:
            self._keys.note((page, WHOLE_PAGE), came, clicked=False)
        if clicked:
            self._clicked.set()

    async def _rewind(self, part: PartitionFold, behind: Rewind | OtherLog) -> None:
        if self._parts.get(part.tp) is not part:
            return
        log.warning("%s; reading again from there.", behind)
        if isinstance(behind, Rewind) and not isinstance(behind, OtherLimits):
            REGISTRY.add("reshelf_rewinds_total", part.tp.topic)
        self._parts.pop(part.tp)
        await self._retry.until_success(lambda: agree(self._store.redis, self._manifest, again=True))
        positions = await self.resume(frozenset([part.tp]))
        if not await reader(self.app).rewind(part.tp, positions[part.tp]):
            self._parts.pop(part.tp, None)

    # Beside the batches

    async def advance(self) -> None:
        """Move idle groups along and notice a rollback of Redis, about once a second."""
        while True:
            await asyncio.sleep(self._settings.advance_s)
            owned = reader(self.app).owned()
            parts = [part for part in self._parts.values() if part.tp in owned]
            read = partial(self._store.stored_marks, [part.tp for part in parts])
            stored = await self._retry.until_success(read) or {}
            for part in parts:
                await self._advance(part, stored[part.tp])
            used = used_shares(part.quota_use() for part in self._parts.values())
            REGISTRY.put("reshelf_quota_used_ratio", {(kind,): share for kind, share in used.items()})
            held_names.expose(self._store.directories)
            await self._duplicates.expose(self._parts)

    async def _advance(self, part: PartitionFold, stored: Sequence[bytes | None]) -> None:
        try:
            async with self._commits.of(part.tp):
                if self._parts.get(part.tp) is part:
                    await self._retry.until_success(lambda: part.advance(stored))
        except Rewind as behind:
            await self._rewind(part, behind)

    async def request_layouts(self) -> None:
        """Say which keys changed: at once after a click, and together in their time after impressions."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + _LOOK_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._clicked.wait()
            self._clicked.clear()
            now = loop.time()
            requests = request_records(self._keys.take(now), clicked=True)
            if now >= look_at:
                requests += request_records(self._keys.take_unclicked(now), clicked=False)
                look_at = now + _LOOK_S
            await self._asking.until_success(partial(self._log_producer.publish, requests))
            await asyncio.sleep(_ASK_REST_S)

    async def close(self) -> None:
        """Leave what is on disk to others."""
        await self._duplicates.close()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the agent."""
        buckets = tend_buckets(self._store, self._manifest, self._fold, self._commits)
        return [self.advance(), self.request_layouts(), buckets]


def _count_batch(part: PartitionFold, prepared: Prepared) -> None:
    """Count a batch that is in the state now."""
    topic, records = part.tp.topic, prepared.batch.records
    for verdict, count in prepared.tally(prepared.batch.start).items():
        REGISTRY.add("reshelf_records_total", topic, verdict, by=count)
    if topic == IMPRESSIONS.name:
        judged = prepared.judged
        REGISTRY.add("reshelf_fold_events_total", "fast", by=len(judged.fast_events or ()))
        REGISTRY.add("reshelf_fold_events_total", "plain", by=len(judged.accepted))
    if part.window.now().ratio > 1:
        REGISTRY.add("reshelf_duplicate_window_short_records_total", topic, by=len(records))
    if fresh := part.fresh(prepared.batch):
        REGISTRY.observe("reshelf_event_age_seconds", topic, value=time.time() - records[-fresh].timestamp / 1000)
