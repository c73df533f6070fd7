"""Why an item stands where it stands: everything that a layout was made from, item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec import UNSET

from policy.arrays import Floats
from policy.assignment import slate_chances
from policy.model.posteriors import Beta, interval
from policy.model.priors import affinity_scores, weights_of
from policy.rules.compiled import CompiledRules
from policy.slates.composition import Statistics
from policy.slates.sampling import click_draws
from schemas.messages.layouts import Layout
from schemas.messages.parameters import PolicyParameters, ReturnFit, SignalFit, VisitFit
from streams.catalog.item_features import ItemFeatures
from streams.catalog.layouts.arranged import PublishedRows
from streams.catalog.page import Page
from streams.catalog.sales.summary import StageSummary, stage_summaries
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose, explored
from streams.layouts.guard_rail import guarded
from streams.layouts.slates.statistics import counted_tables, looks, statistics_of
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState


@dataclass(frozen=True, slots=True)
class Prior:
    """Where the click rate starts and how much that weighs; what it comes from.

    `features` are what features add on the logit scale, `affinity` among them where visitors of a learned segment look
    at an item more or less than others do, `text` and `picture` what their vectors
    add; `variance` is the factor by which their mean is above the likeliest, as they are uncertain;
    `factor` is what clicks in the page's other segments make of it.
    """

    click_rate: float
    strength: float
    base: float
    features: Mapping[str, float]
    text: float
    variance: float
    factor: float
    picture: float = 0.0


@dataclass(frozen=True, slots=True)
class Value:
    """What a click is worth: its own value, the chance of a purchase and the mean margin of one, in minor units."""

    click: float
    purchase_rate: float
    amount: float
    earned: float
    total: float


@dataclass(frozen=True, slots=True)
class Arm:
    """An item: counts, prior, click rate once looked at with its 95 % interval, a draw for each slate, places, rules.

    `examined` are impressions weighted by how likely their slots are looked at, and lowered by what stood above them
    where that is in force; `retained` is the share
    of these and of clicks that still counts, where click rates drift.  On a page with shelves `shelves` are those that
    may show it, each with the share of slates in which it does.
    """

    item: str
    impressions: float
    examined: float
    clicks: float
    retained: float
    prior: Prior
    click_rate: float
    low: float
    high: float
    value: Value | None
    draws: Sequence[float]
    slots: Mapping[str, float]
    baseline: str
    rules: Sequence[str]
    shelves: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A layout as it would be made now, and its arms, the likeliest to be clicked first.

    `examination` says how likely slots are looked at, on a page with shelves once they are in view.

    `signals` and `returns` are what is known of the stages behind the page's clicks, None where nothing is; `stages`
    has these with the segment's counts.  `visits` is what page views as wholes say of slots that bear on each other.
    """

    layout: Layout
    examination: Mapping[str, float]
    arms: Sequence[Arm]
    signals: SignalFit | None = None
    returns: ReturnFit | None = None
    stages: Sequence[StageSummary] = ()
    visits: VisitFit | None = None


def explain(
    segment: str,
    state: KeyState,
    page: Page,
    settings: LayoutSettings,
    epoch: int,
    now_ms: int,
    fell_back: str = "",
    published: PublishedRows | None = None,
    whole: Layout | None = None,
    withdrawn: str = "",
) -> Explanation:
    """Make the layout of a page for a segment and say for each candidate what went into it.

    `fell_back` says why the page shows its baseline to all, where it does (`streams.layouts.guard_rail`); shelves
    stay as `published` where these still hold.  `whole` is the layout of `*` that it takes a part from, where it takes
    any: all slates where `withdrawn` says why segments were withdrawn.
    """
    weighted_counts = WeightedCounts(page.candidates, tuple(page.rules.slots))
    layout = compose(segment, state, page, settings, epoch, weighted_counts, now_ms, published, whole)
    layout = guarded(layout, 0, fell_back, withdrawn, whole)
    shelves = page.segment_shelves(segment)
    statistics = statistics_of(segment, state, page, settings, weighted_counts, shelves)
    beta = statistics.posterior()
    bound = page.bound(segment, now_ms).auctioned(lambda: beta.mean)
    z = weighted_counts.normals(page.rules.page, segment, page.rules.policy.variants, epoch)
    draws = click_draws(beta, z, len(statistics.slots), explored(page.rules.policy, settings).exploration)
    shown = weighted_counts.impressions[Traffic.LEARNED].sum(axis=1) / ONE
    builder = _ArmBuilder(layout, statistics, beta, bound, draws, shown, _shelf_shares(layout, page))
    priors = _priors(statistics, page.item_features, segment, weighted_counts)
    arms = [builder.arm(row, priors[row]) for row in np.argsort(-beta.mean, kind="stable").tolist()]
    curve = dict(zip(statistics.slots, looks(statistics, shelves).tolist(), strict=True))
    fitted = page.parameters
    signals, returns = (fitted.signals or None, fitted.returns or None) if fitted else (None, None)
    stages = stage_summaries(counted_tables(segment, state, page), fitted, state.signals)
    return Explanation(layout, curve, arms, signals, returns, stages, (fitted.visits or None) if fitted else None)


@dataclass(frozen=True, slots=True)
class _ArmBuilder:
    layout: Layout
    statistics: Statistics
    beta: Beta
    bound: CompiledRules
    draws: Floats
    shown: Floats
    shelf_shares: Mapping[str, Mapping[str, float]]

    def arm(self, row: int, prior: Prior) -> Arm:
        statistics, item = self.statistics, self.statistics.items[row]
        low, high = interval(self.beta.a[row : row + 1], self.beta.b[row : row + 1])
        examined = float(statistics.impressions[row] @ statistics.examination)
        shares = {slot: those[item] for slot, those in self.layout.propensities.items() if item in those}
        return Arm(
            item=item,
            impressions=float(self.shown[row]),
            examined=examined,
            clicks=float(statistics.clicks[row].sum()),
            retained=float(statistics.own.examined[row]) / examined if examined else 1.0,
            prior=prior,
            click_rate=float(self.beta.mean[row]),
            low=float(low[0]),
            high=float(high[0]),
            value=self._value(row),
            draws=[round(float(draw), 6) for draw in self.draws[row]],
            slots=shares,
            baseline=next((slot for slot, shown_item in self.layout.baseline.items() if shown_item == item), ""),
            rules=self.bound.effects(int(self.bound.rows[row])),
            shelves=self.shelf_shares.get(item, {}),
        )

    def _value(self, row: int) -> Value | None:
        value = self.statistics.click_value
        if value is None:
            return None
        rate, amount = float(value.buying.mean[row]), float(value.amount[row])
        return Value(value.click, rate, amount, float(value.earned[row]), float(value.mean[row]))


def _shelf_shares(layout: Layout, page: Page) -> dict[str, dict[str, float]]:
    """Of each candidate, the shelves that may show it with the share of slates in which each of them does."""
    shares: dict[str, dict[str, float]] = {}
    for shelf in () if page.rules.shelves is UNSET else page.rules.shelves:
        for item in page.candidates.by_shelf.get(shelf.name, ()):
            shares.setdefault(item, {})[shelf.name] = 0.0
    row_of = page.rules.row_of
    for slate, rows, chance in zip(layout.slates, layout.rows or (), slate_chances(layout), strict=False):
        for slot, item in slate.items():
            of_item, standing = shares.setdefault(item, {}), rows[row_of[slot]]
            of_item[standing] = of_item.get(standing, 0.0) + chance
    return shares


def _priors(
    statistics: Statistics, item_features: ItemFeatures | None, segment: str, weighted_counts: WeightedCounts
) -> list[Prior]:
    arms = len(statistics.items)
    means, weights = (np.broadcast_to(value, arms).tolist() for value in statistics.prior)
    if item_features is None:
        return [Prior(mean, weight, mean, {}, 0.0, 1.0, 1.0) for mean, weight in zip(means, weights, strict=True)]
    arm_priors = weighted_counts.priors(item_features, segment, statistics.own)
    parts, text, picture = _parts(item_features, segment, statistics.items)
    base = item_features.parameters.click_rate
    variances, factors = arm_priors.variance.tolist(), arm_priors.factor.tolist()
    return [
        Prior(means[row], weights[row], base, parts[row], text[row], variances[row], factors[row], picture[row])
        for row in range(arms)
    ]


def _parts(
    item_features: ItemFeatures, segment: str, items: Sequence[str]
) -> tuple[list[dict[str, float]], list[float], list[float]]:
    """What each feature adds for each of the arms `items`, and what text and picture add, on the logit scale."""
    parameters: PolicyParameters = item_features.parameters
    fit = parameters.segments.get(segment)
    own = fit.weights if fit else {}
    weights = [parameters.weights.get(name, 0.0) + own.get(name, 0.0) for name in item_features.features.names]
    products = item_features.features.values * np.array(weights, dtype=np.float64)
    parts = [
        {name: round(part, 4) for name, part in zip(item_features.features.names, row, strict=True) if abs(part) > 5e-5}
        for row in products.tolist()
    ]
    if fit and fit.base:
        for row in parts:
            row["segment"] = round(fit.base, 4)
    for row, added in zip(parts, affinity_scores(parameters, segment, items).tolist(), strict=True):
        if abs(added) > 5e-5:
            row["affinity"] = round(added, 4)
    text, picture = (
        _added(item_features, segment, kind, vectors)
        for kind, vectors in (("text", item_features.vectors), ("picture", item_features.pictures))
    )
    return parts, text, picture


def _added(item_features: ItemFeatures, segment: str, kind: str, vectors: Floats | None) -> list[float]:
    """What the vectors of a kind add for each arm."""
    added = np.zeros(len(item_features.features.values))
    if vectors is not None:
        for weights in weights_of(item_features.parameters, segment, kind, vectors.shape[1]):
            added = added + vectors @ weights
    return [round(float(part), 4) for part in added]
