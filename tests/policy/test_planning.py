"""The plan of an experiment comes true: in so many days the interval that may always be looked at excludes 0."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.experiments.planning import POWER, Pace, needed, pace, share_within
from policy.experiments.sequence import CLICKS, METRICS, ORDERS, REVENUE, Sides, uplift

SHARE, VISITORS, VISITS = 0.3, 500, 4
PACES = st.builds(
    Pace,
    views=st.floats(100.0, 1e6),
    outcomes=st.floats(1.0, 1e4),
    rate=st.floats(0.001, 1.0),
    variance=st.floats(1.0, 1e3),
)


def shop(seed: int, days: int, gain: float = 0.0) -> list[Sides]:
    """What was counted until the end of each day; new visitors come every day, and again on days after it."""
    random = np.random.default_rng(seed)
    units = VISITORS * days
    day = (
        random.integers(0, days, units)[:, None] + random.geometric(0.5, (units, VISITS)) * np.arange(VISITS)
    ).ravel()
    unit = np.repeat(np.arange(units), VISITS)
    held, bins = random.random(units) < SHARE, random.integers(0, 256, units)
    taste = 0.08 * random.gamma(2.0, 0.5, units) * np.where(held, 1.0, 1.0 + gain)
    views = random.poisson(random.gamma(1.0, 1.0, units)[unit])
    clicks = random.binomial(views, np.minimum(0.9, taste)[unit])
    orders = random.binomial(clicks, 0.1)
    revenue = (orders * random.lognormal(7.0, 0.7, len(unit))).astype(np.int64)
    columns = (views, (views > 0).astype(np.int64), clicks, orders, revenue, np.zeros_like(views))

    def side(chosen: bool) -> np.ndarray[tuple[int, int, int], np.dtype[np.int64]]:
        rows = (held[unit] == chosen) & (day < days)
        cell = day[rows] * 256 + bins[unit][rows]
        sums = np.stack([np.bincount(cell, column[rows], days * 256) for column in columns], axis=1)
        return sums.astype(np.int64).reshape(days, 256, 6).cumsum(axis=0)

    return [Sides(*both) for both in zip(side(False), side(True), strict=True)]


@pytest.mark.parametrize(("goal", "gain"), [("clicks", 0.15), ("orders", 0.5)])
def test_an_effect_is_found_in_the_days_that_were_planned(goal: str, gain: float) -> None:
    column, pilot = METRICS[goal], 20
    own = pace(shop(1_000, pilot)[-1], column, pilot)
    assert own is not None
    plan = needed(own, SHARE, gain)
    horizon = math.ceil(2.0 * plan.days)
    found = []
    for seed in range(120):
        looks = [uplift(sides, column) for sides in shop(seed, horizon, gain)]
        found.append(next((day for day, look in enumerate(looks, start=1) if look.low > 0.0), horizon + 1))
    assert np.quantile(found, POWER) == pytest.approx(plan.days, rel=0.2)
    assert np.median(found) == pytest.approx(plan.half, rel=0.2)


@given(PACES, st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.floats(1.1, 3.0))
def test_more_traffic_and_larger_effects_take_fewer_days(own: Pace, share: float, effect: float, more: float) -> None:
    plan = needed(own, share, effect)
    assert 0.0 < plan.half <= plan.days
    assert needed(own, 1.0 - share, effect) == pytest.approx(plan)
    busier = own._replace(views=own.views * more, outcomes=own.outcomes * more)
    assert needed(busier, share, effect) == pytest.approx(tuple(days / more for days in plan))
    assert needed(own, share, effect * more).days < plan.days * 1.02
    assert needed(own, share, effect, level=0.99).days > plan.days * 0.98


@given(PACES, st.floats(1.0, 1_000.0))
def test_the_smallest_share_within_the_days_is_taken(own: Pace, days: float) -> None:
    share = share_within(own, days, 0.05)
    if share is None:
        assert needed(own, 0.5, 0.05).days > days - 1.0
        return
    assert math.ceil(needed(own, share, 0.05).days) <= days
    assert share == 0.01 or math.ceil(needed(own, share - 0.01, 0.05).days) > days


def test_too_little_is_no_plan() -> None:
    sides = shop(1, 10)[-1]
    assert pace(sides, CLICKS, 10) is not None
    few = [side.copy() for side in sides]
    for side in few:
        side[:, ORDERS] = np.arange(256) < 20
    assert pace(Sides(*few), REVENUE, 10) is None
    narrow = [side.copy() for side in sides]
    for side in narrow:
        side[31:] = 0
    assert pace(Sides(*narrow), CLICKS, 10) is None
