"""The layout producer: composes the keys that are due and publishes what changed.

The owner of a key is the owner of its partition of `layout-requests`.  Requests
are hints: after every assignment all known keys of the owner are due, so none
has to be read twice.  History is acknowledged before `layouts`; a process that
dies between both leaves a version in the history that no renderer ever saw.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Literal
from zlib import crc32

from policy.assignment import Epoch, epoch_of
from policy.slates.entropy import entropy
from schemas.codec import decode_key, decoder, encode, encode_key
from schemas.errors import BadRecord, StateAttention
from schemas.messages.layouts import Layout, LayoutRequest
from schemas.topics import LAYOUT_REQUESTS, LAYOUTS, LAYOUTS_HISTORY
from streams.catalog.latest_layout import LatestLayout, latest_layout_of
from streams.catalog.page import Key
from streams.catalog.view import CatalogView, Changes
from streams.catalog.weighted_counts import WeightedCountsCache
from streams.fold.deltas import WHOLE_PAGE
from streams.kafka.clients import partition_of
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.kafka.records import Batch, TopicPartition
from streams.layouts.clock import Clock, Decided
from streams.layouts.compose import compose, stamped, unshadowed
from streams.layouts.schedule import Schedule
from streams.metrics import REGISTRY, Registry
from streams.page_settings import LayoutSettings
from streams.retry import Retry
from streams.state.layout_versions import Versions
from streams.state.reader import KeyState, StateReader

AT_ONCE = 64
"""Keys that wait for Redis or the broker at the same time."""
WHOLE_PAGE_MS = 2_000.0
"""How long the layout of a whole page waits after a change, and up to as long again by its name:
it is read from all segments, and those of all pages at once would hold up the others."""
LIST_MS = 10_000.0
"""How often segments that other workers hear of are looked up."""

log = logging.getLogger("reshelf")
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
        metrics: Registry = REGISTRY,
        clock: Clock | None = None,
        finish: Callable[[Layout], Layout] = lambda layout: layout,
        report: Callable[[Decided], None] = lambda decided: None,
    ) -> None:
        self._metrics = metrics
        for result in ("published", "unchanged", "withdrawn", "refused"):
            metrics.add("reshelf_layouts_total", result, by=0)
        self.request_partitions = 1
        self._catalog = catalog
        self._state = state
        self._versions = versions
        self._log_producer = log_producer
        self._settings = settings
        self._clock = clock or Clock()
        self._finish = finish
        self._report = report
        self._schedule = Schedule(settings.refresh_ms, settings.cpu_share)
        self._weighted_counts = WeightedCountsCache()
        self._retry = Retry()
        self._owned: frozenset[int] = frozenset()
        self._segments: dict[str, set[str]] = {}
        self._listed_at = float("-inf")
        self._refused: set[Key] = set()
        self._wake = asyncio.Event()
        self._assigned = asyncio.Event()

    # What is due

    def own(self, partitions: Iterable[int]) -> None:
        """These partitions of `layout-requests` are ours now; `list_keys` makes their keys due."""
        self._owned = frozenset(partitions)
        self._schedule.keep(key for key in self._schedule.waiting() if self._is_owned(key))
        self._assigned.set()

    def disown(self, lost: Iterable[TopicPartition]) -> None:
        """These partitions went to another worker."""
        self.own(self._owned - {tp.partition for tp in lost})

    def request(self, batch: Batch) -> None:
        """Make the keys of a batch of `layout-requests` due."""
        self._metrics.add("reshelf_layout_requests_total", by=len(batch.records))
        for record in batch.records:
            try:
                key = Key(*decode_key(LAYOUT_REQUESTS, record.key))
                clicked = _decode_request(record.value).clicked if record.value else False
            except BadRecord:
                self._metrics.add("reshelf_invalid_records_total", LAYOUT_REQUESTS.name)
            else:
                self._segments.setdefault(key.page, set()).add(key.segment)
                self._mark(key, self._clock.steady() + _rest_ms(key), urgent=clicked)

    def changed(self, changes: Changes) -> None:
        """Make what the compacted topics changed due."""
        keys = set(changes.keys)
        for page in changes.pages:
            keys |= self._keys_of(page)
        for key in keys:
            self._mark(key)

    async def list_keys(self) -> None:
        """For ever: after each assignment look up which keys there are, and make ours due."""
        while True:
            await self._assigned.wait()
            self._assigned.clear()
            await self._retry.until_success(self._list_segments)
            for page in self._catalog.rules.keys() | self._catalog.segments.keys():
                for key in self._keys_of(page):
                    self._mark(key)

    async def _list_segments(self) -> None:
        """Learn of segments whose requests go to other workers."""
        self._listed_at = self._clock.steady()
        for page, segment in await self._state.keys():
            self._segments.setdefault(page, set()).add(segment)

    def _keys_of(self, page: str) -> set[Key]:
        segments = self._segments.get(page, set()) | self._catalog.segments.get(page, set())
        return {Key(page, segment) for segment in segments | {WHOLE_PAGE}}

    def _mark(self, key: Key, at: float | None = None, urgent: bool = False) -> None:
        if self._is_owned(key):
            self._schedule.mark(key, self._clock.steady() if at is None else at, urgent)
            self._wake.set()

    def _is_owned(self, key: Key) -> bool:
        return _partition(key, self.request_partitions) in self._owned

    # Doing it

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
            key = self._schedule.take(now)
            if key is not None:
                return key
            wait = self._schedule.wait(now)
            await _woken(self._wake, None if wait == float("inf") else wait / 1000)

    async def _bring_up_to_date(self, key: Key) -> None:
        try:
            await self._retry.until_success(lambda: self.refresh(key), lambda: self._is_owned(key))
        finally:
            self._schedule.finished(key)
            self._wake.set()

    async def refresh(self, key: Key) -> None:
        """Compose a key once, and publish its layout or tombstone if there is need; raises Transient."""
        taken_at = self._clock.steady()
        state = await self._read(key)
        read_at = self._clock.steady()
        if key.page not in self._catalog.rules:
            await self._withdraw(key)
            return
        now = self._clock.wall()
        epoch = epoch_of(now, *key, self._settings.epoch_ms)
        layout, changes_at = self._compose(key, state, epoch, now)
        composed_at = self._clock.steady()
        latest = self._catalog.latest_layout(key)
        draft = latest_layout_of(encode(layout))
        if not latest.live or latest.lost or draft.fingerprint != latest.fingerprint or now >= self._renewal(latest):
            result: Literal["published", "unchanged", "refused"] = await self._publish(key, layout, draft)
        else:
            result = "unchanged"
        self._metrics.add("reshelf_layouts_total", result)
        times = taken_at, read_at, composed_at, self._clock.steady()
        self._report(Decided(key, state.watermarks, result, *times))
        self._mark_again(key, min(epoch.end_ms, changes_at))

    async def _read(self, key: Key) -> KeyState:
        """What a layout is made from: counts of its segment, or those of all segments for the whole page."""
        if key.segment != WHOLE_PAGE:
            return await self._state.read(*key)
        if self._clock.steady() - self._listed_at > LIST_MS:
            await self._list_segments()
        return await self._state.read_page(key.page, self._segments.get(key.page, set()) | {WHOLE_PAGE})

    def _compose(self, key: Key, state: KeyState, epoch: Epoch, now: int) -> tuple[Layout, int]:
        """The layout as of `now`, and when it changes by itself, both in milliseconds."""
        began, busy = self._clock.steady(), self._clock.busy()
        page = self._catalog.page(key.page)
        weighted_counts = self._weighted_counts.of(key, page.candidates, tuple(page.rules.slots))
        layout = compose(key.segment, state, page, self._settings, epoch.number, weighted_counts, now)
        ended = self._clock.steady()
        # Where others have the processor meanwhile, resting for that too would leave it to them for good.
        self._schedule.spent(ended, self._clock.busy() - busy)
        self._metrics.observe("reshelf_layout_compose_seconds", value=(ended - began) / 1000)
        return self._finish(layout), weighted_counts.changes_at

    def _renewal(self, latest: LatestLayout) -> int:
        return min(latest.half_life_at, latest.produced_at + self._settings.ttl_ms // 2)

    def _mark_again(self, key: Key, changes_at: int) -> None:
        """Due without a request when half the life is over, or when it changes by itself."""
        now, latest = self._clock.wall(), self._catalog.latest_layout(key)
        renewal = now + self._settings.ttl_ms // 2 if key in self._refused else self._renewal(latest)
        self._mark(key, self._clock.steady() + max(0, min(renewal, changes_at) - now))

    async def _publish(self, key: Key, layout: Layout, draft: LatestLayout) -> Literal["published", "refused"]:
        began = self._clock.steady()
        version = await self._versions.next(*key, self._catalog.latest_layout(key).version)
        layout = stamped(layout, version, self._clock.wall(), self._settings.ttl_ms)
        recorded = value = encode(layout)
        if layout.shadow:
            value = encode(unshadowed(layout))
        try:
            for topic, content in ((LAYOUTS_HISTORY, recorded), (LAYOUTS, value)):
                await self._log_producer.publish([OutgoingRecord(topic.name, encode_key(topic, *key), content)])
        except StateAttention as error:
            self._refuse(key, error, len(value))
            return "refused"
        self._catalog.remember(key, draft.stamped(layout.version, layout.produced_at, layout.expires_at))
        self._refused.discard(key)
        self._measure(layout, self._clock.steady() - began)
        return "published"

    def _measure(self, layout: Layout, took_ms: float) -> None:
        self._metrics.observe("reshelf_layout_publish_seconds", value=took_ms / 1000)
        if len(layout.slates) > 1:
            spread = entropy(layout.propensities, len(layout.slates))
            self._metrics.observe("reshelf_layout_entropy_ratio", value=spread)

    async def _withdraw(self, key: Key) -> None:
        """The page is not declared: renderers use their fallback."""
        latest = self._catalog.latest_layout(key)
        if latest.live:
            await self._log_producer.publish([OutgoingRecord(LAYOUTS.name, encode_key(LAYOUTS, *key), None)])
            self._catalog.remember(key, LatestLayout(latest.version, live=False))
            self._metrics.add("reshelf_layouts_total", "withdrawn")

    def _refuse(self, key: Key, error: Exception, size: int) -> None:
        """One page that cannot be published must not hold up the others."""
        if key not in self._refused:
            self._refused.add(key)
            log.error("The layout for %s, of %d bytes, was not published: %s", list(key), size, error)


def _rest_ms(key: Key) -> float:
    """How long a key waits after it was asked for."""
    return WHOLE_PAGE_MS * (1.0 + crc32(key.page.encode()) / 2**32) if key.segment == WHOLE_PAGE else 0.0


@lru_cache(maxsize=100_000)
def _partition(key: Key, partitions: int) -> int:
    return partition_of(encode_key(LAYOUT_REQUESTS, *key), partitions)


async def _woken(event: asyncio.Event, timeout_s: float | None) -> None:
    """Wait for the event; `asyncio.wait_for` could lose a cancellation that comes with it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
