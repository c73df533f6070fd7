"""What is fitted of the shelves and rows of a page, together with its items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.examination import VisibleTimes
from policy.model.fitting import PageCounts
from policy.pages.compiled import CompiledPage
from policy.pages.messages import shelf_page
from policy.pages.model.counts import ShelfCounts
from policy.pages.model.fitting import OrderFactors, ShelfFit, fit_orders, fit_shelves
from policy.pages.published import shelves_fit
from schemas.messages.pages import PageRules
from schemas.messages.parameters import ShelvesFit
from streams.catalog.shelves.sums import ShelfSums
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.state.arrays.tables import Table

EXAMINED = "examined"
"""In place of slots, where impressions are those that were looked at."""


class FittedShelves(NamedTuple):
    """The message, how slots are looked at on average, and the counts that items are fitted from.

    These are of one slot, as which the page's own are seen to the shares `seen_as`, float64[S, 1].
    """

    message: ShelvesFit
    looks: dict[str, float]
    counts: PageCounts
    seen_as: Floats


def fit_page_shelves(
    rules: PageRules,
    tables: Mapping[str, Sequence[Table]],
    weight_of: Mapping[range, int],
    weighted_counts: Sequence[WeightedCounts],
    learned: tuple[Floats, Floats],
) -> FittedShelves:
    """The fit of the segments whose tables, and weighted counts of them, these are.

    `learned` are their impressions and clicks of learned traffic, [G, A, S] each.
    """
    page = CompiledPage.of(shelf_page(rules, WHOLE_PAGE, 0))
    sums = [counts.shelf_sums(page.page.shelf_names) for counts in weighted_counts]
    for each, those in zip(sums, tables.values(), strict=True):
        each.move_to(those, weight_of)
    counts = _shelf_counts(page, weighted_counts, sums, learned)
    fit = fit_shelves(page, counts)
    message = shelves_fit(page, fit, list(tables), _orders(page, counts, fit, weighted_counts, sums))
    looks = np.minimum(1.0, fit.looks.of_slots(page).mean(axis=0))
    examined, clicks = fit.examined[:, :, None], counts.clicks.sum(axis=2)[:, :, None]
    items = weighted_counts[0].candidates.items if weighted_counts else ()
    visible = VisibleTimes(np.zeros(1), np.zeros(1))
    return FittedShelves(
        message=message,
        looks=dict(zip(page.page.slots, looks.tolist(), strict=True)),
        counts=PageCounts(list(tables), items, [EXAMINED], examined, clicks, visible),
        seen_as=looks[:, None],
    )


def _shelf_counts(
    page: CompiledPage,
    weighted_counts: Sequence[WeightedCounts],
    sums: Sequence[ShelfSums],
    learned: tuple[Floats, Floats],
) -> ShelfCounts:
    if not sums:
        return ShelfCounts.empty(page, 0, 0)
    impressions, clicks = learned
    return ShelfCounts(
        views=np.array([counts.views for counts in weighted_counts]),
        impressions=impressions,
        clicks=clicks,
        shelf_impressions=np.stack([each.impressions.T for each in sums]) / ONE,
        shelf_clicks=np.stack([each.clicks.T for each in sums]) / ONE,
        placed=np.stack([each.placed for each in sums]) / ONE,
    )


def _orders(
    page: CompiledPage,
    counts: ShelfCounts,
    fit: ShelfFit,
    weighted_counts: Sequence[WeightedCounts],
    sums: Sequence[ShelfSums],
) -> OrderFactors | None:
    """Factors of orders per click; None where no shelf was bought from."""
    of_shelves = np.array([each.conversions.sum(axis=0) for each in sums]) / ONE
    if not of_shelves.any():
        return None
    of_items = np.array([counts.conversions[Traffic.LEARNED] for counts in weighted_counts]) / ONE
    return fit_orders(page, counts, fit, of_items, of_shelves)
