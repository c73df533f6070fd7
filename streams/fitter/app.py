"""The fitter as a Faust application."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any

import faust
import msgspec

from policy.segments.affinity import affinity_of
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadRecord, StateAttention
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.rules import Complements, Sponsored
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, PAGE_RULES, POLICY_PARAMETERS, SEGMENTS
from streams.catalog.follower import Follower
from streams.catalog.items import memory_of
from streams.catalog.view import CatalogView
from streams.fitter.due import FitRule, basis_of
from streams.fitter.page import PageState, fit, items_of, start_of, vectors_of
from streams.fitter.purchases import PurchaseReader
from streams.fitter.segments.fitter import TitledCatalog
from streams.fitter.segments.learning import outputs_of, segment_tasks
from streams.fitter.view_reader import ViewReader
from streams.fitter.visits import VisitFitter
from streams.kafka.clients import partition_of
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.kafka.records import TopicPartition
from streams.metrics import REGISTRY, Registry
from streams.page_settings import FitterSettings, LayoutSettings, SegmentSettings
from streams.retry import Retry
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.arrays.parts import parts_of
from streams.state.arrays.tables import Table
from streams.state.reader import StateReader
from streams.state.reading.memory import StateMemory
from streams.transport import BatchApp, end_process, reader
from streams.worker import open_worker

READ_TOPICS = (CATALOG_ITEMS, CATALOG_EMBEDDINGS, PAGE_RULES, POLICY_PARAMETERS)

log = logging.getLogger("reshelf")
_decode = decoder(PolicyParameters)


class Fitter:
    """The pages that this worker owns, and their fits."""

    def __init__(
        self,
        catalog: CatalogView,
        state: StateReader,
        log_producer: LogProducer,
        purchases: PurchaseReader,
        visits: VisitFitter,
        layouts: LayoutSettings,
        fold: FoldSettings,
        settings: FitterSettings,
        metrics: Registry = REGISTRY,
        zone: tzinfo = UTC,
    ) -> None:
        self.app: BatchApp
        self.partitions = 1
        self._metrics = metrics
        self._zone = zone
        for result in ("fitted", "unchanged", "deferred", "failed", "withdrawn"):
            metrics.add("reshelf_fits_total", result, by=0)
        self._catalog = catalog
        self._state = state
        self._log_producer = log_producer
        self._purchases = purchases
        self._visits = visits
        self._layouts = layouts
        self._fold = fold
        self._settings = settings
        self._retry = Retry()
        self._owned: frozenset[int] = frozenset()
        self._undeclared: set[str] = set()
        self._rule = FitRule(settings.growth_share, settings.rest_s, settings.interval_s)

    async def resume(self, tps: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end of each partition: what the records say is read beside."""
        bounds = await self._retry.until_success(lambda: reader(self.app).bounds(tps))
        self._owned = frozenset(tp.partition for tp in reader(self.app).owned())
        return {tp: end for tp, (_, end) in (bounds or {}).items()}

    async def revoked(self, tps: frozenset[TopicPartition]) -> None:
        self._owned -= {tp.partition for tp in tps}

    async def hear(self, stream: Any) -> None:
        """The agent: ownership is all that this subscription is for."""
        async for event in stream.noack().events():
            event.ack()

    async def fit_pages(self) -> None:
        """For ever: fit the owned pages one after another, each when enough came since its last fit."""
        while True:
            began = time.monotonic()
            segments = await self._retry.until_success(self._state.segments) or {}
            owned = [page for page in sorted(self._catalog.rules) if page in segments and self._is_owned(page)]
            self._rule.keep(owned)
            self._state.memory.keep_pages(frozenset(owned))
            self._visits.keep_pages(owned)
            await self._withdraw_pages()
            for page in owned:
                await self._fit(page, segments[page])
            await asyncio.sleep(max(0.1, self._settings.interval_s - (time.monotonic() - began)))

    async def _withdraw_pages(self) -> None:
        """Take back the parameters of owned pages that are declared no more, once they were missing for two rounds.

        A worker that has just taken a page over may read its parameters before its rules.
        """
        catalog = self._catalog
        gone = {page for page in catalog.parameters.keys() - catalog.rules.keys() if self._is_owned(page)}
        records = [
            OutgoingRecord(POLICY_PARAMETERS.name, encode_key(POLICY_PARAMETERS, page), None)
            for page in sorted(gone & self._undeclared)
        ]
        self._undeclared = gone
        if records:
            await self._retry.until_success(lambda: self._log_producer.publish(records))
            self._metrics.add("reshelf_fits_total", "withdrawn", by=len(records))

    def owns_segments(self) -> bool:
        """Whether segments are this worker's to fit: those of all pages are fitted by one."""
        return 0 in self._owned

    def _is_owned(self, page: str) -> bool:
        return partition_of(encode_key(PAGE_RULES, page), self.partitions) in self._owned

    async def _fit(self, page: str, segments: Iterable[str]) -> None:
        rules = self._catalog.rules.get(page)
        if rules is None or not self._rule.looks(page, self._declared(rules), time.monotonic()):
            return
        read = await self._retry.until_success(
            lambda: self._state.read_page(page, segments), lambda: self._is_owned(page)
        )
        rules = self._catalog.rules.get(page)
        if read is None or rules is None:
            return
        basis = basis_of(self._declared(rules), read.tables, self._layouts.half_life_ms)
        verdict = self._rule.verdict(page, basis, time.monotonic(), paces(rules))
        if verdict != "due":
            self._metrics.add("reshelf_fits_total", verdict)
            return
        self._rule.fitted(page, basis, time.monotonic())
        await self._fit_to(rules, {part.segment: part for part in parts_of(read.tables) if part})

    def _declared(self, rules: PageRules) -> tuple[object, ...]:
        """What a fit depends on beside counts."""
        purchases = self._purchases.revision if learns_complements(rules) else None
        catalog = self._catalog
        segments = catalog.segment_model.model.generation if catalog.segment_model.model else 0
        return rules, catalog.embeddings.generation, catalog.pictures.generation, purchases, segments

    async def _fit_to(self, rules: PageRules, tables: Mapping[str, Sequence[Table]]) -> None:
        page, now_ms = rules.page, time.time_ns() // 1_000_000
        state = self._state_of(rules, tables)
        try:
            with self._metrics.timed("reshelf_fit_seconds"):
                fitted = await asyncio.to_thread(self._fitted_to, state, now_ms)
        except (ArithmeticError, ValueError) as error:
            self._metrics.add("reshelf_fits_total", "failed")
            log.error("Page %s could not be fitted and keeps the parameters that it has: %s", page, error)
            return
        await self._retry.until_success(lambda: self._publish(fitted, now_ms), lambda: self._is_owned(page))

    def _state_of(self, rules: PageRules, tables: Mapping[str, Sequence[Table]]) -> PageState:
        """What the catalog says now: copied, because the fit goes on beside it."""
        catalog = self._catalog
        names = items_of(tables)
        items = {name: item for name in names if (item := catalog.items.get(name)) is not None}
        texts, pictures = (vectors_of(names, those) for those in (catalog.embeddings, catalog.pictures))
        affinity = None
        if (segments := catalog.segment_model.current) is not None:
            affinity = affinity_of(*segments, {*names, *catalog.candidates(rules.page).items})
        return PageState(rules, tables, items, *texts, tuple(self._state.manifest.signals), None, *pictures, affinity)

    def _fitted_to(self, state: PageState, now_ms: int) -> PolicyParameters:
        others = [
            parameters
            for name, parameters in sorted(self._catalog.parameters.copy().items())
            if name != state.rules.page
        ]
        start = start_of(state.rules, others, self._layouts)
        factor, before = self._settings.outlier_factor, self._catalog.parameters.get(state.rules.page)
        state = replace(state, visits=self._visits.fit(state.rules, state.items, before))
        fitted = fit(state, start, self._layouts, self._fold, now_ms, times=factor, zone=self._zone)
        if not learns_complements(state.rules):
            return fitted
        return msgspec.structs.replace(fitted, complements=self._purchases.complements(items_of(state.tables)))

    async def follow_purchases(self) -> None:
        """For ever: count what is bought together."""
        while True:
            await self._retry.until_success(self._purchases.follow)

    async def follow_views(self) -> None:
        """For ever: take page views in."""
        while True:
            await self._retry.until_success(self._visits.follow)

    async def _publish(self, fitted: PolicyParameters, now_ms: int) -> None:
        latest = self._catalog.parameters.get(fitted.page)
        version = max(now_ms, latest.version + 1 if latest else 0)
        value = encode(msgspec.structs.replace(fitted, version=version))
        key = encode_key(POLICY_PARAMETERS, fitted.page)
        try:
            _decode(value)  # What readers would refuse would be the newest of the page all the same.
            await self._log_producer.publish([OutgoingRecord(POLICY_PARAMETERS.name, key, value)])
        except (BadRecord, StateAttention) as error:
            self._metrics.add("reshelf_fits_total", "failed")
            log.error("The parameters of page %s, of %d bytes, were not published: %s", fitted.page, len(value), error)
            return
        self._metrics.add("reshelf_fits_total", "fitted")


def learns_complements(rules: PageRules) -> bool:
    """Whether a rule of the page asks what is bought together."""
    return any(isinstance(rule, Complements) and rule.learned for rule in rules.rules)


def paces(rules: PageRules) -> bool:
    """Whether a rule of the page is for so many impressions a day: what is left of them is told as they come."""
    return any(isinstance(rule, Sponsored) for rule in rules.rules)


def fitter_app(
    kafka: KafkaSettings,
    redis: RedisSettings,
    fold: FoldSettings,
    layouts: LayoutSettings,
    settings: FitterSettings,
    on_error: Callable[[Exception], None] = end_process,
    metrics: Registry = REGISTRY,
    zone: tzinfo = UTC,
    segments: SegmentSettings | None = None,
) -> Callable[[], Awaitable[faust.App]]:
    """A function that makes the fitter's app in the event loop that will run it.

    It returns when the compacted topics have been read to their ends.  It raises
    `BadSettings` when a topic is missing, `StateAttention` when the namespace was
    made with other settings.
    """

    async def make() -> faust.App:
        learned = segments if segments and segments.learned else None
        outputs = (POLICY_PARAMETERS, *(outputs_of(learned) if learned else ()))
        async with open_worker(kafka, redis, fold, outputs) as worker:
            retry, catalog = Retry(), TitledCatalog() if learned else CatalogView()
            memory = StateMemory(settings.memory_mb, "fitter.memory_mb", metrics, lambda: memory_of(catalog.items))
            state = StateReader(worker.redis, worker.manifest, memory=memory)
            purchases, views = PurchaseReader(kafka, fold), ViewReader(kafka, fold, settings.sample_views)
            worker.opened.push_async_callback(purchases.close)
            worker.opened.push_async_callback(views.close)
            await retry.until_success(purchases.start)
            await retry.until_success(views.start)
            visits = VisitFitter(views)
            fitter = Fitter(
                catalog, state, worker.log_producer, purchases, visits, layouts, fold, settings, metrics, zone
            )
            topics = (*READ_TOPICS, SEGMENTS) if learned else READ_TOPICS
            follower = Follower(kafka, catalog, lambda changes: None, topics)
            worker.opened.push_async_callback(follower.stop)
            await retry.until_success(follower.start)
            await retry.until_success(follower.catch_up)
            fitter.partitions = follower.partitions[PAGE_RULES.name]
            tasks = [follower.follow, fitter.follow_purchases, fitter.follow_views, fitter.fit_pages]
            if learned and isinstance(catalog, TitledCatalog):
                owns, opened, publishes = fitter.owns_segments, worker.opened, worker.log_producer
                tasks += segment_tasks(kafka, fold, learned, catalog, publishes, opened, owns, metrics)
            return worker.build_app(
                "fitter", fitter, (PAGE_RULES,), fitter.hear, lambda: [task() for task in tasks], "Fitting", on_error
            )

    return make
