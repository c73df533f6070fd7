"""What follows from an experiment: always one of five, and never more than its intervals say."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from policy.experiments.decision import ORDER, decide, earned, guard_rail, guard_rails
from policy.experiments.health import Health
from policy.experiments.planning import Pace
from policy.experiments.sample_ratio import SampleRatio
from policy.experiments.sequence import Uplift

EVEN, ODD = SampleRatio(900, 100, 0.1, 1.0), SampleRatio(900, 300, 0.1, 1e-9)
UNKNOWN = Uplift(0.1, 0.1, 0.0, -1.0, math.inf)
PACE = Pace(10_000.0, 500.0, 0.05, 20.0)


@st.composite
def uplifts(draw: st.DrawFn) -> Uplift:
    """An interval around its estimate, or one that nothing is known of."""
    if draw(st.booleans()):
        return UNKNOWN
    low, mean, high = sorted(
        draw(st.lists(st.sampled_from([-0.2, -0.05, -0.01, 0.01, 0.03, 0.2]), min_size=3, max_size=3))
    )
    return Uplift(0.1, 0.1, mean, low, high)


@given(st.tuples(uplifts(), uplifts(), uplifts()), st.booleans())
def test_a_decision_is_what_intervals_say(three: tuple[Uplift, ...], even: bool) -> None:
    health = Health(dict(zip(ORDER, three, strict=True)), EVEN if even else ODD, {})
    decision = decide(health, dict.fromkeys(ORDER, PACE), 0.1, 2.0)
    if not even:
        assert decision.verdict == "invalid"
        return
    sides = [1 if one.low > 0 else -1 if one.high < 0 else 0 for one in three]
    first = next((side for side in sides if side), 0)
    expected = {1: "keep", -1: "stop", 0: "nothing" if all(one is UNKNOWN for one in three) else "wait"}
    assert decision.verdict == expected[first]
    if first:
        assert decision.outcome == ORDER[[bool(side) for side in sides].index(True)]
    assert decision.days is None or (decision.verdict == "wait" and decision.days >= 1.0)


def test_a_crossed_guard_rail_stops_whatever_else_is_better() -> None:
    better = Uplift(0.1, 0.1, 0.2, 0.1, 0.3)
    health = Health(dict.fromkeys(ORDER, better), EVEN, {"orders": Uplift(0.1, 0.1, -0.2, -0.3, -0.15)})
    assert decide(health, {}, 0.1, 0.0)[:2] == ("stop", "orders")


def test_a_larger_difference_is_not_waited_for_longer() -> None:
    def days(effect: float) -> float:
        one = Uplift(0.1, 0.1, effect, -0.5, 0.5)
        waited = decide(Health(dict.fromkeys(ORDER, one), EVEN, {}), dict.fromkeys(ORDER, PACE), 0.1, 0.0).days
        return math.inf if waited is None else waited

    assert days(0.001) == math.inf
    assert days(0.1) < days(0.03) < math.inf


def test_a_guard_rail_that_an_interval_reaches_beyond_is_not_decided() -> None:
    assert guard_rail(Uplift(0.1, 0.1, 0.0, -0.2, 0.2), 0.1) == "not decided"
    assert guard_rail(Uplift(0.1, 0.1, 0.0, -0.05, 0.2), 0.1) == "held"
    assert guard_rail(Uplift(0.1, 0.1, 0.0, -0.3, -0.2), 0.1) == "crossed"
    assert guard_rail(UNKNOWN, 0.1) == "unknown"
    assert guard_rails(Health(dict.fromkeys(ORDER, UNKNOWN), EVEN, {}), dict.fromkeys(ORDER, 1.0)) == dict.fromkeys(
        ("clicks", "orders", "revenue"), "any"
    )


def test_money_is_the_holdouts_times_the_uplift() -> None:
    health = Health(dict.fromkeys(ORDER, Uplift(60.0, 50.0, 0.2, -0.1, 0.5)), EVEN, {})
    assert earned(health, 1_000.0) == (10_000.0, -5_000.0, 25_000.0)
    assert earned(health._replace(sample_ratio=ODD), 1_000.0) is None
    assert earned(Health(dict.fromkeys(ORDER, UNKNOWN), EVEN, {}), 1_000.0) is None
