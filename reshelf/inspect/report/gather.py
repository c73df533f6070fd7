"""What a report shows, read from the state and the topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from policy.experiments.health import Health
from policy.experiments.sequence import METRICS, Uplift, uplift
from policy.model.examination import examination
from reshelf.inspect.posterior_summary import posterior_summary
from reshelf.settings import Settings
from schemas.messages import PageRules
from streams.catalog.view import CatalogView
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.state import manifest
from streams.state.arrays.experiment_bins import BucketBins, health_of, read_bins, sides
from streams.state.connection.client import redis_client
from streams.state.reader import KeyState, StateReader

ARMS = 40
"""Arms that are drawn, the best by posterior mean."""


class Point(NamedTuple):
    """The uplift of what was counted from the beginning of a time bucket to the end of one, milliseconds."""

    since: int
    until: int
    uplift: Uplift


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
    client = redis_client(settings.redis)
    try:
        made = await manifest.read(client, settings.redis.namespace)
        reader = StateReader(client, made.namespace, made.groups, made.starts)
        segments: dict[str, set[str]] = {}
        for page, segment in await reader.keys():
            segments.setdefault(page, set()).add(segment)
        found = []
        for page in sorted(segments):
            if page in catalog.rules and only in (None, page):
                bins = await read_bins(client, made.namespace, made.groups, page)
                state = await reader.read_page(page, segments[page] | {WHOLE_PAGE})
                found.append(page_report(page, bins, state, catalog, settings, level))
        return found
    finally:
        await client.aclose()


def page_report(
    page: str, bins: BucketBins, state: KeyState, catalog: CatalogView, settings: Settings, level: float
) -> PageReport:
    """What is said of a page with these counts."""
    arms, in_all = _arms(catalog, state, catalog.rules[page], settings)
    return PageReport(
        page=page,
        health=health_of(bins, settings.experiment, settings.fold.bucket_ms, settings.layouts.holdout_share, level),
        over_time=over_time(bins, settings.experiment.since_ms, settings.fold.bucket_ms, level),
        arms=arms,
        arms_in_all=in_all,
        slots=_slots(catalog, state, catalog.rules[page]),
    )


def over_time(bins: BucketBins, since: int, width: int, level: float) -> dict[str, list[Point]]:
    """For each outcome the always-valid uplift as it stood at the end of each time bucket."""
    starts = sorted({bucket for bucket, _ in bins if bucket >= since})
    weighted_counts = [(start + width, sides(bins, since, start + 1)) for start in starts]
    return {
        name: [Point(starts[0], until, uplift(total, column, level)) for until, total in weighted_counts]
        for name, column in METRICS.items()
    }


def _arms(catalog: CatalogView, state: KeyState, rules: PageRules, settings: Settings) -> tuple[list[Arm], int]:
    found = posterior_summary(catalog.page(rules.page), state, WHOLE_PAGE, settings.layouts)
    best = np.argsort(-found.mean, kind="stable")[:ARMS].tolist()
    columns = (found.prior, found.low, found.mean, found.high, found.clicks, found.examined)
    return [Arm(found.items[at], *(float(one[at]) for one in columns)) for at in best], len(found.items)


def _slots(catalog: CatalogView, state: KeyState, rules: PageRules) -> list[Slot]:
    parameters = catalog.parameters.get(rules.page)
    curve = examination(rules.slots, parameters.examination if parameters else {})
    seen: dict[str, list[int]] = {slot: [0, 0] for slot in rules.slots}
    for table in state.tables:
        if table.traffic is Traffic.LEARNED:
            _count(seen, dict(zip(table.slots, table.impressions.sum(axis=0).tolist(), strict=True)), 0)
            _count(seen, dict(zip(table.slots, table.clicks.sum(axis=0).tolist(), strict=True)), 1)
    return [
        Slot(slot, float(share), clicks / impressions if impressions else 0.0)
        for (slot, (impressions, clicks)), share in zip(seen.items(), curve, strict=True)
    ]


def _count(seen: Mapping[str, list[int]], counts: Mapping[str, int], at: int) -> None:
    for slot, count in counts.items():
        if slot in seen:
            seen[slot][at] += count
