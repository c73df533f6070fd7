"""What follows from an experiment: keep the learned layouts, wait, or stop them; and what they earn in money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from policy.experiments.health import Health
from policy.experiments.planning import Pace, needed
from policy.experiments.sequence import METRICS, Uplift

ORDER = ("revenue", "orders", "clicks")
"""Outcomes by what they count for: the first of which something can be told decides."""
LEAST_EFFECT = 0.002
"""Nobody waits for a smaller difference."""
LONGEST_DAYS = 1_000

Verdict = Literal["invalid", "stop", "keep", "wait", "nothing"]
Held = Literal["any", "unknown", "crossed", "held", "not decided"]


class Decision(NamedTuple):
    """What to do, and by which outcome.

    `days` is how many more it takes until the difference as it looks now is told in four of five cases: None where
    that is decided, not known, or too small to wait for.
    """

    verdict: Verdict
    outcome: str
    days: float | None


class Earned(NamedTuple):
    """Revenue that the learned layouts bring more than the holdout's, in minor units, with its always-valid bounds."""

    mean: float
    low: float
    high: float


def decide(health: Health, paces: Mapping[str, Pace | None], share: float, counted_days: float) -> Decision:
    """What follows from a page's experiment.

    `paces` are by outcome what came in a day of `counted_days`, None where too little did; `share` is that of the
    holdout.
    """
    if health.sample_ratio.alarm:
        return Decision("invalid", "", None)
    if health.crossed:
        return Decision("stop", next(name for name in ORDER if name in health.crossed), None)
    decided = [name for name in ORDER if excludes_nothing(health.uplifts[name])]
    if decided:
        return Decision("keep" if health.uplifts[decided[0]].low > 0.0 else "stop", decided[0], None)
    seen = [name for name in ORDER if math.isfinite(health.uplifts[name].high)]
    if not seen:
        return Decision("nothing", "", None)
    waits = {name: _days(paces.get(name), share, health.uplifts[name].uplift, counted_days) for name in seen}
    expected = {name: days for name, days in waits.items() if days is not None}
    soonest = min(expected, key=lambda name: expected[name], default=seen[-1])
    return Decision("wait", soonest, expected.get(soonest))


def excludes_nothing(uplift: Uplift) -> bool:
    """Whether an interval excludes that there is no difference."""
    return math.isfinite(uplift.high) and not uplift.low <= 0.0 <= uplift.high


def _days(pace: Pace | None, share: float, effect: float, counted_days: float) -> float | None:
    # Two digits: an estimate says no more, and what is drawn for an effect is kept for all that are about the same.
    rounded = float(f"{effect:.1e}")
    if pace is None or abs(rounded) < LEAST_EFFECT or rounded <= -1.0 or not 0.0 < share < 1.0:
        return None
    days = needed(pace, share, rounded).days - counted_days
    return max(1.0, days) if days < LONGEST_DAYS else None


def guard_rail(uplift: Uplift, tolerated: float) -> Held:
    """How a guard-rail stands: held only where the whole interval is above the loss that is tolerated."""
    if tolerated >= 1.0:
        return "any"
    if not math.isfinite(uplift.high):
        return "unknown"
    if uplift.high < -tolerated:
        return "crossed"
    return "held" if uplift.low > -tolerated else "not decided"


def guard_rails(health: Health, tolerated: Mapping[str, float]) -> dict[str, Held]:
    """How each guard-rail stands, by outcome."""
    return {name: guard_rail(health.uplifts[name], tolerated[name]) for name in METRICS}


def earned(health: Health, views: float) -> Earned | None:
    """What so many learned page views bring more than with the holdout's layouts; None where nothing can be told."""
    revenue = health.uplifts["revenue"]
    if health.sample_ratio.alarm or not math.isfinite(revenue.high) or not math.isfinite(revenue.holdout):
        return None
    base = revenue.holdout * views
    return Earned(base * revenue.uplift, base * revenue.low, base * revenue.high)
