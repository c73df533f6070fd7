"""Items, shelves and looks of a page, fitted together from what is counted of them.

A click is a look times what the shelf adds times the attraction of the item: what is seen is only the product.
They are distinguished by items that stand in several shelves, and by shelves that stand in several rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.attraction import Levels, begin, fit_levels
from policy.model.examination import SETTLED, examination, fit_examination
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import ShelfCounts, reach
from policy.pages.model.factors import Factors, move_factors
from policy.pages.model.looks import Looks, move_looks
from policy.pages.model.segment_counts import SegmentCounts

TURNS, NEARER_TURNS = 12, 3
"""Turns of items, looks and factors, at most: from the beginning, and from an earlier fit."""
LEAST = 1e-9
"""In place of nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class ShelfFit:
    """What was fitted of a page: looks, factors, and `reach` [G, R]; `examined` impressions of items [G, A].

    An item's examined impressions are those of full looks in a shelf whose factor is 1.  `orders` is a second factor,
    of orders per click, where there were some.
    """

    looks: Looks
    factors: Factors
    reach: Floats
    examined: Floats
    items: Levels
    orders: OrderFactors | None = None


class OrderFactors(NamedTuple):
    """What a shelf's clicks are worth more: factors of orders per click in segments [G, H], and relative variances."""

    segments: Floats
    variances: Floats


def fit_shelves(page: CompiledPage, counts: ShelfCounts, start: ShelfFit | None = None) -> ShelfFit:
    """The fit of counts; `start` may be an earlier one of the same page and segments, from which it is nearer.

    The looks of a flat page are those of `policy.model.examination`, and the examined impressions too.
    """
    if page.page.is_flat:
        return _flat(page, counts)
    parts = [SegmentCounts.of(counts, at) for at in range(len(counts.views))]
    clicks = counts.clicks.sum(axis=2)
    looks = start.looks if start else Looks.start(page)
    factors = start.factors if start else Factors.start(page, len(parts))
    # Whatever was clicked was looked at, however odd the counts are.
    examined = np.maximum(_examined(page, parts, looks, factors), clicks)
    levels = begin(clicks, examined)
    if clicks.sum() > 0.0:
        for _ in range(NEARER_TURNS if start else TURNS):
            before = looks.of_slots(page)
            levels = fit_levels(clicks, examined, levels)
            attraction = (clicks + levels.strength) / (examined + levels.strength / np.maximum(levels.expected, LEAST))
            full = np.stack([part.masses(attraction[at]) for at, part in enumerate(parts)])
            in_hand = (full * factors.of_slots(page)).sum(axis=0)
            looks = move_looks(page, looks, counts.shelf_clicks.sum(axis=0), in_hand, factors.spot_strength)
            factors = move_factors(page, factors, counts.shelf_clicks, full * looks.of_slots(page))
            examined = np.maximum(_examined(page, parts, looks, factors), clicks)
            if np.abs(looks.of_slots(page) - before).max() < SETTLED:
                break
    return ShelfFit(looks, factors, reach(page, counts), examined, levels)


def fit_orders(
    page: CompiledPage, counts: ShelfCounts, fit: ShelfFit, conversions: Floats, shelf_conversions: Floats
) -> OrderFactors:
    """Factors of orders per click, from conversions of items [G, A] and of shelves [G, H] by the shelf of their click.

    Clicks of items by shelf are not counted: they are shared out as the fit expects them.  Then orders per click of
    items and factors of shelves are fitted in turns.
    """
    clicked = _clicks_by_shelf(page, counts, fit)
    factor, own = np.ones(shelf_conversions.shape), begin(shelf_conversions, np.ones(shelf_conversions.shape))
    for _ in range(TURNS):
        clicks = (clicked * factor[:, None, :]).sum(axis=2)
        levels = fit_levels(conversions, clicks, begin(conversions, clicks))
        buying = (conversions + levels.strength) / (clicks + levels.strength / np.maximum(levels.expected, LEAST))
        expected = (clicked * buying[:, :, None]).sum(axis=1)
        own = fit_levels(shelf_conversions, expected, own._replace(mean=1.0))
        factor = (shelf_conversions + own.strength) / (expected * own.mean + own.strength / own.arms)
    variances = 1.0 / (own.strength + shelf_conversions)
    return OrderFactors(np.where(page.titled, factor, 1.0), np.where(page.titled, variances, 0.0))


def _clicks_by_shelf(page: CompiledPage, counts: ShelfCounts, fit: ShelfFit) -> Floats:
    """The clicks of items, shared out over the shelves that showed them, float64[G, A, H]."""
    in_hand = fit.looks.of_slots(page) * fit.factors.of_slots(page)
    shared = np.stack([SegmentCounts.of(counts, at).by_shelf(in_hand[at]) for at in range(len(counts.views))])
    shared *= (counts.clicks.sum(axis=2) / np.maximum(shared.sum(axis=2), LEAST))[:, :, None]
    return shared


def _examined(page: CompiledPage, parts: Sequence[SegmentCounts], looks: Looks, factors: Factors) -> Floats:
    """Examined impressions of items, float64[G, A]."""
    of_slots, added = looks.of_slots(page), factors.of_slots(page)
    return np.stack([part.examined(of_slots, added[at]).sum(axis=1) for at, part in enumerate(parts)])


def _flat(page: CompiledPage, counts: ShelfCounts) -> ShelfFit:
    start = examination(page.page.slots, {})
    curve = fit_examination(counts.impressions, counts.clicks, start)
    looks = Looks(np.ones(1), curve[None], np.ones(len(curve)))
    examined = counts.impressions @ curve
    levels = fit_levels(counts.clicks.sum(axis=2), examined, begin(counts.clicks.sum(axis=2), examined))
    return ShelfFit(looks, Factors.start(page, len(counts.views)), reach(page, counts), examined, levels)
