"""The layout producer: composes the keys that are due and publishes what changed.

The owner of a key is the owner of its partition of `layout-requests`.  Requests
are hints of how much came: all known keys of a partition are due when a worker gets it, so that none
has to be read twice.  History is acknowledged before `layouts`; a process that
dies between both leaves a version in the history that no renderer ever saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal
from zlib import crc32

from policy.assignment import Epoch
from schemas.codec import decode_key, decoder, encode
from schemas.errors import BadRecord, Transient
from schemas.messages.layouts import Layout, LayoutRequest
from schemas.topics import LAYOUT_REQUESTS
from streams.catalog.layouts.latest_layout import latest_layout_of
from streams.catalog.page import Changes, Key
from streams.catalog.view import CatalogView
from streams.catalog.weighted_counts import WeightedCountsCache
from streams.fold.deltas import WHOLE_PAGE
from streams.fold.evidence import Evidence
from streams.kafka.producer import LogProducer
from streams.kafka.records import Batch, TopicPartition
from streams.layouts.clock import Clock, Decided, woken
from streams.layouts.clock_guard import RETRY_MS
from streams.layouts.compose import Composed, compose_valued
from streams.layouts.due import DueRule, evidence_in
from streams.layouts.hysteresis import Basis, Hysteresis, basis_of
from streams.layouts.lives.ownership import Ownership
from streams.layouts.lives.signs import LayoutLives
from streams.layouts.publisher import Publisher
from streams.layouts.schedule import Schedule
from streams.layouts.segments.borrowing import WAITS, borrows, lends
from streams.layouts.segments.keys import PageKeys
from streams.layouts.segments.serving import page_epoch
from streams.metrics import REGISTRY, Registry
from streams.page_settings import LayoutSettings
from streams.retry import Retry
from streams.state.layout_versions import Versions
from streams.state.reader import KeyState, StateReader

AT_ONCE = 16
"""Keys that wait for Redis or the broker at the same time."""
WHOLE_PAGE_MS = 2_000.0
"""How long the layout of a whole page waits after a change, and up to as long again by its name:
it is read from all segments, and those of all pages at once would hold up the others."""

Result = Literal["published", "unchanged", "held", "refused", "stopped"]
_decode_request = decoder(LayoutRequest)


class LayoutProducer:
    """The keys that this worker owns, and what it does with them."""

    def __init__(
        self,
        catalog: CatalogView,
        state: StateReader,
        versions: Versions,
        log_producer: LogProducer,
        settings: LayoutSettings,
        ownership: Ownership,
        metrics: Registry = REGISTRY,
        clock: Clock | None = None,
        finish: Callable[[Layout, Layout | None], Layout] = lambda layout, whole: layout,
        report: Callable[[Decided], None] = lambda decided: None,
    ) -> None:
        self._metrics = metrics
        for result in ("published", "unchanged", "held", "withdrawn", "waiting", "refused", "stopped"):
            metrics.add("reshelf_layouts_total", result, by=0)
        self._catalog = catalog
        self._state, self._settings = state, settings
        self._clock = clock or Clock()
        self._assigned, self._wake = asyncio.Event(), asyncio.Event()
        self._publisher = Publisher(catalog, versions, log_producer, settings, metrics, self._clock, self._list_again)
        self.ownership = ownership
        self.lives = LayoutLives(
            catalog, ownership, log_producer, settings, metrics, self._clock, self._publisher.guard, self._renew
        )
        self._finish = finish
        self._report = report
        head_start_ms = min(settings.rest_s * 1000, settings.ttl_ms / 4)
        self._schedule = Schedule(settings.refresh_ms, settings.cpu_share, head_start_ms)
        self._due = DueRule(settings.growth_share, settings.rest_s * 1000)
        self._hysteresis = Hysteresis(settings.change_threshold)
        self._weighted_counts = WeightedCountsCache(state.memory.room)
        state.memory.on_evict(self._weighted_counts.forget)
        self._retry, self._unlisted = Retry(), frozenset[int]()
        self._keys = PageKeys(catalog, state, self._clock.steady)

    def own(self, partitions: Iterable[int], continued: Iterable[int] = ()) -> None:
        """These partitions of `layout-requests` are ours now; `list_keys` makes the keys due of those not `continued`.

        A partition is continued where it was ours before, and its requests are read on where they were left.
        """
        self.ownership.owned, stayed = frozenset(partitions), frozenset(continued)
        self._unlisted |= self.ownership.owned - stayed
        for holder in (self._schedule, self._due, self._hysteresis):
            holder.keep(self.ownership.__contains__)
        self.lives.own(stayed)
        self._assigned.set()

    def disown(self, lost: Iterable[TopicPartition]) -> None:
        """These partitions went to another worker."""
        remaining = self.ownership.owned - {tp.partition for tp in lost}
        self.own(remaining, remaining)

    def request(self, batch: Batch) -> None:
        """Make the keys of a batch of `layout-requests` due when enough came; this reads nothing else."""
        self._metrics.add("reshelf_layout_requests_total", by=len(batch.records))
        if batch.records:
            self._publisher.guard.check_append(batch.records[-1].timestamp, self._clock.wall())
        for record in batch.records:
            try:
                key = Key(*decode_key(LAYOUT_REQUESTS, record.key))
                request = _decode_request(record.value) if record.value else None
            except BadRecord:
                self._metrics.add("reshelf_invalid_records_total", LAYOUT_REQUESTS.name)
            else:
                self._keys.note(key)
                if key in self.ownership:
                    self._take_request(key, request, record.offset)

    def _take_request(self, key: Key, request: LayoutRequest | None, offset: int) -> None:
        """A request without a value does not say how much came, so that its key is due."""
        self._keys.measure(key, request.impressions if request else 0, self._metrics)
        came = Evidence(request.impressions, max(request.clicks, request.clicked)) if request else None
        now = self._clock.steady()
        due_at = self._due.due_at(key, came, now)
        if due_at > now:
            self._metrics.add("reshelf_layout_requests_deferred_total")
            self._report(Decided(key, {}, "deferred", now, now, now, now, offset))
        urgent = request is not None and request.clicked and due_at <= now
        self._mark(key, due_at + _rest_ms(key), urgent)

    def changed(self, changes: Changes) -> None:
        """Make what the compacted topics changed due."""
        keys = set(changes.keys)
        for page in changes.pages:
            keys |= self._keys.of(page)
        for page in changes.wholes:
            keys |= self._keys.of(page) - {Key(page, WHOLE_PAGE)}
        for key in keys:
            self._mark(key)
        self.lives.changed(changes.lives)

    async def list_keys(self) -> None:
        """For ever: after an assignment look up which keys there are, and make those due that came with it."""
        while True:
            await self._assigned.wait()
            self._assigned.clear()
            partitions, self._unlisted = self._unlisted, frozenset()
            if not partitions:
                continue
            await self._retry.until_success(self._keys.list_again)
            for page in self._catalog.rules.keys() | self._catalog.segments.keys():
                for key in self._keys.of(page):
                    if self.ownership.partition(key) in partitions:
                        self._mark(key)

    def _list_again(self) -> None:
        self._unlisted = self.ownership.owned
        self._assigned.set()

    def _mark(self, key: Key, at: float | None = None, urgent: bool = False) -> None:
        if key in self.ownership:
            self._schedule.mark(key, self._clock.steady() if at is None else at, urgent)
            self._wake.set()

    def _renew(self, key: Key) -> None:
        if key not in self._publisher.refused:
            self._mark(key)

    async def produce(self) -> None:
        """For ever: bring each key that is due up to date, some at once."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._room()
                key = await self._next()
                tasks.create_task(self._bring_up_to_date(key))

    async def _room(self) -> None:
        while self._schedule.running >= AT_ONCE:
            self._wake.clear()
            await self._wake.wait()

    async def _next(self) -> Key:
        while True:
            self._wake.clear()
            now = self._clock.steady()
            if (key := self._schedule.take(now)) is not None:
                return key
            wait = self._schedule.wait(now)
            await woken(self._wake, None if wait == float("inf") else wait / 1000)

    async def _bring_up_to_date(self, key: Key) -> None:
        try:
            await self._retry.until_success(lambda: self._attempt(key), lambda: key in self.ownership)
        finally:
            self._schedule.finished(key)
            self._wake.set()

    async def _attempt(self, key: Key) -> None:
        try:
            await self.refresh(key)
        except Transient as error:
            self.lives.freshness.failed(key, str(error))
            raise

    async def refresh(self, key: Key) -> None:
        """Compose a key once, and publish its layout or tombstone if there is need; raises Transient."""
        began = self.lives.now()
        self._due.begin(key)
        state = await self._read(key) if self._keys.is_served(key) else None
        read_at = self._clock.steady()
        if state is None or not self._keys.is_served(key):
            await self._withdraw(key)
            return
        now, rules = self._clock.wall(), self._catalog.rules[key.page]
        whole = self._catalog.wholes.get(key.page) if (takes := borrows(rules, key.segment)) else None
        if takes and not lends(whole, rules):
            self._metrics.add("reshelf_layouts_total", "waiting")
            self.lives.freshness.failed(key, WAITS)
            return
        epoch = page_epoch(rules, key.segment, now, self._settings.epoch_ms)
        composed, basis, changes_at = self._compose(key, state, epoch, now, whole)
        composed_at = self._clock.steady()
        result = await self._publish(key, composed, basis, now)
        self._metrics.add("reshelf_layouts_total", result)
        self._report(Decided(key, state.watermarks, result, began.steady, read_at, composed_at, self._clock.steady()))
        self.lives.decided(key, result, began)
        if result == "stopped":
            self._mark(key, self._clock.steady() + RETRY_MS)
            return
        self._mark_again(key, min(epoch.end_ms, changes_at))

    async def _withdraw(self, key: Key) -> None:
        await self._publisher.withdraw(key)
        self._due.forget(key)
        self._hysteresis.forget(key)
        self.lives.freshness.forget(key)
        self._state.memory.forget(*key)

    async def _publish(self, key: Key, composed: Composed, basis: Basis, now: int) -> Result:
        """Publish a layout where it is new, where nothing says that the last one is good, and where it gains enough."""
        latest, draft = self._catalog.latest_layout(key), latest_layout_of(encode(composed.layout))
        must = not latest.live or latest.lost or now >= self.lives.renewal(key, latest, now)
        result: Result = "unchanged"
        if must or draft.content != latest.content:
            if not must and self._hysteresis.holds(key, composed, basis, latest.version):
                return "held"
            result = await self._publisher.publish(key, composed.layout, draft, self.lives.name_of(key))
        if result not in ("refused", "stopped"):
            self._hysteresis.published(key, composed, basis, self._catalog.latest_layout(key).version)
        return result

    async def _read(self, key: Key) -> KeyState:
        """What a layout is made from: counts of its segment, or those of all segments for the whole page."""
        if key.segment != WHOLE_PAGE:
            return await self._state.read(*key)
        return await self._state.read_page(key.page, await self._keys.counted(key.page))

    def _compose(
        self, key: Key, state: KeyState, epoch: Epoch, now: int, whole: Layout | None
    ) -> tuple[Composed, Basis, int]:
        """The layout as of `now`, what it is made from, and when it changes by itself, both times in milliseconds."""
        began, busy = self._clock.steady(), self._clock.busy()
        page = self._catalog.page(key.page)
        weighted_counts = self._weighted_counts.of(key, page.candidates, tuple(page.rules.slots))
        inputs = self._settings, epoch.number, weighted_counts, now, self._catalog.latest_layout(key).rows
        composed = compose_valued(key.segment, state, page, *inputs, whole)
        self._due.composed(key, evidence_in(weighted_counts))
        self._state.memory.expose_sums(self._weighted_counts.size)
        ended = self._clock.steady()
        # Where others have the processor meanwhile, resting for that too would leave it to them for good.
        self._schedule.spent(ended, self._clock.busy() - busy)
        self._metrics.observe("reshelf_layout_compose_seconds", value=(ended - began) / 1000)
        layout, changes_at = self._finish(composed.layout, whole), weighted_counts.changes_at
        basis = *basis_of(page, layout, changes_at), self._catalog.wholes.digest(key.page) if whole else b""
        return composed._replace(layout=layout), basis, changes_at

    def _mark_again(self, key: Key, changes_at: int) -> None:
        """Due without a request when half the time to live is over, or when it changes by itself."""
        now, latest = self._clock.wall(), self._catalog.latest_layout(key)
        later = now + self._settings.ttl_ms // 2
        renewal = later if key in self._publisher.refused else self.lives.renewal(key, latest, now)
        self._mark(key, self._clock.steady() + max(0, min(later, renewal, changes_at) - now))


def _rest_ms(key: Key) -> float:
    """How long a key waits after it was asked for."""
    return WHOLE_PAGE_MS * (1.0 + crc32(key.page.encode()) / 2**32) if key.segment == WHOLE_PAGE else 0.0
