"""What a page's decisions say of a policy: sums of the whole log first, then each estimator's evidence.

A log that is there is read twice and never held.  Of one that grows, each part is judged by the sums
of all that came until then, and not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from policy.arrays import EMPTY, Bools, Floats, Ints
from policy.evaluation.clusters import alone
from policy.evaluation.decisions import Comparison, Decisions
from policy.evaluation.estimators import ESTIMATORS, Estimate, Evidence
from policy.evaluation.ratio import Ratio
from policy.evaluation.reward_model import FOLDS, expected_reward, fold_of
from policy.model.examination import examination, fit_examination
from policy.model.visits.lowering import Lowering
from policy.slates.alike import Alike
from reshelf.evaluation.arrays import REWARDS, Batch, ListedViews, PageNames, PageViews, Reward, Target, batches
from reshelf.evaluation.join import View

SIDES = ("learned", "holdout")
EARLY_CLICKS = 300.0
"""Ten times the clicks that a slot's curve starts with (`policy.model.examination.CURVE_CLICKS`)."""
EARLY_VIEWS = 20_000
"""As many page views are held, at most, while there are fewer clicks."""
Clustering = Callable[[Sequence[str]], Ints]
"""The ladder of clusters of some items (`policy.evaluation.clusters`)."""
Above = Callable[[Sequence[str]], Lowering | None]
"""What is in force on the page below clicks, and below items of the same category, for some items."""


def unlike(items: Sequence[str]) -> Ints:
    """Where nothing is known of items each is alone."""
    return alone(len(items))


def nothing_above(items: Sequence[str]) -> Lowering | None:
    """Where slots do not bear on each other."""
    return None


class PageSums(NamedTuple):
    """What the whole log of a page says of its slots and items.

    `curve` [S] is the slots' examination, fitted to the log; `filled` bool[S] which slots the log fills;
    `models` are what each item is expected to earn by fold, item and slot, and 0 behind the items.
    `ladder` has clusters of the items, and `alike` which of them take clicks from each other.
    """

    curve: Floats
    filled: Bools
    models: Mapping[Reward, Floats]
    ladder: Ints
    alike: Alike | None = None


@dataclass(slots=True)
class _Sums:
    """Impressions and clicks by segment, [2, A * S]; impressions and rewards by fold, [1 + 3, K * A * S]."""

    names: PageNames = field(default_factory=PageNames.empty)
    by_segment: dict[int, Floats] = field(default_factory=dict)
    by_fold: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.by_fold = np.zeros((1 + len(REWARDS), FOLDS * self.cells))

    @property
    def cells(self) -> int:
        return len(self.names.items) * len(self.names.slots)

    @property
    def clicks(self) -> float:
        return float(sum(sums[1].sum() for sums in self.by_segment.values()))

    def widened(self, names: PageNames) -> _Sums:
        """The same sums for names that have all of these, in any order."""
        wider = _Sums(names)
        rows = np.array([names.items[item] for item in self.names.items], dtype=np.int64)
        columns = np.array([names.slots.index(slot) for slot in self.names.slots], dtype=np.int64)
        cells = (rows[:, None] * len(names.slots) + columns).ravel()
        places = (np.arange(FOLDS)[:, None] * wider.cells + cells).ravel()
        wider.by_fold[:, places] = self.by_fold
        for segment, sums in self.by_segment.items():
            wider.by_segment[segment] = np.zeros((2, wider.cells))
            wider.by_segment[segment][:, cells] = sums
        return wider

    def add(self, batch: Batch) -> None:
        width = len(self.names.slots)
        places = batch.served * width + np.arange(width)
        filled = batch.served != EMPTY
        folds = fold_of(batch.bins)[:, None] * self.cells + places
        np.add.at(self.by_fold[0], folds[filled], 1.0)
        for at, earned in enumerate(batch.rewards, start=1):
            some = filled & (earned != 0.0)
            np.add.at(self.by_fold[at], folds[some], earned[some])
        clicks = batch.rewards[REWARDS.index("clicks")]
        segments, own = np.unique(batch.segments, return_inverse=True)
        for number, segment in enumerate(segments.tolist()):
            sums = self.by_segment.setdefault(segment, np.zeros((2, self.cells)))
            those = filled & (own == number)[:, None]
            np.add.at(sums[0], places[those], 1.0)
            np.add.at(sums[1], places[those], clicks[those])

    def finish(self, clustering: Clustering, above: Above = nothing_above) -> PageSums:
        """The curve is fitted to items by segment, as in a fit of the page.

        Each segment is shown first what it likes, and for items alone that looks as if nobody
        looked further down.
        """
        width, items = len(self.names.slots), len(self.names.items)
        impressions, clicks = np.stack([sums.reshape(2, items, width) for sums in self.by_segment.values()], axis=1)
        start, items_of_page = examination(self.names.slots, {}), list(self.names.items)
        curve = fit_examination(impressions, clicks, start)
        by_fold, *rewards = self.by_fold.reshape(1 + len(REWARDS), FOLDS, items, width)
        models = {
            reward: np.pad(expected_reward(by_fold, earned, curve), ((0, 0), (0, 1), (0, 0)))
            for reward, earned in zip(REWARDS, rewards, strict=True)
        }
        filled, ladder, lowering = impressions.any(axis=(0, 1)), clustering(items_of_page), above(items_of_page)
        if lowering is not None:
            curve = fit_examination(lowering.lower(impressions, clicks), clicks, start)
        return PageSums(curve, filled, models, ladder, Alike.of(lowering))


def sums_of(
    page: PageViews, names: PageNames, clustering: Clustering = unlike, above: Above = nothing_above
) -> PageSums:
    """The sums of a page."""
    sums = _Sums(names)
    for batch in batches(page.views(), names):
        sums.add(batch)
    return sums.finish(clustering, above)


@dataclass(slots=True)
class PageValues:
    """What was served earned, by reward and side, and the evidence on the target, by reward and estimator."""

    views: int = 0
    layouts: int = 0
    items: int = 0
    clusters: float = 0.0
    """How many there are of the items in each page view, on average over slots; summed up."""
    after_alike: float = 1.0
    """What is left of an item's looks for each item of its category above it, as estimates take it."""
    served: dict[tuple[Reward, str], Ratio] = field(default_factory=dict)
    evidence: dict[tuple[Reward, str], Evidence] = field(default_factory=dict)

    def add(self, batch: Batch, sums: PageSums) -> None:
        """Take over some page views."""
        chances, held = batch.chances(sums.curve, sums.filled, sums.ladder, sums.alike), batch.held
        self.views += len(batch.bins)
        self.items = sums.ladder.shape[1] - 1
        self.after_alike = sums.alike.factor if sums.alike else 1.0
        self.clusters += float(chances.clusters.sum()) / max(1, chances.clusters.shape[1])
        for reward, earned in zip(REWARDS, batch.rewards, strict=True):
            for side, rows in zip(SIDES, (~held, held), strict=True):
                ones = np.ones(rows.sum())
                ratio = Ratio.of(batch.bins[rows], earned[rows].sum(axis=1), ones, ones)
                self.served[reward, side] = self.served.get((reward, side), Ratio.empty()) + ratio
            decisions = decisions_of(batch, chances, earned, sums.models[reward])
            for name in ESTIMATORS:
                key, evidence = (reward, name), Evidence.of(name, decisions)
                self.evidence[key] = self.evidence[key] + evidence if key in self.evidence else evidence

    def as_json(self, level: float, *, always_valid: bool = False) -> dict[str, Any]:
        """The value per page view of what was served, and of the target by each estimator.

        Intervals hold at one look, or with `always_valid` at all looks together at a log that grows.
        """
        return {
            "views": self.views,
            "layouts": self.layouts,
            "items": self.items,
            "clusters": self.clusters / self.views,
            "after_alike": self.after_alike,
            "served": {
                reward: {side: _mean(self.served[reward, side], level, always_valid) for side in SIDES}
                for reward in REWARDS
            },
            "estimates": {
                reward: [estimate_as_json(self._estimate(reward, name, level, always_valid)) for name in ESTIMATORS]
                for reward in REWARDS
            },
        }

    def _estimate(self, reward: Reward, name: str, level: float, always_valid: bool) -> Estimate:
        """The gain is that over learned traffic."""
        served = self.served[reward, SIDES[0]]
        return self.evidence[reward, name].estimate(level, always_valid=always_valid, served=served)


@dataclass(slots=True)
class GrowingPage:
    """A page's log that grows: what of it has come is counted, each part by what is known by then.

    The first page views are judged anew with those that come next, until `EARLY_CLICKS` say how slots are looked at.
    """

    clustering: Clustering = unlike
    above: Above = nothing_above
    values: PageValues = field(default_factory=PageValues)
    _sums: _Sums = field(default_factory=_Sums)
    _segments: dict[str, int] = field(default_factory=dict)
    _early: list[View] | None = field(default_factory=list)

    def add(self, views: Sequence[View], target: Target) -> None:
        """Count at least one page view, all of this page."""
        if self._early is not None:
            views = self._early = [*self._early, *views]
            self.values, self._sums = PageValues(), _Sums(self._sums.names)
        self._count(ListedViews(views, target, self._segments))
        if self._sums.clicks >= EARLY_CLICKS or self.values.views >= EARLY_VIEWS:
            self._early = None

    def _count(self, page: ListedViews) -> None:
        names = PageNames.of(page.layouts(), self._sums.names)
        self._sums = self._sums.widened(names)
        for batch in batches(page.views(), names):
            self._sums.add(batch)
        sums = self._sums.finish(self.clustering, self.above)
        for batch in batches(page.views(), names):
            self.values.add(batch, sums)


def decisions_of(batch: Batch, chances: Comparison, earned: Floats, model: Floats) -> Decisions:
    """The decisions of some page views with one of the rewards."""
    folds, places = fold_of(batch.bins), np.arange(earned.shape[1])
    of_targets = np.array([model[:, slates, places].mean(axis=1) for slates in batch.targets])
    expected = model[folds[:, None], batch.served, places]
    return Decisions(batch.bins, earned, chances, expected, of_targets[batch.of, folds])


def page_values(page: PageViews, clustering: Clustering = unlike, above: Above = nothing_above) -> PageValues:
    """What a page's log says; it has at least one page view."""
    names = PageNames.of(page.layouts())
    sums, values = sums_of(page, names, clustering, above), PageValues(layouts=names.layouts)
    for batch in batches(page.views(), names):
        values.add(batch, sums)
    return values


def _mean(ratio: Ratio, level: float, always_valid: bool) -> dict[str, float | None]:
    value, low, high = ratio.sequence(level) if always_valid else ratio.interval(level)
    return _numbers({"value": value, "low": max(0.0, low) if ratio.filled else np.nan, "high": high})


def estimate_as_json(estimate: Estimate) -> dict[str, Any]:
    """As JSON has it: what is unknown is null."""
    content = estimate._asdict()
    if not np.isfinite(estimate.gain_high):
        content["gain_low"] = np.nan
    words = {name: content.pop(name) for name in ("estimator", "extrapolated", "refused")}
    return {**words, **_numbers(content)}


def _numbers(content: dict[str, float]) -> dict[str, float | None]:
    return {name: float(value) if np.isfinite(value) else None for name, value in content.items()}
