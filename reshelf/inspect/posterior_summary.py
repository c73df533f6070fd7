"""What is believed of a page's arms for a segment, as people want to see it: prior, posterior, data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.posteriors import interval
from streams.catalog.page import Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE
from streams.fold.deltas import Traffic
from streams.layouts.slates.statistics import looks, statistics_of
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState


class PosteriorSummary(NamedTuple):
    """A arms in the order of the page's candidates, float64[A] each, and the examination of its slots, float64[S].

    `prior` is the mean that attractiveness starts from and `strength` its weight;
    `low`, `mean`, `high` are the posterior with its 95 % interval; `shown` are
    impressions and `examined` those that were probably looked at.  On a page with shelves slots are looked at so once
    they are in view.
    """

    items: tuple[str, ...]
    prior: Floats
    strength: Floats
    low: Floats
    mean: Floats
    high: Floats
    clicks: Floats
    shown: Floats
    examined: Floats
    sold: Floats
    examination: Floats


def posterior_summary(
    page: Page, state: KeyState, segment: str, settings: LayoutSettings, weighted_counts: WeightedCounts | None = None
) -> PosteriorSummary:
    """What the layout producer believes of the page's candidates, from learned traffic alone.

    `weighted_counts` may be those of an earlier call for the same page and segment.
    """
    weighted_counts = weighted_counts or WeightedCounts(page.candidates, tuple(page.rules.slots))
    shelves = page.segment_shelves(segment)
    statistics = statistics_of(segment, state, page, settings, weighted_counts, shelves)
    impressions, clicks, curve, prior = (
        statistics.impressions,
        statistics.clicks,
        statistics.examination,
        statistics.prior,
    )
    beta = statistics.posterior()
    low, high = interval(beta.a, beta.b)
    return PosteriorSummary(
        items=page.candidates.items,
        prior=np.broadcast_to(np.asarray(prior.click_rate), beta.a.shape),
        strength=np.broadcast_to(np.asarray(prior.strength), beta.a.shape),
        low=low,
        mean=beta.mean,
        high=high,
        clicks=clicks.sum(axis=1),
        shown=weighted_counts.impressions[Traffic.LEARNED].sum(axis=1) / ONE,
        examined=impressions @ curve,
        sold=weighted_counts.conversions[Traffic.LEARNED] / ONE,
        examination=looks(statistics, shelves),
    )
