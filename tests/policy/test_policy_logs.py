"""What is fitted to logs that the policy itself made, which shows most what it believes in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from policy.simulation.learned import Learned, Setup
from policy.simulation.race import opened, race
from policy.simulation.shop import Shape
from policy.simulation.visits import PositionBased
from tests.all_tests import ALL_TESTS, if_all

PLACE = np.arange(8)
LOOKS = {
    "flat": np.ones(8),
    "logarithmic": 1.0 / np.log2(2.0 + PLACE),
    "steep": (1.0 + PLACE) ** -1.5,
    "bumped": (1.0 + PLACE) ** -0.8 * np.where(PLACE == 4, 2.2, 1.0),
}
CURVES = tuple(LOOKS) if ALL_TESTS else ("flat", "steep")
SPREADS = (0.3, 1.5)
VIEWS = 30_000


@dataclass(frozen=True, slots=True)
class Page(Shape):
    """A page with one of `LOOKS`."""

    looks: str = "flat"

    def click_model(self) -> PositionBased:
        """See `Shape`."""
        return PositionBased(LOOKS[self.looks])


STEADY = Page(segments=8, items=120, slots=8, new=0.0, drift=0.0, bounded=False)


class Fit(NamedTuple):
    """Deviation of the curve's logarithm, weighted by looks; believed over true click rates, of all arms and the tenth
    that was shown most.
    """

    curve: float
    believed: float
    believed_of_shown: float


@cache
def fit(looks: str, spread: float, views: int) -> Fit:
    """What the policy believes after so many page views."""
    shop = opened(replace(STEADY, looks=looks, spread=spread), 1, views)
    learner = Learned(shop.shape, Setup(fit_share=0.1, fit_views=500))
    race(shop, learner, [views])
    offer = shop.offer()
    learner.slates(offer)
    parameters = learner.parameters
    assert parameters is not None
    curve, weights = np.array([parameters.examination[slot] for slot in learner.slots]), LOOKS[looks]
    apart = np.log(curve / weights)
    apart -= np.average(apart, weights=weights)
    believed = np.array([beta.a / (beta.a + beta.b) for beta in learner.beliefs(offer)]).ravel()
    truth, shown = shop.attraction[:, offer.rows].ravel(), learner.shown(offer).ravel()
    most = np.argsort(shown)[-shown.size // 10 :]
    return Fit(
        float(np.sqrt(np.average(np.square(apart), weights=weights))),
        float(believed.sum() / truth.sum()),
        float(believed[most].sum() / truth[most].sum()),
    )


@pytest.mark.parametrize("spread", SPREADS)
def test_looks_and_likes_are_told_apart(spread: float) -> None:
    """Whatever the curve, and however much better the items are that the policy shows most."""
    curve, believed, of_shown = np.transpose([fit(looks, spread, VIEWS) for looks in CURVES])
    assert curve.mean() < 0.1
    assert curve.max() < 0.15
    assert 0.8 < believed.min() < believed.max() < 1.2
    assert 0.88 < of_shown.min() < of_shown.max() < 1.14


def test_the_curve_is_known_better_the_more_is_seen() -> None:
    few, many = np.mean([[fit(looks, SPREADS[0], views).curve for looks in CURVES] for views in (3_000, VIEWS)], axis=1)
    assert many < 0.8 * few


@pytest.mark.parametrize("looks", ["flat", pytest.param("steep", marks=if_all)])
def test_in_the_long_run_the_best_page_is_shown(looks: str) -> None:
    """Nothing that was believed at first lasts where there is traffic enough: what is lost falls to nothing."""
    shape = replace(STEADY, looks=looks, segments=1, items=30, views_per_day=100_000)
    views = 1_500_000
    shop = opened(shape, 2, views)
    course = race(
        shop, Learned(shape, Setup(fit_share=0.3, fit_views=500, growth_share=0.05)), [views * 9 // 10, views]
    )
    lost, by_chance = np.diff(course.regret), np.diff(course.uniform)
    assert lost[0] < 0.02 * by_chance[0]
