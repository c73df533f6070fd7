"""What is fitted to a page's counts comes close to the truth behind them, and to what was known without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as replaced
from scipy.special import betaincinv, logit

from policy.model.directions import DIRECTIONS, directions_of
from policy.model.examination import examination
from policy.model.features import FURTHEST, Features, describe
from policy.model.fitting import Described, PageCounts, fit_page
from policy.model.interest import damping
from policy.model.posteriors import Beta, posterior
from policy.model.priors import (
    MOST_DOUBT,
    ArmPriors,
    Fitted,
    arm_priors,
    factor_of,
    factor_weight,
    interest,
    packed,
    strength_of,
    unpacked,
)
from policy.model.priors import fitted as fitted_arms
from policy.model.strength import fit_strength
from schemas.codec import decoder, encode
from schemas.messages.catalog import CatalogItem
from schemas.messages.parameters import PolicyParameters, SegmentFit
from tests.policy.fitted_world import SEEDS, World, world

BASE = 0.02, 50.0


DRAWN = np.random.default_rng(1).normal(size=100_000)


def fitted(those: World, counts: PageCounts, *, text: bool) -> PolicyParameters:
    return fit_page("home", counts, those.described(text=text), 1, BASE)


def arms_of(those: World, parameters: PolicyParameters, segment: str, *, text: bool) -> Fitted:
    described = those.described(text=text)
    return fitted_arms(parameters, segment, those.items, described.features, described.vectors)


def priors(those: World, counts: PageCounts, parameters: PolicyParameters, *, text: bool) -> list[ArmPriors]:
    examined = counts.impressions @ examination(counts.slots, parameters.examination)
    clicks = counts.clicks.sum(axis=2)
    return [
        arm_priors(parameters, segment, arms_of(those, parameters, segment, text=text), *own)
        for segment, *own in zip(counts.segments, clicks, examined, strict=True)
    ]


def posteriors(those: World, counts: PageCounts, parameters: PolicyParameters, *, text: bool) -> list[Beta]:
    looks = examination(counts.slots, parameters.examination)
    found = priors(those, counts, parameters, text=text)
    return [posterior(counts.impressions[row], counts.clicks[row], looks, one.prior) for row, one in enumerate(found)]


def alone(parameters: PolicyParameters, segment: str, items: Sequence[str]) -> ArmPriors:
    """The priors of items that have no features and no clicks in the segment."""
    arms = fitted_arms(parameters, segment, items, Features((), np.zeros((len(items), 0))))
    return arm_priors(parameters, segment, arms, np.zeros(len(items)), np.zeros(len(items)))


@pytest.mark.parametrize("shape", [1.0, 5.0, 40.0])
def test_strength_is_found_again(shape: float) -> None:
    rng = np.random.default_rng(5)
    expected = rng.uniform(2.0, 60.0, 4_000)
    found = fit_strength(rng.poisson(expected * rng.gamma(shape, 1 / shape, 4_000)).astype(float), expected)
    assert found == pytest.approx(shape, rel=0.2)
    assert fit_strength(np.zeros(0), np.zeros(0)) == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("views", [1.0, 10.0, 200.0])
def test_intervals_cover_the_truth_as_often_as_they_say(views: float, text: bool) -> None:
    covered = []
    for seed in range(4):
        those = world(np.random.default_rng(seed))
        counts = those.counts(np.random.default_rng(seed + 100), views)
        for row, beta in enumerate(posteriors(those, counts, fitted(those, counts, text=text), text=text)):
            low, high = betaincinv(beta.a, beta.b, 0.025), betaincinv(beta.a, beta.b, 0.975)
            covered.append((low <= those.truth[row]) & (those.truth[row] <= high))
    assert 0.91 <= np.mean(covered) <= 0.98


def test_what_one_segment_likes_much_promises_others_no_more_than_it_should() -> None:
    ratios = []
    for seed in range(6):
        those, rng = world(np.random.default_rng(seed)), np.random.default_rng(seed + 100)
        counts = those.counts(rng, 100.0)
        favourites = np.argsort(-counts.clicks.sum(axis=2) / counts.impressions.sum(axis=2).clip(1.0), axis=1)[:, :4]
        more = np.zeros_like(counts.impressions)
        np.put_along_axis(more, favourites[..., None], 4_000.0, axis=1)
        clicked = rng.binomial(more.astype(int), those.truth[:, :, None] * those.looks)
        counts = replace(counts, impressions=counts.impressions + more, clicks=counts.clicks + clicked)
        parameters = fitted(those, counts, text=True)
        for row, found in enumerate(priors(those, counts, parameters, text=True)):
            elsewhere = np.setdiff1d(favourites, favourites[row])
            ratios.append(np.asarray(found.prior.click_rate)[elsewhere].sum() / those.truth[row, elsewhere].sum())
    assert 0.93 < np.mean(ratios) < 1.07


@pytest.mark.parametrize("telling", ["picture", "text"])
def test_the_evidence_says_whether_texts_or_pictures_tell_more(telling: str) -> None:
    those, rng = world(np.random.default_rng(3)), np.random.default_rng(5)
    noise = rng.normal(size=(len(those.items), 12)) / np.sqrt(12)
    counts = those.counts(np.random.default_rng(4), 100.0, arms=90)
    nothing, vectors = Features((), np.zeros((len(those.items), 0))), those.vectors
    pair = (vectors, noise) if telling == "text" else (noise, vectors)
    described = Described(nothing, {}, pair[0], "t", pair[1], "p")
    parameters = fit_page("home", counts, described, 1, BASE)
    assert (parameters.text_model, parameters.picture_model) == ("t", "p")
    spread = {
        kind: float((matrix @ unpacked(getattr(parameters, kind))).std())
        for kind, matrix in zip(("text", "picture"), pair, strict=True)
    }
    assert spread[telling] > 3.0 * min(spread.values())
    unseen = interest(parameters, "s0", nothing, *pair)[90:]
    assert np.corrcoef(logit(unseen), logit(those.truth[0, 90:]))[0, 1] > 0.6


def test_text_tells_items_apart_that_nobody_has_seen() -> None:
    those = world(np.random.default_rng(3))
    counts = those.counts(np.random.default_rng(4), 100.0, arms=90)
    parameters = fitted(those, counts, text=True)
    nothing = Features((), np.zeros((len(those.items), 0)))
    agreement = [
        np.corrcoef(logit(interest(parameters, segment, nothing, those.vectors)[90:]), logit(row[90:]))[0, 1]
        for segment, row in zip(those.segments, those.truth, strict=True)
    ]
    assert np.mean(agreement) > 0.7


def test_a_segment_that_was_not_fitted_starts_where_the_page_stands() -> None:
    those = world(np.random.default_rng(3))
    counts = those.counts(np.random.default_rng(4), 200.0)
    parameters = fitted(those, counts, text=True)
    arms, nothing = arms_of(those, parameters, "new", text=True), np.zeros(len(those.items))
    stranger = arm_priors(parameters, "new", arms, nothing, nothing).prior
    page = logit(those.truth).mean(axis=0)
    assert np.corrcoef(logit(stranger.click_rate), page)[0, 1] > 0.9


MOST = st.sampled_from([0, 1, 10, 1_000, 10**9])


@given(SEEDS, st.integers(0, 4), st.integers(0, 6), st.integers(1, 3), MOST, MOST)
@settings(max_examples=100)
def test_any_counts_give_parameters_that_can_be_published(
    seed: int, segments: int, items: int, slots: int, most: int, clicked: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = segments, items, slots
    counts = PageCounts(
        [f"s{n}" for n in range(segments)],
        [f"i{n}" for n in range(items)],
        [f"p{n}" for n in range(slots)],
        rng.integers(0, most + 1, shape).astype(float),
        rng.integers(0, clicked + 1, shape).astype(float),
    )
    vectors = rng.normal(size=(items, 4)) * rng.integers(0, 2)
    described = Described(Features(("price",), rng.normal(size=(items, 1))), {"price": (1.0, 2.0)}, vectors, "m")
    parameters = fit_page("home", counts, described, 1, BASE)
    assert decoder(PolicyParameters)(encode(parameters)) == parameters
    assert fit_page("home", counts, described, 1, BASE) == parameters
    arms, looks = fitted_arms(parameters, "s0", counts.items, described.features, vectors), np.ones(slots)
    for segment in range(segments):
        own = counts.clicks[segment].sum(axis=1), counts.impressions[segment] @ looks
        found = arm_priors(parameters, f"s{segment}", arms, *own)
        numbers = np.stack([*(np.asarray(number) for number in found.prior), found.variance, found.factor])
        assert np.isfinite(numbers).all()
        assert (numbers > 0.0).all()


def test_without_any_counts_the_base_rate_is_what_was_started_from() -> None:
    nothing = PageCounts(["s"], ["i"], ["p"], np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
    parameters = fit_page("home", nothing, Described(Features((), np.zeros((1, 0))), {}), 1, BASE)
    assert parameters.click_rate == pytest.approx(BASE[0])
    assert (parameters.arms, parameters.weights) == ({}, {})


@given(st.floats(1e-4, 0.2), st.floats(0.01, 2.0))
def test_strength_gives_the_spread_that_was_asked_for(mean: float, spread: float) -> None:
    weight = strength_of(np.array(mean), spread)
    variance = mean * (1 - mean) / (weight + 1)
    assert variance / mean**2 == pytest.approx(min(spread, (1 - mean) / mean / 2), rel=1e-6)


def test_the_whole_page_has_no_other_segments_to_learn_from() -> None:
    parameters = PolicyParameters("home", 1, 1, 0.02, 50.0, arms={"a": (90.0, 30.0)})
    assert alone(parameters, "*", ["a"]).factor == pytest.approx(1.0)
    assert alone(parameters, "new", ["a"]).factor > 2.0


@given(st.floats(0.0, 0.9), st.floats(0.0, 0.9))
def test_what_is_in_doubt_is_worth_the_mean_of_what_it_may_be(page: float, own: float) -> None:
    segments = {"s": SegmentFit(variance=own)}
    known = {"seen": (9e6, 9e6)}
    parameters = PolicyParameters("home", 1, 1, 0.002, 50.0, segments=segments, arms=known, variance=page)
    seen, fresh = alone(parameters, "s", ["seen", "fresh"]).prior.click_rate  # type: ignore[misc]
    # An arm's own clicks take the doubt away that is the page's.
    assert seen == pytest.approx(0.002 * np.exp(DRAWN * np.sqrt(own)).mean(), rel=0.01)
    variance = min(page + own, MOST_DOUBT)
    assert fresh == pytest.approx(0.002 * np.exp(DRAWN * np.sqrt(variance)).mean(), rel=0.01)


@given(SEEDS)
@settings(max_examples=15)
def test_a_factor_is_that_of_the_other_segments_clicks_alone(seed: int) -> None:
    """Of a page whose segments like all alike, whatever one of them clicked on."""
    rng, items = np.random.default_rng(seed), [f"i{n}" for n in range(12)]
    looks, rate = rng.integers(0, 2_000, (3, 12)).astype(float), 0.02
    clicks, strength = rng.poisson(looks * rate).astype(float), 6.0
    parameters = PolicyParameters("home", 1, 1, rate, 50.0, segment_strength=strength)
    weight = factor_weight(parameters.arm_strength, 0.0)
    sums = np.zeros((2, 12))
    for _ in range(200):
        # As the fit does it: a count is damped by what the page's factor lets expect.
        damped = damping(looks * rate * factor_of(weight, *sums), strength)
        sums = np.stack([(damped * clicks).sum(axis=0), (damped * looks * rate).sum(axis=0)])
    arms = {item: (float(seen), float(expected)) for item, seen, expected in zip(items, *sums, strict=True)}
    parameters = replaced(parameters, arms=arms, segments={"s0": SegmentFit(examined=float(looks[0].sum()))})
    of = fitted_arms(parameters, "s0", items, Features((), np.zeros((12, 0))))
    found = arm_priors(parameters, "s0", of, clicks[0], looks[0])
    others = ((damped * counts)[1:].sum(axis=0) for counts in (clicks, looks * rate))
    assert found.factor == pytest.approx(factor_of(weight, *others))
    # Twice as much since then: what the fit knew of the segment is half of it.
    later = arm_priors(parameters, "s0", of, 2.0 * clicks[0], 2.0 * looks[0])
    assert later.factor == pytest.approx(found.factor)
    stranger = arm_priors(parameters, "s1", of, clicks[0], looks[0])
    assert stranger.factor == pytest.approx(factor_of(weight, *sums))


@given(st.floats(0.0, 1e4), st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_no_more_is_taken_off_an_arm_than_the_fit_saw_of_it(clicks: float, looks: float, seen: float) -> None:
    segments = {"s": SegmentFit(examined=seen)}
    parameters = PolicyParameters("home", 1, 1, 0.02, 50.0, segments=segments, arms={"a": (9.0, 6.0)})
    arms = fitted_arms(parameters, "s", ["a", "new"], Features((), np.zeros((2, 0))))
    found = arm_priors(parameters, "s", arms, np.array([clicks, clicks]), np.array([looks, looks]))
    assert found.factor[1] == 1.0
    assert 4.0 / 10.0 <= found.factor[0] <= 13.0 / 4.0
    assert alone(parameters, "s", ["a"]).factor[0] == pytest.approx(13.0 / 10.0)


def test_vectors_of_another_size_and_what_is_not_a_number_are_left_out() -> None:
    parameters = PolicyParameters("home", 1, 1, 0.02, 50.0, text=packed(np.array([1.0, np.nan])))
    features = Features((), np.zeros((2, 0)))
    assert interest(parameters, "s", features, np.ones((2, 3))) == pytest.approx([0.02, 0.02])
    assert interest(parameters, "s", features, np.ones((2, 2)))[0] > 0.04
    assert unpacked(packed(np.array([np.inf, 2.0]))).tolist() == [0.0, 2.0]


def item(name: str, **facts: object) -> CatalogItem:
    return CatalogItem(name, name, **facts)  # type: ignore[arg-type]


def test_features_of_later_items_are_on_the_scale_of_the_fit() -> None:
    first = [item(str(n), price=100 * (n + 1), category="shoes" if n % 2 else "hats", brand="one") for n in range(6)]
    features, scales = describe(first, 0)
    assert features.names == ("price", "category=hats", "category=shoes", "brand=one")
    assert features.values[:, 1:3].sum(axis=1).tolist() == [1.0] * 6
    later, _ = describe([first[3], None, item("x", price=10**12)], 0, features.names, scales)
    assert later.values[0] == pytest.approx(features.values[3])
    assert later.values[1].tolist() == [0.0] * 4
    assert later.values[2][0] == pytest.approx(FURTHEST)


def test_what_does_not_tell_items_apart_is_no_feature() -> None:
    features, _ = describe([item("a", price=5, category="c"), item("b", price=5, category="d")], 0)
    assert features.names == ()
    assert describe([], 0)[0].values.shape == (0, 0)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([(60, 7), (7, 60), (50, 40), (41, 41)]))
def test_directions_are_those_in_which_vectors_differ_most(seed: int, shape: tuple[int, int]) -> None:
    count, size = shape
    rng = np.random.default_rng(seed)
    vectors = 0.3 + rng.normal(size=shape) * np.linspace(3.0, 0.5, size)
    directions = directions_of(vectors)
    values = (vectors - vectors.mean(axis=0)) @ directions
    sizes = np.sqrt(np.square(values).mean(axis=0))
    assert directions.shape == (size, min(DIRECTIONS, size, count - 1))
    assert np.square(sizes).sum() == pytest.approx(1.0), "whatever the vectors' size, they have as much to say"
    assert sizes.tolist() == sorted(sizes.tolist(), reverse=True)
    assert values.T @ values == pytest.approx(np.diag(count * np.square(sizes)), abs=1e-6 * count)
    best = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)[: len(sizes)]
    assert sizes == pytest.approx(best / np.linalg.norm(best))


def test_how_new_items_differ_by_age_is_bounded_by_what_ages_of_others_tell() -> None:
    day = 86_400_000
    many = [item(str(n), price=100, created_at=day * n) for n in range(1, 200)]
    _, scales = describe(many, 200 * day)
    new, _ = describe([item("new", created_at=200 * day)], 200 * day, ["age"], scales)
    assert new.values.tolist() == [[-FURTHEST]]
