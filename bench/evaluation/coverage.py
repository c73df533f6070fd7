"""Whether intervals keep their word: over many simulated logs, and over experiments that are always looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.estimates import DEFAULTS, TARGETS, Plan, Reward, Target, Valued, simulated, value, world
from policy.arrays import Ints
from policy.assignment import BINS
from policy.experiments.sample_ratio import sample_ratio
from policy.experiments.sequence import METRICS, Sides, uplift

REWARDS: tuple[Reward, ...] = "click", "revenue"


@dataclass(slots=True)
class Tally:
    """One estimator of one target and reward over logs; widths are beside the target's own log of the same size."""

    logs: int = 0
    refused: int = 0
    covered: int = 0
    lacking: list[float] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def add(self, found: Valued, estimator: str) -> None:
        """Count one log."""
        estimate, own = found.estimates[estimator], found.on_policy
        self.logs += 1
        self.lacking.append(estimate.lacking)
        if estimate.refused:
            self.refused += 1
            return
        self.covered += estimate.low <= found.truth <= estimate.high
        self.widths.append((estimate.high - estimate.low) / (own.high - own.low))

    @property
    def coverage(self) -> float:
        """Of the logs that were not refused; `nan` where all were."""
        return self.covered / len(self.widths) if self.widths else np.nan

    def told(self) -> dict[str, float | int | None]:
        """As JSON has it."""
        known = bool(self.widths)
        return {
            "refusal_rate": round(self.refused / self.logs, 4),
            "lacking": round(float(np.mean(self.lacking)), 4),
            "coverage": round(self.coverage, 4) if known else None,
            "width_to_on_policy": round(float(np.median(self.widths)), 3) if known else None,
        }


class Key(NamedTuple):
    """What a tally is of."""

    target: Target
    reward: Reward
    estimator: str


def coverage(logs: int, seed: int, plan: Plan, on_log: Callable[[], None] = lambda: None) -> dict[Key, Tally]:
    """Each default on each target of `logs` simulated logs."""
    tallies: dict[Key, Tally] = {}
    for number in range(logs):
        random = np.random.default_rng([seed, number])
        page = world(random, plan)
        parts = list(simulated(random, page, plan, TARGETS))
        for at, target in enumerate(TARGETS):
            for reward in REWARDS:
                found = value(random, page, parts, at, reward, plan)
                for estimator in DEFAULTS:
                    tallies.setdefault(Key(target, reward, estimator), Tally()).add(found, estimator)
        on_log()
    return tallies


def summary(tallies: dict[Key, Tally]) -> dict[str, Any]:
    """The smallest coverage of any default for targets near the one served, and every figure beside it.

    A default that is refused on most logs is offered on too few to be counted;
    `refusal_rate` is that of the first.
    """
    near = {key: tally for key, tally in tallies.items() if key.target.near}
    offered = {key: tally for key, tally in near.items() if 2 * tally.refused <= tally.logs}
    counted = {reward: [t.coverage for key, t in offered.items() if key.reward == reward] for reward in REWARDS}
    refusals = [tally.refused / tally.logs for key, tally in near.items() if key.estimator == DEFAULTS[0]]
    return {
        **{f"coverage_{reward}": round(min(found, default=np.nan), 4) for reward, found in counted.items()},
        "refusal_rate": round(float(np.mean(refusals)), 4),
        "targets": [
            {**key.target._asdict(), "reward": key.reward, "estimator": key.estimator, **tally.told()}
            for key, tally in tallies.items()
        ],
    }


def false_alarms(
    experiments: int, looks: int, seed: int, on_experiment: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Share of experiments without any effect in which a look, one of all, found one at a level of 95 %.

    By outcome, and for the split of units (`sample_ratio`).
    """
    fooled: dict[str, int] = dict.fromkeys((*METRICS, "sample_ratio"), 0)
    for number in range(experiments):
        for name in _fooled(np.random.default_rng([seed, 1, number]), looks):
            fooled[name] += 1
        on_experiment()
    return {name: round(count / experiments, 4) for name, count in fooled.items()}


def _fooled(random: np.random.Generator, looks: int, units: int = 3_000, share: float = 0.1) -> set[str]:
    """Which figures of one experiment found an effect that is not there, at any look."""
    held, bins = random.random(units) < share, random.integers(0, BINS, units)
    often, taste = random.gamma(0.5, 2.0, units), np.minimum(0.9, 0.1 * random.gamma(2.0, 0.5, units))
    known = np.zeros(units, dtype=np.bool_)
    total, found = Sides(np.zeros((BINS, 5), dtype=np.int64), np.zeros((BINS, 5), dtype=np.int64)), set()
    for _ in range(looks):
        views = random.poisson(often * 60.0 / looks)
        clicks = random.binomial(views, taste)
        orders = random.binomial(clicks, 0.05)
        revenue = (orders * random.lognormal(7.5, 0.8, units)).astype(np.int64)
        columns = (views, (views > 0) & ~known, clicks, orders, revenue)
        known |= views > 0
        total = Sides(*(had + _binned(bins, columns, side) for had, side in zip(total, (~held, held), strict=True)))
        for name, column in METRICS.items():
            one = uplift(total, column)
            if one.low > 0.0 or one.high < 0.0:
                found.add(name)
        if sample_ratio(total, share).p_value < 0.05:
            found.add("sample_ratio")
    return found


def _binned(bins: Ints, columns: Sequence[NDArray[Any]], side: NDArray[np.bool_]) -> Ints:
    return np.stack([np.bincount(bins[side], one[side], BINS) for one in columns], axis=1).astype(np.int64)
