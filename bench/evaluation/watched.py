"""Whether the intervals of an evaluation that is always looked at hold, over simulated logs without any gain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from bench.evaluation.estimates import HOLDOUT
from bench.evaluation.watched_log import REWARDS, Part, WatchedPlan, simulated
from policy.arrays import Floats
from policy.evaluation.decisions import Decisions, compare
from policy.evaluation.estimators import Estimate, Evidence
from policy.evaluation.ratio import Ratio
from policy.evaluation.reward_model import FOLDS, expected_reward, fold_of
from policy.model.examination import examination, fit_examination
from reshelf.evaluation.page_values import EARLY_CLICKS

WATCHED = ("position-based", "item-position", "doubly-robust", "cluster-corrected", "interaction", "ips", "snips")
"""What is right on these logs.  `clipped` is `ips` there, and `direct` has no bounds that hold."""
FIGURES = ("value", "gain")
Key = tuple[str, str, str]
"""Reward, estimator and figure."""


class Look(NamedTuple):
    """The evidence at a look by reward and estimator, and by reward what was served earned, and the truth."""

    evidence: Mapping[tuple[str, str], Evidence]
    served: Mapping[str, Ratio]
    truth: Mapping[str, float]


class Follower:
    """As `reshelf.evaluation.page_values.GrowingPage` counts: each piece by what is known of the page by then."""

    def __init__(self, plan: WatchedPlan) -> None:
        self._plan = plan
        self._sums = np.zeros((1 + len(REWARDS), FOLDS * plan.items * plan.slots))
        self._start = examination([str(slot) for slot in range(plan.slots)], {})
        self._early: list[Part] | None = []
        self._empty()

    def _empty(self) -> None:
        self.evidence: dict[tuple[str, str], Evidence] = {}
        self.served: dict[str, Ratio] = {reward: Ratio.empty() for reward in REWARDS}

    def add(self, piece: Part) -> None:
        """Count page views of one layout."""
        pieces = [piece]
        self._sum_up(piece)
        if self._early is not None:
            pieces = self._early = [*self._early, piece]
            self._empty()
        impressions, *earned = self._sums.reshape(1 + len(REWARDS), FOLDS, self._plan.items, self._plan.slots)
        curve = fit_examination(impressions.sum(axis=0), earned[0].sum(axis=0), self._start)
        models = [expected_reward(impressions, sums, curve) for sums in earned]
        for those in pieces:
            self._count(those, curve, models)
        if earned[0].sum() >= EARLY_CLICKS:
            self._early = None

    def _sum_up(self, piece: Part) -> None:
        plan, size = self._plan, self._sums.shape[1]
        cells = fold_of(piece.bins)[:, None] * plan.items * plan.slots
        cells = (cells + piece.served[piece.rows] * plan.slots + np.arange(plan.slots)).ravel()
        self._sums[0] += np.bincount(cells, minlength=size)
        for at, rewards in enumerate(piece.rewards, start=1):
            self._sums[at] += np.bincount(cells, rewards.ravel(), size)

    def _count(self, piece: Part, curve: Floats, models: Sequence[Floats]) -> None:
        variants, slots = len(piece.served) - 1, np.arange(self._plan.slots)
        chance = np.array([(1.0 - HOLDOUT) / variants] * variants + [HOLDOUT])
        even = np.full(len(piece.target), 1.0 / len(piece.target))
        chances = compare(piece.served, chance, piece.target, even, curve, ladder=self._plan.ladder).at(piece.rows)
        folds, learned = fold_of(piece.bins), ~piece.held
        ones = np.ones(np.count_nonzero(learned))
        for reward, earned, model in zip(REWARDS, piece.rewards, models, strict=True):
            expected = model[folds[:, None], piece.served[piece.rows], slots]
            of_target = model[:, piece.target, slots].mean(axis=1)[folds]
            decisions = Decisions(piece.bins, earned, chances, expected, of_target)
            for name in WATCHED:
                key, more = (reward, name), Evidence.of(name, decisions)
                self.evidence[key] = self.evidence[key] + more if key in self.evidence else more
            self.served[reward] += Ratio.of(piece.bins[learned], earned[learned].sum(axis=1), ones, ones)


def looks(parts: Sequence[Part], plan: WatchedPlan) -> Iterator[Look]:
    """A log as it grows, look by look."""
    follower, views, worth = Follower(plan), 0, np.zeros(len(REWARDS))
    for part in parts:
        ends = np.linspace(0, len(part.rows), plan.looks // plan.layouts + 1).astype(np.int64)
        for begin, end in pairwise(ends.tolist()):
            rows = slice(begin, end)
            follower.add(
                part._replace(
                    bins=part.bins[rows], held=part.held[rows], rows=part.rows[rows], rewards=part.rewards[:, rows]
                )
            )
            views, worth = views + end - begin, worth + part.truth * (end - begin)
            yield Look(follower.evidence, follower.served, dict(zip(REWARDS, (worth / views).tolist(), strict=True)))


@dataclass(slots=True)
class Watch:
    """A figure over runs: in how many some look left the truth out, and the last one had it; by kind of interval."""

    left: int = 0
    bounded: int = 0
    covered: int = 0
    widths: list[float] = field(default_factory=list)

    def add(self, bounds: Sequence[tuple[float, float]], truths: Sequence[float]) -> None:
        """Take over a run; `bounds` are those of each look."""
        inside = [low <= truth <= high for (low, high), truth in zip(bounds, truths, strict=True)]
        low, high = bounds[-1]
        self.left += not all(inside)
        if np.isfinite(high):
            self.bounded += 1
            self.covered += inside[-1]
            self.widths.append(high - low)


def watched(
    runs: int, seed: int, plan: WatchedPlan, on_run: Callable[[], None] = lambda: None
) -> dict[tuple[Key, bool], Watch]:
    """Each figure over `runs` logs, with intervals for one look (False) and for all looks (True)."""
    watches: dict[tuple[Key, bool], Watch] = {}
    for number in range(runs):
        bounds: dict[tuple[Key, bool], list[tuple[float, float]]] = {}
        truths: dict[Key, list[float]] = {}
        for look in looks(simulated(np.random.default_rng([seed, 2, number]), plan), plan):
            for (reward, name), evidence in look.evidence.items():
                truth = {"value": look.truth[reward], "gain": 0.0}
                for always in (False, True):
                    estimate = evidence.estimate(always_valid=always, served=look.served[reward])
                    for figure, pair in _bounds(estimate, evidence.ratio.informative).items():
                        bounds.setdefault(((reward, name, figure), always), []).append(pair)
                for figure in FIGURES:
                    truths.setdefault((reward, name, figure), []).append(truth[figure])
        for key, pairs in bounds.items():
            watches.setdefault(key, Watch()).add(pairs, truths[key[0]])
        on_run()
    return watches


def _bounds(estimate: Estimate, informative: bool) -> dict[str, tuple[float, float]]:
    """Both kinds are compared at the same looks: those at which the one for all looks says anything."""
    value = (estimate.low, estimate.high) if informative else (-np.inf, np.inf)
    return {"value": value, "gain": (estimate.gain_low, estimate.gain_high)}


def summary(watches: Mapping[tuple[Key, bool], Watch], runs: int) -> dict[str, Any]:
    """The worst figure first, and every figure with it.

    One that has bounds at the end of few runs is not counted for coverage, which is None where there is no other.
    """
    always, single = ({key: watch for (key, kind), watch in watches.items() if kind is want} for want in (True, False))
    return {
        "watched_false_rate": max(watch.left for watch in always.values()) / runs,
        "single_look_false_rate": max(watch.left for watch in single.values()) / runs,
        "coverage": _least_coverage(always.values(), runs),
        "single_look_coverage": _least_coverage(single.values(), runs),
        "figures": [_figure(key, watch, single[key], runs) for key, watch in always.items()],
    }


def _least_coverage(watches: Iterable[Watch], runs: int) -> float | None:
    return min((round(_coverage(watch), 4) for watch in watches if 2 * watch.bounded >= runs), default=None)


def _coverage(watch: Watch) -> float:
    return watch.covered / watch.bounded if watch.bounded else np.nan


def _figure(key: Key, always: Watch, single: Watch, runs: int) -> dict[str, Any]:
    informative = bool(always.widths and single.widths)
    return {
        **dict(zip(("reward", "estimator", "figure"), key, strict=True)),
        "watched_false_rate": always.left / runs,
        "single_look_false_rate": single.left / runs,
        "coverage": round(_coverage(always), 4) if informative else None,
        "single_look_coverage": round(_coverage(single), 4) if informative else None,
        "bounded": always.bounded / runs,
        "width_to_single_look": round(float(np.median(always.widths) / np.median(single.widths)), 3)
        if informative
        else None,
    }
