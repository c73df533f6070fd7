"""What a target policy would have earned per page view, from decisions that another policy made.

Every estimator turns each page view into a numerator, a denominator and a weight,
and ends in a `Ratio`, so that its statistic can be merged, its interval is
clustered by unit, and a further estimator is one function and a row in
`ESTIMATORS`.  Rewards of a page are the sum over its slots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.assignment import BINS
from policy.defaults import LEVEL
from policy.evaluation.clusters import UNSUPPORTED
from policy.evaluation.decisions import Decisions
from policy.evaluation.gain import gain
from policy.evaluation.ratio import Interval, Ratio

CLIP = 10.0
NO_GAIN = Interval(np.nan, -1.0, np.inf)


NEEDS = {
    "items": "items in slots",
    "prefixes": "slots up to each one together",
    "slates": "whole slates",
    "anywhere": "items in any slot",
    "clusters": "clusters of items in slots",
}


class Terms(NamedTuple):
    """What each page view adds, float64[N] each."""

    numerator: Floats
    denominator: Floats
    weight: Floats


Rule = Callable[[Decisions], Terms]


def replay(decisions: Decisions) -> Terms:
    """Page views on which both policies agree: Li, Chu, Langford and Wang (2011), algorithm 2.

    Unbiased where the log was drawn uniformly.  A target that draws agrees with the
    probability of what was shown.
    """
    agree = decisions.chances.target_prefix[:, -1]
    return Terms(agree * _earned(decisions), agree, agree)


def ips(decisions: Decisions, clip: float = np.inf) -> Terms:
    """Inverse propensity scoring of whole slates: Horvitz and Thompson (1952).

    With a `clip` weights count for at most that (Bottou et al. 2013):
    less variance, and too low a value where it matters.
    """
    weight = np.minimum(_whole_weight(decisions), clip)
    return Terms(weight * _earned(decisions), np.ones(len(weight)), weight)


def snips(decisions: Decisions) -> Terms:
    """Self-normalised inverse propensity scoring: Swaminathan and Joachims (2015)."""
    weight = _whole_weight(decisions)
    return Terms(weight * _earned(decisions), weight, weight)


def direct(decisions: Decisions) -> Terms:
    """The model's word alone: the direct method of Dudík, Langford and Li (2011)."""
    ones = np.ones(len(decisions.bins))
    return Terms(decisions.expected_target.sum(axis=1), ones, ones)


def doubly_robust(decisions: Decisions) -> Terms:
    """The model, corrected by what it missed: Dudík, Langford and Li (2011), slot by slot.

    Weights are those of items in slots.  Where the log lacks what the target
    shows, the model's word stands uncorrected: that part is extrapolated.
    """
    return _corrected(decisions, decisions.chances.target / decisions.chances.logged)


def item_position(decisions: Decisions) -> Terms:
    """Weights of items in slots: Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen (2018).

    "Offline evaluation of ranking policies with click models".  Right where a slot's
    reward depends on its own item alone.
    """
    weight = decisions.chances.target / decisions.chances.logged
    return Terms((weight * decisions.reward).sum(axis=1), np.ones(len(weight)), weight.mean(axis=1))


def cluster_corrected(decisions: Decisions) -> Terms:
    """The model, corrected by what it missed of clusters of items in slots: Saito, Ren and Joachims (2023).

    "Off-policy evaluation for large action spaces via conjunct effect modeling"; the weights are those of Saito
    and Joachims (2022), "Off-policy evaluation for large action spaces via embeddings".  Right where the model
    is right about how items of the same cluster differ; biased by what it is wrong about there.
    """
    return _corrected(decisions, decisions.chances.target_cluster / decisions.chances.logged_cluster)


def position_based(decisions: Decisions) -> Terms:
    """Weights of items in any slot, by how often they are looked at: the same paper's, for the position-based model.

    Right where an item earns by being looked at, wherever it stands.  It needs only
    that the log shows an item at all, and the slots' examination.
    """
    weight = decisions.chances.target_anywhere / decisions.chances.logged_anywhere
    return Terms((weight * decisions.reward).sum(axis=1), np.ones(len(weight)), weight.mean(axis=1))


def interaction(decisions: Decisions) -> Terms:
    """Reward-interaction weights: McInerney, Brost, Chandar, Mehrotra and Carterette (2020).

    Right where a slot's reward depends on its own item and those before it.
    """
    weight = decisions.chances.target_prefix / decisions.chances.logged_prefix
    return Terms((weight * decisions.reward).sum(axis=1), np.ones(len(weight)), weight.mean(axis=1))


def _corrected(decisions: Decisions, weight: Floats) -> Terms:
    corrected = decisions.expected_target + weight * (decisions.reward - decisions.expected)
    return Terms(corrected.sum(axis=1), np.ones(len(weight)), weight.mean(axis=1))


def _whole_weight(decisions: Decisions) -> Floats:
    weight: Floats = decisions.chances.target_prefix[:, -1] / decisions.chances.logged_prefix[:, -1]
    return weight


def _earned(decisions: Decisions) -> Floats:
    earned: Floats = decisions.reward.sum(axis=1)
    return earned


@dataclass(frozen=True, slots=True)
class Estimator:
    """A rule, and of which probability the log must not lack more than `UNSUPPORTED`.

    `extrapolates`: it has a model for what is lacking, and is not refused.  `corrected`: what the log says
    corrects the model, if there is one.
    """

    rule: Rule
    needs: Literal["items", "prefixes", "slates", "anywhere", "clusters"]
    extrapolates: bool = False
    corrected: bool = True


ESTIMATORS: Mapping[str, Estimator] = {
    "replay": Estimator(replay, "slates"),
    "ips": Estimator(ips, "slates"),
    "clipped": Estimator(partial(ips, clip=CLIP), "slates"),
    "snips": Estimator(snips, "slates"),
    "direct": Estimator(direct, "items", extrapolates=True, corrected=False),
    "doubly-robust": Estimator(doubly_robust, "items", extrapolates=True),
    "item-position": Estimator(item_position, "items"),
    "cluster-corrected": Estimator(cluster_corrected, "clusters"),
    "position-based": Estimator(position_based, "anywhere"),
    "interaction": Estimator(interaction, "prefixes"),
}


class Estimate(NamedTuple):
    """A value per page view with its interval; `refused` says why there is none.

    `lacking` is the share of the target's probability that the log cannot
    support, and `extrapolated` that a model stands in for more of it than is borne;
    `effective_size` counts page views of equal weight.  `gain` is relative to what the served policy
    earned, with its own interval; `nan`, -1 or inf where that is unknown.
    """

    estimator: str
    value: float
    low: float
    high: float
    effective_size: float
    lacking: float
    extrapolated: bool = False
    refused: str = ""
    gain: float = np.nan
    gain_low: float = -1.0
    gain_high: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that an estimator keeps of a log: two of the same estimator are merged by adding."""

    estimator: str
    ratio: Ratio
    lacking: Floats
    """Float64[3]: the sum of what page views lack, their number, and the sum of what others of a cluster stand for."""

    @classmethod
    def of(cls, estimator: str, decisions: Decisions, size: int = BINS) -> Evidence:
        """What some decisions say."""
        method = ESTIMATORS[estimator]
        ratio = Ratio.of(decisions.bins, *method.rule(decisions), size=size)
        share = getattr(decisions.chances.lacking, method.needs)
        borrowed = decisions.chances.lacking.items.sum() if method.needs == "clusters" else 0.0
        return cls(estimator, ratio, np.array([share.sum(), len(share), borrowed]))

    def __add__(self, other: Evidence) -> Evidence:
        if self.estimator != other.estimator:
            raise ValueError(f"expected evidence of {self.estimator}, got that of {other.estimator}")
        return Evidence(self.estimator, self.ratio + other.ratio, self.lacking + other.lacking)

    def estimate(self, level: float = LEVEL, *, always_valid: bool = False, served: Ratio | None = None) -> Estimate:
        """The estimate, or the reason why there is none; rewards are not negative, so neither is the lower bound.

        Its interval holds at one look, or with `always_valid` at all looks together at a log that grows: then what
        rests on a model alone has no bounds.  `served` is what the served policy earned on the same page views.
        """
        lacked, views, borrowed = self.lacking.tolist()
        share, size = (lacked / views if views else np.nan), self.ratio.effective_size
        if refused := self._refusal(share):
            return Estimate(self.estimator, np.nan, np.nan, np.nan, size, share, refused=refused)
        extrapolated = share > UNSUPPORTED
        value, low, high = self.ratio.sequence(level) if always_valid else self.ratio.interval(level)
        gained = gain(self.ratio, served, level, always_valid=always_valid) if served is not None else NO_GAIN
        if borrowed > UNSUPPORTED * views:
            # What a model is wrong by is the same for all units: their differences do not tell it.
            gained = Interval(gained.value, -1.0, np.inf)
        if always_valid and (extrapolated or not ESTIMATORS[self.estimator].corrected):
            low, high, gained = -np.inf, np.inf, Interval(gained.value, -1.0, np.inf)
        return Estimate(self.estimator, value, max(0.0, low), high, size, share, extrapolated, "", *gained)

    def _refusal(self, lacking: float) -> str:
        method = ESTIMATORS[self.estimator]
        if lacking > UNSUPPORTED and not method.extrapolates:
            return (
                f"the log never shows {lacking:.1%} of what the policy would show ({NEEDS[method.needs]}; at most "
                f"{UNSUPPORTED:.0%} may lack). Raise policy.variants in the page's rules, or for policies far from the "
                "one that is served set policy.exploration_slates, and log again; doubly-robust has a model instead"
            )
        return "" if self.ratio.filled else "the log has no page views that this estimator can use"
