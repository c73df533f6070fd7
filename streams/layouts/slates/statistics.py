"""What is known of a page's candidates for a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.examination import examination
from policy.model.posteriors import Remembered, own_counts
from policy.model.priors import rates_of
from policy.model.reward import ClickValue
from policy.pages.published import SegmentShelves
from policy.slates.alike import Alike
from policy.slates.composition import Statistics
from streams.catalog.days.memory import Forgetting
from streams.catalog.item_features import base
from streams.catalog.page import Page
from streams.catalog.shelves.sums import ShelfSums
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE, weights
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.page_settings import LayoutSettings
from streams.state.arrays.parts import without
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState


def statistics_of(
    segment: str,
    state: KeyState,
    page: Page,
    settings: LayoutSettings,
    weighted_counts: WeightedCounts,
    shelves: SegmentShelves | None,
) -> Statistics:
    """What is known of the page's candidates for a segment; `weighted_counts` are moved along to the state's tables.

    `shelves` are the page's in the segment (`Page.segment_shelves`).

    Impressions are fewer where clicks, or items alike, stood above them and that is in force on the page.  On a page
    with shelves they are those that were looked at, in full looks on shelves that add nothing.
    """
    fitted = page.parameters
    tables = counted_tables(segment, state, page)
    weight_of = weights(tables, settings.half_life_ms)
    weighted_counts.move_to(tables, weight_of)
    features = page.item_features
    lowering = None if shelves or not features else features.lowering
    counts, curve = _Counts.of(weighted_counts), np.ones(len(weighted_counts.slots))
    if shelves:
        sums = weighted_counts.shelf_sums(page.compiled(segment, 0).page.shelf_names)
        counts = counts.looked_at(sums.move_to(tables, weight_of), shelves)
    else:
        curve = examination(page.rules.slots, fitted.examination if fitted else {})
    if lowering:
        counts = counts._replace(impressions=lowering.lower(counts.impressions, counts.clicks))
    default = prior = base(fitted, settings.click_rate, settings.strength)
    own = own_counts(counts.impressions, counts.clicks, curve)
    if features and settings.drift:
        rates = rates_of(features.parameters, weighted_counts.fitted(features, segment))
        how = Forgetting(rates, settings.drift, shelves.looks.mean(axis=0) if shelves else curve)
        own = _remembered(weighted_counts, tables, weight_of, how, own)
    if features:
        prior = weighted_counts.priors(features, segment, own).prior
    return Statistics(
        items=page.candidates.items,
        slots=weighted_counts.slots,
        hashes=page.candidates.hashes,
        impressions=counts.impressions,
        clicks=counts.clicks,
        holdout_impressions=counts.holdout_impressions,
        holdout_clicks=counts.holdout_clicks,
        holdout_conversions=weighted_counts.conversions[Traffic.HOLDOUT] / ONE,
        examination=curve,
        prior=prior,
        base=default,
        click_value=_click_value(weighted_counts, tables, weight_of, page, settings, state.signals)
        if settings.sale_value
        else None,
        remembered=own,
        alike=Alike.of(lowering),
    )


def looks(statistics: Statistics, shelves: SegmentShelves | None) -> Floats:
    """How likely each slot is looked at, float64[S]; on a page with shelves once it is in view, on any shelf's average.

    There `statistics` have impressions in full looks, so that their own examination is 1.  As only products of looks
    and rates are known, the slot that is looked at most is never above 1.
    """
    if shelves is None:
        return statistics.examination
    of_slots = shelves.looks.mean(axis=0)
    return np.asarray(of_slots / max(1.0, of_slots.max()))


class _Counts(NamedTuple):
    """Impressions and clicks of candidates by slot [A, S], of learned traffic and of the holdout."""

    impressions: Floats
    clicks: Floats
    holdout_impressions: Floats
    holdout_clicks: Floats

    @classmethod
    def of(cls, weighted_counts: WeightedCounts) -> _Counts:
        impressions, clicks = weighted_counts.impressions, weighted_counts.clicks
        return cls(*(counts[of] / ONE for of in (Traffic.LEARNED, Traffic.HOLDOUT) for counts in (impressions, clicks)))

    def looked_at(self, sums: ShelfSums, shelves: SegmentShelves) -> _Counts:
        """Those looked at in full, whatever the slot; what the holdout saw by how slots are looked at on average.

        Whatever was clicked was looked at.
        """
        examined = sums.counts(self.impressions).examined(shelves.looks, shelves.added)
        of_holdout = self.holdout_impressions * shelves.looks.mean(axis=0)
        return _Counts(
            np.maximum(examined, self.clicks),
            self.clicks,
            np.maximum(of_holdout, self.holdout_clicks),
            self.holdout_clicks,
        )


def _remembered(
    weighted_counts: WeightedCounts,
    tables: Sequence[Table],
    weight_of: Mapping[range, int],
    how: Forgetting,
    own: Remembered,
) -> Remembered:
    """What is not forgotten of `own` looks and clicks: fewer looks than impressions let expect are so on each day."""
    impressions, clicks = (
        sums[Traffic.LEARNED] / ONE for sums in (weighted_counts.impressions, weighted_counts.clicks)
    )
    counted = own_counts(impressions, clicks, how.examination)
    remembered = weighted_counts.memory.of(tables, weight_of, how, counted)
    looks = counted.examined
    share = np.divide(own.examined, looks, out=np.zeros(len(looks)), where=looks > 0.0)
    return remembered._replace(examined=share * remembered.examined)


def counted_tables(segment: str, state: KeyState, page: Page) -> Sequence[Table]:
    """The tables that a segment learns from: its own, whoever clicked; the whole page's without segments left out."""
    fitted = page.parameters
    return without(state.tables, fitted.left_out if fitted and segment == WHOLE_PAGE else ())


def _click_value(
    weighted_counts: WeightedCounts,
    tables: Sequence[Table],
    weight_of: Mapping[range, int],
    page: Page,
    settings: LayoutSettings,
    signals: Sequence[str],
) -> ClickValue | None:
    """The value of a click on each candidate; None where all have the same value."""
    stages = weighted_counts.stages.move_to(tables, weight_of, page.parameters, signals)
    margins = page.item_features.margins if page.item_features else np.ones(len(page.candidates.items))
    value = stages.click_value(settings.click_value, settings.sale_value * margins)
    return value if value.mean.any() else None
