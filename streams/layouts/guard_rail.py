"""A page whose learned layouts lose for certain goes back to its baseline, one that loses by its segments to `*`.

It stays there until a new experiment begins (`experiment.since_ms` moves), also
when workers start again: its layouts say so, and each worker reads them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import isfinite

import msgspec
from msgspec import UNSET

from policy.experiments.health import Health
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from streams.catalog.layouts.latest_layout import LatestLayout
from streams.catalog.page import Changes, Key
from streams.catalog.view import CatalogView
from streams.layouts.branches import has_whole_branches
from streams.layouts.segments.borrowing import without_segments
from streams.layouts.segments.trial import loss_by_segments
from streams.metrics import Registry
from streams.metrics.metric import MOST_PAGES
from streams.page_settings import ExperimentSettings, LayoutSettings
from streams.retry import Retry
from streams.state.arrays.experiment_bins import BucketBins, health_of
from streams.state.reader import StateReader

log = logging.getLogger("reshelf")


class GuardRail:
    """Which pages fell back, and which have one layout for all segments, and why."""

    def __init__(
        self,
        state: StateReader,
        settings: ExperimentSettings,
        layouts: LayoutSettings,
    ) -> None:
        self.fallen: dict[str, str] = {}
        self.withdrawn: dict[str, str] = {}
        self._state = state
        self._settings = settings
        self._share = layouts.holdout_share
        self._retry = Retry()
        self._health: dict[str, Health] = {}

    async def watch(self, catalog: CatalogView, changed: Callable[[Changes], None], metrics: Registry) -> None:
        """For ever: look at the guard-rails of all declared pages, and have those that fell composed again."""
        while True:
            fallen = await self._retry.until_success(lambda: self.check(dict(catalog.rules), catalog.published))
            self._report(metrics)
            if (model := catalog.segment_model.model) is not None:
                metrics.set("reshelf_segment_model_published_seconds", value=model.published_at / 1000)
            if fallen:
                changed(Changes(pages=fallen))
            await asyncio.sleep(self._settings.check_s)

    async def check(self, pages: Mapping[str, PageRules], published: Mapping[Key, LatestLayout]) -> set[str]:
        """The pages that fell, or whose segments were withdrawn, since the last call; raises Transient."""
        before = set(self.fallen), set(self.withdrawn)
        self._health = {}
        self.recall(published)
        if self._settings.fallback:
            for rules in pages.values():
                await self._look_at(rules)
        return (set(self.fallen) - before[0]) | (set(self.withdrawn) - before[1])

    def recall(self, published: Mapping[Key, LatestLayout]) -> None:
        """Take over what layouts of this experiment say already."""
        for page, reason in fallen(published, self._settings).items():
            self.fallen.setdefault(page, reason)
        for page, reason in without_segments_of(published, self._settings).items():
            self.withdrawn.setdefault(page, reason)

    async def _look_at(self, rules: PageRules) -> None:
        falls = self._share > 0.0 and rules.page not in self.fallen
        pays = has_whole_branches(rules) and rules.page not in self.withdrawn
        if falls or pays:
            bins = await self._state.read_bins(rules.page)
            if falls:
                self._against_holdout(rules.page, bins)
            if pays:
                self._against_whole_page(rules, bins)

    def _against_whole_page(self, rules: PageRules, bins: BucketBins) -> None:
        reason = loss_by_segments(rules, bins, self._settings, self._state.fold.bucket_ms)
        if reason:
            self.withdrawn[rules.page] = reason
            log.error(
                "All segments of page %s get the slates of *, as the page loses by its segments: %s. To go on without "
                "them, take `segments` and the branch out of the page's file; to try again, set experiment.since_ms.",
                rules.page,
                reason,
            )

    def _against_holdout(self, page: str, bins: BucketBins) -> None:
        bucket_ms = self._state.fold.bucket_ms
        health = self._health[page] = health_of(bins, self._settings, bucket_ms, self._share)
        reason = health.guard_rail
        if reason:
            self.fallen[page] = reason
            log.error(
                "Page %s goes back to its baseline, as learned layouts lose: %s. When the cause is mended, "
                "set experiment.since_ms to begin a new experiment.",
                page,
                reason,
            )

    def _report(self, metrics: Registry) -> None:
        pages = {page: self._health[page] for page in sorted(self._health)[:MOST_PAGES]}
        metrics.put("reshelf_pages_on_baseline", {(): len(self.fallen)})
        metrics.put("reshelf_pages_without_segments", {(): len(self.withdrawn)})
        alarms: dict[tuple[str, ...], float] = {(page,): health.sample_ratio.alarm for page, health in pages.items()}
        metrics.put("reshelf_sample_ratio_alarm", alarms)
        metrics.put(
            "reshelf_uplift_ratio",
            {
                (page, outcome, bound): value
                for page, health in pages.items()
                for outcome, gain in health.uplifts.items()
                if isfinite(gain.high)
                for bound, value in (("low", gain.low), ("estimate", gain.uplift), ("high", gain.high))
            },
        )

    def applied(self, layout: Layout, whole: Layout | None = None) -> Layout:
        """The layout, or for a page that fell one that shows the baseline to all.

        `whole` is the layout of `*` that a segment's takes slates from: all of them where segments were withdrawn.
        """
        withdrawn = self.withdrawn.get(layout.page, "")
        return guarded(layout, self._settings.since_ms, self.fallen.get(layout.page, ""), withdrawn, whole)


def fallen(published: Mapping[Key, LatestLayout], settings: ExperimentSettings) -> dict[str, str]:
    """The pages whose layouts say that they fell back in this experiment, and why."""
    if not settings.fallback:
        return {}
    return {
        key.page: layout.guard_rail
        for key, layout in published.items()
        if layout.guard_rail and layout.experiment_since == settings.since_ms
    }


def without_segments_of(published: Mapping[Key, LatestLayout], settings: ExperimentSettings) -> dict[str, str]:
    """The pages whose layouts say that their segments were withdrawn in this experiment, and why."""
    if not settings.fallback:
        return {}
    return {
        key.page: layout.segments_withdrawn
        for key, layout in published.items()
        if layout.segments_withdrawn and layout.experiment_since == settings.since_ms
    }


def guarded(layout: Layout, since_ms: int, reason: str, withdrawn: str = "", whole: Layout | None = None) -> Layout:
    """The layout of an experiment; with a `reason` to fall back, one that shows the baseline to all.

    Where segments were `withdrawn` for a reason, it has the slates of the layout of the whole page.
    """
    if withdrawn and whole:
        layout = without_segments(layout, whole, withdrawn)
    if not reason:
        return msgspec.structs.replace(layout, experiment_since=since_ms)
    rows = layout.baseline_rows
    return msgspec.structs.replace(
        layout,
        policy="baseline",
        slates=[layout.baseline],
        propensities={slot: {item: 1.0} for slot, item in layout.baseline.items()},
        rows=rows and [rows],
        row_propensities=rows and {row: {shelf: 1.0} for row, shelf in rows.items()},
        arranged=UNSET,
        branches=[],
        experiment_since=since_ms,
        guard_rail=reason[:256],
    )
