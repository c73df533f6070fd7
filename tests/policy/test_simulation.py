"""A simulated shop is what it says it is, and a race in it counts what is lost."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit

from policy.simulation.flicker import Watched, changed
from policy.simulation.informed import Informed
from policy.simulation.learned import Learned, Setup
from policy.simulation.race import batches, opened, race
from policy.simulation.shop import HIGHEST, LOWEST, SPREAD, USUAL, Feedback, Offer, Shape, segments_misled
from policy.simulation.shops import SHOPS
from policy.simulation.visits import CLICK_MODELS, ClickModel
from schemas.messages.pages import PolicyChoice

SEEDS = st.integers(0, 2**32 - 1)
SMALL = Shape(segments=3, items=20, slots=4, size=4, views_per_day=500, new=0.1)


class Knowing:
    """A learner that is told the truth: nothing can be lost."""

    def __init__(self, shop: object) -> None:
        self.shop = shop

    def observe(self, feedback: Feedback) -> None:
        """Nothing is left to learn."""

    def slates(self, offer: Offer) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
        """The best slate of each segment."""
        shop = self.shop
        best = shop.visitors.best(shop.attraction[:, offer.rows], shop.kinds[offer.rows])  # type: ignore[attr-defined]
        return np.asarray(offer.rows[best][:, None, :], dtype=np.intp)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_clicks_come_as_often_as_expected(name: ClickModel) -> None:
    model, rng = CLICK_MODELS[name](5), np.random.default_rng(1)
    attraction = np.tile([0.3, 0.5, 0.2, 0.9, 0.6], (200_000, 1))
    kinds = np.tile([0, 0, 7, 5, 0], (200_000, 1))
    clicks = model.clicks(rng, attraction, kinds)
    assert clicks.sum(axis=1).mean() == pytest.approx(model.expected(attraction[:1], kinds[:1])[0], abs=0.01)
    assert clicks.sum(axis=1).max() > 1, "more than one click on a page"


@given(SEEDS, st.sampled_from(sorted(CLICK_MODELS)), st.sampled_from([0.05, 0.9]))
def test_no_slate_is_better_than_the_best(seed: int, name: ClickModel, most: float) -> None:
    """Against all that there are; the cascade's is chosen slot by slot, which may miss a little."""
    model, rng = CLICK_MODELS[name](3), np.random.default_rng(seed)
    attraction, kinds = rng.uniform(0.001, most, (2, 6)), rng.integers(0, 8, 6)
    share = 1.0 if name != "cascade" else 0.98 if most < 0.1 else 0.9
    every = np.array(list(itertools.permutations(range(6), 3)))
    for chances, best in zip(attraction, model.best(attraction, kinds), strict=True):
        assert len(set(best.tolist())) == 3
        ideal = model.expected(chances[every], kinds[every]).max()
        own = model.expected(chances[best][None], kinds[best][None])[0]
        assert own >= ideal * share - 1e-12


@pytest.mark.parametrize("name", CLICK_MODELS)
@pytest.mark.parametrize("slots", [1, 3, 8, 12])
def test_no_slot_is_looked_at_more_than_one_before(name: ClickModel, slots: int) -> None:
    """Learners put the best items first."""
    curve = CLICK_MODELS[name](slots).curve
    assert curve[0] == 1.0
    assert len(curve) == slots
    assert (np.diff(curve) <= 0.0).all()


def test_columns_of_a_grid_fall_little_and_rows_more() -> None:
    curve = CLICK_MODELS["grid"](8).curve.reshape(2, 4)
    assert (curve[:, 1:] / curve[:, :-1] > 0.9).all()
    assert (curve[1] / curve[0] < 0.7).all()
    assert np.ptp(CLICK_MODELS["flat"](8).curve) == 0.0


@settings(max_examples=20)
@given(SEEDS)
def test_items_come_and_go_and_click_rates_stay_within_bounds(seed: int) -> None:
    shop = opened(SMALL, seed, 1_500)
    first = shop.offer()
    race(shop, Knowing(shop), [1_500])
    last = shop.offer()
    assert len(last.rows) == len(first.rows)
    assert len(set(last.rows.tolist()) & set(first.rows.tolist())) == 14
    assert shop.attraction.min() >= LOWEST
    assert shop.attraction.max() <= HIGHEST


@settings(max_examples=20)
@given(SEEDS)
def test_blame_of_items_adds_up_to_the_regret(seed: int) -> None:
    shop, rng = opened(SMALL, seed, 1_500), np.random.default_rng(seed)
    for _ in range(3):
        slates = np.stack([[rng.permutation(shop.offer().rows)[:4] for _ in range(2)] for _ in range(3)])
        assert shop.blame(slates).sum(axis=1) == pytest.approx(shop.regret(slates))
        shop.serve(slates, 500)
    assert shop.blame(Knowing(shop).slates(shop.offer())) == pytest.approx(0.0)


def test_items_are_new_for_a_day() -> None:
    shop = opened(SMALL, 1, 2_000)
    slates = shop.offer().rows[np.arange(12).reshape(3, 1, 4)]
    counts = []
    for _ in range(6):
        counts.append(int(shop.fresh().sum()))
        shop.serve(slates, 250)
    assert counts == [0, 0, 2, 2, 2, 2]
    assert shop.offer().rows[shop.fresh()].tolist() == shop.offer().rows[-2:].tolist()


def test_who_knows_no_texts_loses_more_by_new_items() -> None:
    shape = Shape(segments=2, items=40, slots=4, size=4, views_per_day=3_000, new=0.3, text_share=0.8)

    def lost(seed: int, text: bool) -> float:
        learner = Learned(shape, Setup(text=text, fit_views=1_000))
        return race(opened(shape, seed, 12_000), learner, [12_000]).first_day[0]

    told, untold = (sum(lost(seed, text) for seed in (2, 3)) for text in (True, False))
    assert 0.0 < told < 0.8 * untold


@pytest.mark.parametrize("visitors", CLICK_MODELS)
def test_who_knows_the_truth_loses_nothing_and_who_learns_loses_less_than_chance(visitors: ClickModel) -> None:
    shape = Shape(segments=3, items=20, slots=4, size=4, views_per_day=4_000, visitors=visitors)
    shop = opened(shape, 4, 8_000)
    assert race(shop, Knowing(shop), [8_000]).regret[0] == pytest.approx(0.0, abs=1e-9)
    course = race(opened(shape, 4, 8_000), Learned(shape, Setup()), [4_000, 8_000])
    assert 0.0 < course.regret[0] < course.regret[1] < 0.7 * course.uniform[1]


@pytest.mark.parametrize("text", [True, False], ids=["texts", "no texts"])
@pytest.mark.parametrize("name", [name for name, shape in SHOPS.items() if not shape.misfit() and shape.spread])
def test_an_informed_learner_covers_the_truth_of_every_shop_that_it_fits(name: str, text: bool) -> None:
    covered = []
    for seed in range(6):
        shop = opened(replace(SHOPS[name], segments=3, items=30, slots=4, views_per_day=1_000), seed, 4_000)
        informed = Informed(shop, 0.25, seed, text=text)
        course = race(shop, informed, [4_000])
        assert course.regret[0] < course.uniform[0]
        informed.slates(shop.offer())
        rows = shop.offer().rows
        off = logit(shop.attraction[:, rows]) - informed.mean[:, rows]
        covered.append(np.abs(off) < 1.96 * np.sqrt(informed.variance[:, rows]))
    assert 0.9 < np.mean(covered) < 0.99


def test_shops_say_where_the_model_does_not_fit() -> None:
    assert {name for name, shape in SHOPS.items() if shape.misfit()} == {"cascade", "dbn", "misleading"}
    assert SHOPS["ours"] == Shape()


@given(SEEDS)
def test_nothing_is_lost_where_all_items_are_alike(seed: int) -> None:
    shape = replace(SHOPS["null"], segments=3, items=20, slots=4, size=4)
    shop, rng = opened(shape, seed, 1_000), np.random.default_rng(seed)
    assert shop.attraction == pytest.approx(USUAL)
    slates = np.stack([[rng.permutation(shop.offer().rows)[:4] for _ in range(2)] for _ in range(3)])
    assert shop.regret(slates) == pytest.approx(0.0, abs=1e-12)


def test_rates_of_a_wide_shop_are_not_cut_off_and_some_are_far_from_all_others() -> None:
    shape = replace(SHOPS["wide"], items=4_000, segments=4, text_share=0.0, views_per_day=100)
    shop = opened(shape, 2, 1_000)
    for _ in range(2):
        score = logit(shop.attraction)
        assert shop.attraction.min() < LOWEST / 2
        assert shop.attraction.max() > HIGHEST * 2
        assert score.std() == pytest.approx(1.2, rel=0.1)
        off = (score - score.mean()) / score.std()
        assert (np.abs(off) > 4.0).mean() > 20 * 6.3e-5, "many times as many as of normal values"
        for _ in range(5):
            shop.serve(shop.offer().rows[np.arange(32).reshape(4, 1, 8)], 100)


def test_texts_mislead_by_segment() -> None:
    shape = replace(SHOPS["misleading"], segments=12, items=3_000, text_share=0.8)
    shop, (silent, contrary) = opened(shape, 1, 1), segments_misled(shape)
    score = logit(shop.attraction)
    design = np.concatenate([shop.vectors, np.ones((len(shop.vectors), 1))], axis=1)
    # What is common to the segments that texts speak to, from the first half of them.
    common = design @ np.linalg.lstsq(design, score[: silent.start].mean(axis=0), rcond=None)[0]
    correlation = np.array([np.corrcoef(common, of_segment)[0, 1] for of_segment in score])
    assert (silent, contrary) == (slice(6, 9), slice(9, 12))
    assert correlation[: silent.start].min() > 0.3
    assert np.abs(correlation[silent]).max() < 0.3
    assert correlation[contrary].max() < -0.3
    explained = [1.0 - np.var(own - design @ np.linalg.lstsq(design, own, rcond=None)[0]) / own.var() for own in score]
    assert max(explained[silent]) < 0.15 < 0.6 < min(explained[: silent.start])
    assert score.std(axis=1) == pytest.approx(SPREAD, rel=0.25)


def test_the_same_seed_gives_the_same_race() -> None:
    courses = [race(opened(SMALL, 7, 1_000), Learned(SMALL, Setup()), [1_000]) for _ in range(2)]
    assert courses[0] == courses[1]


def test_nothing_changes_at_constant_state_and_more_on_a_new_day_than_by_learning() -> None:
    watched = Watched(Learned(SMALL, Setup()))
    race(opened(SMALL, 7, 3_000), watched, [3_000])
    found = watched.summary()
    assert found.constant == 0.0
    assert 0.0 < found.learning < found.new_day < 1.0
    assert all(np.isnan(share) for share in watched.summary())


def test_another_item_in_one_of_four_slots_is_a_fourth() -> None:
    before = np.arange(8).reshape(1, 2, 4)
    after = before.copy()
    after[0, :, 1] = 9
    assert changed(before, after) == 0.25


def test_a_race_ends_where_it_is_stopped() -> None:
    ends = iter([False, False, True])
    course = race(opened(SMALL, 7, 1_000), Learned(SMALL, Setup()), [250, 1_000], stop=lambda: next(ends))
    assert course.views == 750
    assert course[:4] == race(opened(SMALL, 7, 1_000), Learned(SMALL, Setup()), [250])[:4]
    early = race(opened(SMALL, 7, 1_000), Learned(SMALL, Setup()), [1_000], stop=lambda: True)
    assert early == ((), (), (), (), 250)


@settings(max_examples=5)
@given(SEEDS)
def test_what_is_lost_per_view_at_the_end_is_that_of_the_last_tenth(seed: int) -> None:
    uniform = Setup(PolicyChoice(name="uniform"), fitted=False)
    whole, most = (
        race(opened(SMALL, seed, 2_500), Learned(SMALL, uniform), ends) for ends in ([2_500], [2_250, 2_500])
    )
    assert most.per_view[1] == pytest.approx((most.regret[1] - most.regret[0]) / 250)
    assert whole.per_view == pytest.approx(most.per_view[1:])


def test_chance_loses_what_uniform_slates_lose() -> None:
    setup = Setup(PolicyChoice(name="uniform", variants=256))
    course = race(opened(SMALL, 3, 2_000), Learned(SMALL, setup), [2_000])
    assert course.regret[0] == pytest.approx(course.uniform[0], rel=0.06)


def test_news_that_is_late_is_learned_late() -> None:
    setup = Setup(PolicyChoice(name="greedy"), fitted=False)
    late = race(opened(SMALL, 5, 2_000), Learned(SMALL, setup), [2_000], delay=2_000)
    assert late.regret[0] > race(opened(SMALL, 5, 2_000), Learned(SMALL, setup), [2_000]).regret[0]


@given(st.integers(1, 50_000), st.integers(100, 40_000), st.lists(st.integers(1, 50_000), max_size=3))
def test_batches_end_at_days_and_checkpoints(views: int, day: int, checkpoints: list[int]) -> None:
    ends = np.cumsum(list(batches(views, day, checkpoints)))
    assert ends[-1] == views
    assert set(range(day, views, day)) <= set(ends.tolist())
    assert {at for at in checkpoints if at < views} <= set(ends.tolist())


def test_purchases_come_after_their_clicks_and_all_of_them_in_the_end() -> None:
    shape = Shape(segments=2, items=8, slots=4, size=4, views_per_day=1_000, new=0.0, sales=0.5, delay_days=1.0)
    shop = opened(shape, 1, 20_000)
    slates = shop.offer().rows[np.arange(8).reshape(2, 1, 4)]
    counts = [(seen.clicked.sum(), len(seen.sold)) for seen in (shop.serve(slates, 500) for _ in range(40))]
    clicks, sales = np.array(counts).sum(axis=0)
    assert counts[0][1] < counts[0][0] * 0.5
    assert sales == pytest.approx(clicks * 0.5, rel=0.5)
    assert sales > 0


def test_bounds_cut_attractiveness_off_and_change_nothing_between_them() -> None:
    bounded, free = (opened(Shape(items=2_000, bounded=bound), 1, 1).attraction for bound in (True, False))
    assert free.min() < LOWEST
    assert free.max() > HIGHEST
    assert bounded.tolist() == np.clip(free, LOWEST, HIGHEST).tolist()
    assert np.log(free / (1.0 - free)).std() == pytest.approx(SPREAD, rel=0.05)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 1.0])
def test_texts_tell_as_much_as_they_should(share: float) -> None:
    shop = opened(Shape(segments=3, items=4_000, size=8, text_share=share), 1, 1)
    inside = (shop.attraction > LOWEST) & (shop.attraction < HIGHEST)
    known = np.concatenate([shop.vectors, np.ones((len(shop.vectors), 1))], axis=1)
    for attraction, kept in zip(shop.attraction, inside, strict=True):
        score = np.log(attraction / (1.0 - attraction))[kept]
        left = score - known[kept] @ np.linalg.lstsq(known[kept], score, rcond=None)[0]
        # Items of a kind have like vectors, so texts tell of kinds, too.
        assert 1.0 - left.var() / score.var() == pytest.approx(share + 0.07 * (1.0 - share), abs=0.1)


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_older_clicks_are_forgotten_where_rates_drift(drift: float) -> None:
    """As in the layout producer, which knows rates once a page was fitted."""
    learner = Learned(Shape(segments=1, items=3, slots=1), Setup(drift=drift))
    offer = opened(learner.shape, 1, 1_000).offer()
    one = np.zeros(1, dtype=np.intp)
    for day, row, clicked in (*(((0, 0, True),) * 4), (1, 1, False)):
        learner.slates(offer._replace(day=day))
        learner.observe(Feedback(one, one, np.array([[row]]), np.array([[clicked]]), np.zeros((0, 4), dtype=np.int64)))
    of_segment = learner.statistics(offer._replace(day=1))[0].own
    assert of_segment.clicks[0] == 4.0 if not drift else 0.0 < of_segment.clicks[0] < 4.0
    assert of_segment.examined[:2].tolist() == pytest.approx([of_segment.clicks[0], 1.0])
