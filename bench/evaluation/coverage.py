"""Whether intervals are right as often as they claim, over simulated logs and experiments that are analysed often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.estimates import DEFAULTS, TARGETS, Plan, Reward, Target, simulated, value, world
from policy.arrays import Ints
from policy.assignment import BINS
from policy.evaluation.estimators import Estimate
from policy.evaluation.ratio import Interval
from policy.experiments.sample_ratio import sample_ratio
from policy.experiments.sequence import METRICS, Sides, uplift

REWARDS: tuple[Reward, ...] = "click", "revenue"


@dataclass(slots=True)
class Tally:
    """An estimator of one target and reward over logs.

    Errors are relative to the true value, widths to the interval of the target's own log of the same size.
    """

    logs: int = 0
    refused: int = 0
    covered: int = 0
    lacking: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def add(self, truth: float, estimate: Estimate, own: Interval) -> None:
        """Count one log."""
        self.logs += 1
        self.lacking.append(estimate.lacking)
        if estimate.refused:
            self.refused += 1
            return
        self.covered += estimate.low <= truth <= estimate.high
        self.errors.append(estimate.value / truth - 1.0)
        self.widths.append((estimate.high - estimate.low) / (own.high - own.low))

    @property
    def coverage(self) -> float:
        """Of the logs that were not refused; `nan` where all were."""
        return self.covered / len(self.widths) if self.widths else np.nan

    def figures(self) -> dict[str, float | int | None]:
        """As JSON has it."""
        informative = bool(self.widths)
        return {
            "refusal_rate": round(self.refused / self.logs, 4),
            "lacking": round(float(np.mean(self.lacking)), 4),
            "coverage": round(self.coverage, 4) if informative else None,
            "error": round(float(np.sqrt(np.mean(np.square(self.errors)))), 4) if informative else None,
            "bias": round(float(np.mean(self.errors)), 4) if informative else None,
            "width_to_on_policy": round(float(np.median(self.widths)), 3) if informative else None,
        }


class Key(NamedTuple):
    """What a tally is of; `texts` say how much they tell, where the estimator goes by them."""

    target: Target
    reward: Reward
    estimator: str
    texts: str


def coverage(logs: int, seed: int, plan: Plan, on_log: Callable[[], None] = lambda: None) -> dict[Key, Tally]:
    """Each default, and the estimator that goes by texts, on each target of `logs` simulated logs."""
    tallies: dict[Key, Tally] = {}
    for number in range(logs):
        random = np.random.default_rng([seed, number])
        page = world(random, plan)
        parts = list(simulated(random, page, plan, TARGETS))
        for at, target in enumerate(TARGETS):
            for reward in REWARDS:
                valued = value(random, page, parts, at, reward, plan)
                for (estimator, texts), estimate in valued.estimates.items():
                    tally = tallies.setdefault(Key(target, reward, estimator, texts), Tally())
                    tally.add(valued.truth, estimate, valued.on_policy)
        on_log()
    return tallies


def summary(tallies: dict[Key, Tally]) -> dict[str, Any]:
    """The smallest coverage of any default for targets near the one served, and every figure with it.

    A default that is refused on most logs is offered on too few to be counted;
    `refusal_rate` is that of the first.
    """
    near = {key: tally for key, tally in tallies.items() if key.target.near and key.estimator in DEFAULTS}
    offered = {key: tally for key, tally in near.items() if 2 * tally.refused <= tally.logs}
    counted = {reward: [t.coverage for key, t in offered.items() if key.reward == reward] for reward in REWARDS}
    refusals = [tally.refused / tally.logs for key, tally in near.items() if key.estimator == DEFAULTS[0]]
    return {
        **{f"coverage_{reward}": round(min(shares, default=np.nan), 4) for reward, shares in counted.items()},
        "refusal_rate": round(float(np.mean(refusals)), 4),
        "targets": [
            {
                **key.target._asdict(),
                "reward": key.reward,
                "estimator": key.estimator,
                "texts": key.texts or None,
                **tally.figures(),
            }
            for key, tally in tallies.items()
        ],
    }


def false_alarms(
    experiments: int, analyses: int, seed: int, on_experiment: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Share of experiments without any effect in which any analysis reports one at a level of 95 %.

    By outcome, and for the split of units (`sample_ratio`).
    """
    fooled: dict[str, int] = dict.fromkeys((*METRICS, "sample_ratio"), 0)
    for number in range(experiments):
        for name in _fooled(np.random.default_rng([seed, 1, number]), analyses):
            fooled[name] += 1
        on_experiment()
    return {name: round(count / experiments, 4) for name, count in fooled.items()}


def _fooled(random: np.random.Generator, analyses: int, units: int = 3_000, share: float = 0.1) -> set[str]:
    """Which figures of one experiment report an effect that does not exist, in any analysis."""
    held, bins = random.random(units) < share, random.integers(0, BINS, units)
    often, taste = random.gamma(0.5, 2.0, units), np.minimum(0.9, 0.1 * random.gamma(2.0, 0.5, units))
    visited = np.zeros(units, dtype=np.bool_)
    total, alarms = Sides(np.zeros((BINS, 6), dtype=np.int64), np.zeros((BINS, 6), dtype=np.int64)), set()
    for _ in range(analyses):
        views = random.poisson(often * 60.0 / analyses)
        clicks = random.binomial(views, taste)
        orders = random.binomial(clicks, 0.05)
        revenue = (orders * random.lognormal(7.5, 0.8, units)).astype(np.int64)
        columns = (views, (views > 0) & ~visited, clicks, orders, revenue, np.zeros_like(views))
        visited |= views > 0
        total = Sides(*(had + _binned(bins, columns, side) for had, side in zip(total, (~held, held), strict=True)))
        for name, column in METRICS.items():
            interval = uplift(total, column)
            if interval.low > 0.0 or interval.high < 0.0:
                alarms.add(name)
        if sample_ratio(total, share).p_value < 0.05:
            alarms.add("sample_ratio")
    return alarms


def _binned(bins: Ints, columns: Sequence[NDArray[Any]], side: NDArray[np.bool_]) -> Ints:
    return np.stack([np.bincount(bins[side], column[side], BINS) for column in columns], axis=1).astype(np.int64)
