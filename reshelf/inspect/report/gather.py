"""What a report shows, read from the state and the topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from policy.experiments.health import Health
from policy.model.examination import examination
from reshelf.inspect.experiment import Point, health, over_time
from reshelf.inspect.posterior_summary import posterior_summary
from reshelf.namespaces.open_state import open_state
from reshelf.settings import Settings
from schemas.messages.pages import PageRules
from streams.catalog.view import CatalogView
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.state.arrays.experiment_bins import BucketBins
from streams.state.reader import KeyState

ARMS = 40
"""Arms that are drawn, the best by posterior mean."""


class Arm(NamedTuple):
    """An arm's attractiveness: prior mean, and posterior with its 95 % interval."""

    item: str
    prior: float
    low: float
    mean: float
    high: float
    clicks: float
    examined: float


class Slot(NamedTuple):
    """A slot, how likely it is looked at, and its clicks per impression."""

    name: str
    examination: float
    click_rate: float


class PageReport(NamedTuple):
    """All that is said of a page; `arms_in_all` counts those that are not drawn, too."""

    page: str
    health: Health
    over_time: dict[str, list[Point]]
    arms: list[Arm]
    arms_in_all: int
    slots: list[Slot]


async def pages(settings: Settings, catalog: CatalogView, only: str | None, level: float) -> list[PageReport]:
    """Every declared page that has counts, or one of them; raises StateAttention without a state."""
    async with open_state(settings) as state:
        reader, reports = state.reader, []
        for page in sorted(await reader.segments()):
            if page in catalog.rules and only in (None, page):
                bins, counts = await reader.read_bins(page), await reader.read_segment(page, WHOLE_PAGE)
                reports.append(page_report(page, bins, counts, catalog, state.settings, level))
        return reports


def page_report(
    page: str, bins: BucketBins, state: KeyState, catalog: CatalogView, settings: Settings, level: float
) -> PageReport:
    """What is said of a page with these counts."""
    arms, in_all = _arms(catalog, state, catalog.rules[page], settings)
    return PageReport(
        page=page,
        health=health(bins, settings, level),
        over_time=over_time(bins, settings.experiment.since_ms, settings.fold.bucket_ms, level),
        arms=arms,
        arms_in_all=in_all,
        slots=_slots(catalog, state, catalog.rules[page]),
    )


def _arms(catalog: CatalogView, state: KeyState, rules: PageRules, settings: Settings) -> tuple[list[Arm], int]:
    summary = posterior_summary(catalog.page(rules.page), state, WHOLE_PAGE, settings.layouts)
    best = np.argsort(-summary.mean, kind="stable")[:ARMS].tolist()
    columns = (summary.prior, summary.low, summary.mean, summary.high, summary.clicks, summary.examined)
    return [Arm(summary.items[at], *(float(column[at]) for column in columns)) for at in best], len(summary.items)


def _slots(catalog: CatalogView, state: KeyState, rules: PageRules) -> list[Slot]:
    parameters = catalog.parameters.get(rules.page)
    curve = examination(rules.slots, parameters.examination if parameters else {})
    counts_of_slot: dict[str, list[int]] = {slot: [0, 0] for slot in rules.slots}
    for table in state.tables:
        if table.traffic is Traffic.LEARNED:
            _count(counts_of_slot, dict(zip(table.slots, table.impressions.sum(axis=0).tolist(), strict=True)), 0)
            _count(counts_of_slot, dict(zip(table.slots, table.clicks.sum(axis=0).tolist(), strict=True)), 1)
    return [
        Slot(slot, float(share), clicks / impressions if impressions else 0.0)
        for (slot, (impressions, clicks)), share in zip(counts_of_slot.items(), curve, strict=True)
    ]


def _count(counts_of_slot: Mapping[str, list[int]], counts: Mapping[str, int], at: int) -> None:
    for slot, count in counts.items():
        if slot in counts_of_slot:
            counts_of_slot[slot][at] += count
