"""Fitting segments to the sample again and again, and publishing what comes of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import numpy as np

from policy.arrays import Bools, Vectors
from policy.items import ItemFacts as Facts
from policy.segments.fitting import ItemFacts, Published, fit_segments
from schemas.errors import StateAttention
from schemas.messages.catalog import CatalogItem
from streams.catalog.items import compact
from streams.catalog.segments.model_view import SegmentModelView
from streams.catalog.view import CatalogView
from streams.fitter.segments.published import last_names, newest
from streams.fitter.segments.reader import UnitReader
from streams.fitter.segments.records import records_of
from streams.fitter.segments.sample import LeftOut, votes
from streams.kafka.producer import LogProducer
from streams.metrics import REGISTRY, Registry
from streams.page_settings import SegmentSettings
from streams.retry import Retry
from streams.settings import KafkaSettings

LOOK_S = 5.0
"""How often it is looked whether the segments are this worker's to fit, and whether there are enough visitors."""

log = logging.getLogger("reshelf")


class TitledCatalog(CatalogView):
    """A catalog that also keeps what items are called, for words that describe segments, and the points of items."""

    def __init__(self) -> None:
        super().__init__()
        self.segment_model = SegmentModelView()
        self.titles: dict[str, str] = {}

    def _retained(self, item: CatalogItem) -> Facts:
        self.titles[item.item] = item.title
        return compact(item)


class SegmentFitter:
    """Fits segments every `interval_s` while `owns` says that they are this worker's."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: SegmentSettings,
        catalog: TitledCatalog,
        reader: UnitReader,
        log_producer: LogProducer,
        metrics: Registry = REGISTRY,
    ) -> None:
        self.owns: Callable[[], bool] = lambda: True
        self._kafka = kafka
        self._settings = settings
        self._catalog = catalog
        self._reader = reader
        self._log_producer = log_producer
        self._metrics = metrics
        self._retry = Retry()
        for result in ("fitted", "no_segments", "few_units", "failed"):
            metrics.add("reshelf_segment_fits_total", result, by=0)

    async def follow(self) -> None:
        """For ever: take in what visitors look at."""
        await self._retry.until_success(self._reader.start)
        while True:
            await self._retry.until_success(self._reader.follow)

    async def fit(self) -> None:
        """For ever: fit the segments when it is time."""
        due = 0.0
        while True:
            if self.owns() and time.monotonic() >= due and await self.fit_once():
                due = time.monotonic() + self._settings.interval_s
            await asyncio.sleep(min(LOOK_S, self._settings.interval_s))

    async def fit_once(self) -> bool:
        """Fit and publish, where there are enough visitors; whether the next fit has time."""
        units, values, left_out = await asyncio.to_thread(self._reader.looked_at)
        self._report_sample(len(units), left_out)
        if sum(len(items) > 1 for items in units) < self._settings.min_units:
            self._metrics.add("reshelf_segment_fits_total", "few_units")
            return False
        before = await self._retry.until_success(lambda: asyncio.to_thread(self._before), self.owns)
        facts = self._facts()
        try:
            with self._metrics.timed("reshelf_segment_fit_seconds"):
                fitted = await asyncio.to_thread(self._fitted, (units, values), facts, before)
        except (ArithmeticError, ValueError) as error:
            self._metrics.add("reshelf_segment_fits_total", "failed")
            log.error("Segments could not be fitted and stay as they are: %s", error)
            return True
        await self._publish(fitted, before)
        return True

    def _before(self) -> Published | None:
        return newest(self._kafka) or last_names(self._kafka)

    def _facts(self) -> ItemFacts:
        """What the catalog says now of the items that segments may be made of."""
        titles, barred = self._catalog.titles, self._settings.barred_categories
        for gone in titles.keys() - self._catalog.items.keys():
            del titles[gone]
        texts = {
            name: f"{titles.get(name, '')} {item.category}"
            for name, item in self._catalog.items.items()
            if not is_barred(item.category, barred)
        }
        generation = self._catalog.embeddings.generation

        def vectors(names: Sequence[str]) -> tuple[Vectors, Bools]:
            return self._catalog.embeddings.matrix(names, generation)

        return ItemFacts(texts, vectors)

    def _fitted(
        self, sample: tuple[list[list[str]], dict[str, list[str]]], facts: ItemFacts, before: Published | None
    ) -> Published:
        now_ms = time.time_ns() // 1_000_000
        rng = np.random.default_rng(now_ms)
        return fit_segments(votes(sample, facts.texts), facts, before, self._settings.max_segments, now_ms, rng)

    async def _publish(self, fitted: Published, before: Published | None) -> None:
        records = records_of(*fitted, parts_before=before.model.parts if before else 0)
        try:
            await self._retry.until_success(lambda: self._log_producer.publish(records), self.owns)
        except StateAttention as error:
            self._metrics.add("reshelf_segment_fits_total", "failed")
            log.error("The model of segments was not published: %s", error)
            return
        model = fitted.model
        self._metrics.add("reshelf_segment_fits_total", "fitted" if model.names else "no_segments")
        self._metrics.set("reshelf_segments", value=len(model.names))
        self._metrics.set("reshelf_segment_items", value=len(fitted.points))
        self._metrics.set("reshelf_segment_gain", value=model.gain)
        self._metrics.set("reshelf_segment_moved_ratio", value=model.moved)

    def _report_sample(self, units: int, left_out: LeftOut) -> None:
        self._metrics.set("reshelf_segment_sample_units", "learned_from", value=units)
        self._metrics.set("reshelf_segment_sample_units", "refused", value=left_out.refused)
        self._metrics.set("reshelf_segment_sample_units", "robot", value=left_out.robots)
        self._metrics.set("reshelf_segment_sample_units", "beyond_limit", value=left_out.beyond_limit)


def is_barred(category: str, barred: Sequence[str]) -> bool:
    """Whether a category is one of those, or below one of them."""
    return any(category == name or category.startswith((f"{name}/", f"{name} > ")) for name in barred)
