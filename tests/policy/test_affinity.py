"""What visitors of learned segments look at anywhere tells what they click, as far as the page's clicks say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replaced

from policy.arrays import Floats
from policy.model.fitting import Described, PageCounts, fit_page
from policy.model.priors import affinity_scores, fitted
from policy.segments.affinity import MOST_ITEMS, affinities, affinity_of
from policy.segments.points import MOST_POINTS, SCALE
from schemas.codec import decoder, encode
from schemas.messages.parameters import AffinityFit, PolicyParameters
from schemas.messages.segments import SegmentModel
from tests.policy.fitted_world import SEEDS, World, world

BASE = 0.02, 50.0


def points_for(those: World, names: Sequence[str], rng: np.random.Generator) -> AffinityFit:
    drawn = np.rint(rng.normal(0.0, SCALE * 0.8, (len(those.items), len(names)))).astype(int)
    drawn = np.clip(drawn, -MOST_POINTS, MOST_POINTS)
    return AffinityFit(0.0, 7, list(names), dict(zip(those.items, drawn.tolist(), strict=True)))


def liked(those: World, affinity: AffinityFit, weight: float) -> World:
    """The world, in which affinity says so much of what is clicked."""
    odds = those.truth / (1.0 - those.truth) * np.exp(weight * affinities(affinity, those.segments, those.items))
    return replace(those, truth=odds / (1.0 + odds))


def fit(those: World, counts: PageCounts, affinity: AffinityFit | None) -> PolicyParameters:
    return fit_page("home", counts, replace(those.described(text=False), affinity=affinity), 1, BASE)


def expected(those: World, parameters: PolicyParameters, segment: str) -> Floats:
    described: Described = those.described(text=False)
    return fitted(parameters, segment, those.items, described.features).interest


@pytest.mark.parametrize("weight", [-0.3, 0.0, 0.4, 1.0])
def test_the_weight_is_that_by_which_visitors_click(weight: float) -> None:
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        those = world(rng)
        affinity = points_for(those, those.segments[1:], rng)
        parameters = fit(those, liked(those, affinity, weight).counts(rng, 300.0), affinity)
        assert parameters.affinity
        found.append(parameters.affinity.weight)
    assert np.mean(found) == pytest.approx(weight, abs=0.1)
    assert np.std(found) < 0.15


def test_what_nobody_was_shown_yet_begins_where_its_affinity_puts_it() -> None:
    rng = np.random.default_rng(1)
    those = world(rng)
    affinity = points_for(those, those.segments, rng)
    truth = liked(those, affinity, 0.8)
    counts = truth.counts(rng, 300.0, arms=80)
    with_it, without = (fit(those, counts, each) for each in (affinity, None))
    for segment, own in zip(those.segments, truth.truth[:, 80:], strict=True):
        assert np.ptp(expected(those, without, segment)[80:]) == 0.0, "nothing else tells these items apart"
        told = np.corrcoef(np.log(own), expected(those, with_it, segment)[80:])[0, 1]
        assert told > 0.3


@given(SEEDS)
def test_segments_that_the_model_does_not_name_are_fitted_as_without_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    those = world(rng, segments=3, items=12, slots=3)
    counts = those.counts(rng, 20.0)
    parameters = fit(those, counts, points_for(those, ["t08", "t09"], rng))
    assert parameters.affinity and parameters.affinity.weight == 0.0
    assert replaced(parameters, affinity=fit(those, counts, None).affinity) == fit(those, counts, None)
    assert not affinity_scores(parameters, those.segments[0], those.items).any()


@given(SEEDS, st.floats(0.0, 500.0), st.sampled_from([0, 1, MOST_POINTS]))
def test_any_points_give_parameters_that_can_be_published(seed: int, views: float, points: int) -> None:
    rng = np.random.default_rng(seed)
    those = world(rng, segments=3, items=9, slots=2)
    affinity = AffinityFit(0.0, 7, those.segments[:2], {item: [points, -points] for item in those.items[:5]})
    parameters = fit(those, those.counts(rng, views), affinity)
    assert decoder(PolicyParameters)(encode(parameters)) == parameters
    for segment in those.segments:
        assert np.isfinite(expected(those, parameters, segment)).all()


@given(SEEDS)
def test_the_order_of_segments_and_items_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    those = world(rng, segments=3, items=8, slots=2)
    affinity, counts = points_for(those, those.segments, rng), those.counts(rng, 100.0)
    rows, columns = rng.permutation(3), rng.permutation(8)
    moved = PageCounts(
        [those.segments[at] for at in rows],
        [those.items[at] for at in columns],
        those.slots,
        counts.impressions[rows][:, columns],
        counts.clicks[rows][:, columns],
    )
    shuffled = replaced(affinity, points={those.items[at]: affinity.points[those.items[at]] for at in columns})
    one, other = fit(those, counts, affinity).affinity, fit(those, moved, shuffled).affinity
    assert one and other and one.weight == pytest.approx(other.weight, abs=2e-3)


def test_a_model_speaks_of_the_items_that_it_has_points_for() -> None:
    model = SegmentModel(7, 1, 1, ["t01", "t02"], [0, 0], 1)
    points = {"a": [16, -16], "b": [0, 4]}
    assert affinity_of(model, points, ["b", "a", "c"]) == AffinityFit(0.0, 7, ["t01", "t02"], points)
    assert affinity_of(model, points, ["c"]) is None
    fit = AffinityFit(0.5, 7, ["t01", "t02"], points)
    assert affinities(fit, ["t02", "t00", "*"], ["a", "b", "c"]).tolist() == [[-1.0, 0.25, 0.0], [0.0] * 3, [0.0] * 3]


def test_of_very_many_items_those_have_an_affinity_by_which_segments_differ_most() -> None:
    model = SegmentModel(7, 1, 1, ["t01", "t02"], [0, 0], 1)
    points = {f"i{number}": [number % 97, -(number % 97)] for number in range(2 * MOST_ITEMS)}
    fit = affinity_of(model, points, reversed(points))
    assert fit and len(fit.points) == MOST_ITEMS
    least = min(first for first, _ in fit.points.values())
    assert least >= max(first for item, (first, _) in points.items() if item not in fit.points)
    assert list(fit.points) == sorted(fit.points)
    assert len(encode(fit)) < 200_000
