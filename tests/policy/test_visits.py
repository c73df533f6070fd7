"""What visitors do below a click, and below items that are alike: told from page views as wholes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from policy.arrays import Floats
from policy.model.visits.cells import PageViews, cells_of
from policy.model.visits.choice import VisitHistory, fit_visits
from policy.model.visits.fitting import Effect
from policy.model.visits.lowering import Lowering, kinds_of, lowering_of
from schemas.messages.parameters import EffectFit, VisitFit

SEEDS = st.integers(0, 2**32 - 1)
SLOTS, ITEMS, KINDS = 6, 24, 4
LOOKS = 1.0 / np.log2(2.0 + np.arange(SLOTS))


class Visits(NamedTuple):
    """How visitors behave: what is left below each click, and below each item of the same category."""

    after_click: float = 1.0
    after_alike: float = 1.0


def visit(rng: np.random.Generator, visits: Visits, views: int = 20_000, rate: float = 0.08) -> PageViews:
    """Page views of two segments, which differ in taste, and see what they like more often and further up."""
    attraction = np.clip(rng.gamma(3.0, rate / 3.0, (2, ITEMS)), 0.002, 0.5)
    kinds, segments = np.arange(ITEMS) % KINDS, rng.integers(0, 2, views)
    drawn = attraction[segments] ** 0.3 * rng.uniform(size=(views, ITEMS))
    items = np.argsort(-drawn, axis=1)[:, :SLOTS]
    seen = rng.random((views, SLOTS)) < 0.9
    chance, clicked = attraction[segments[:, None], items] * LOOKS, np.zeros((views, SLOTS), dtype=np.bool_)
    for slot in range(SLOTS):
        alike = ((kinds[items[:, :slot]] == kinds[items[:, [slot]]]) & seen[:, :slot]).sum(axis=1)
        left = visits.after_click ** clicked[:, :slot].sum(axis=1) * visits.after_alike**alike
        clicked[:, slot] = seen[:, slot] & (rng.random(views) < chance[:, slot] * left)
    return PageViews(segments[:, None] * ITEMS + items, kinds[items], seen, clicked)


def fit(seed: int, visits: Visits, before: VisitFit | None = None) -> VisitFit:
    views = visit(np.random.default_rng(seed), visits)
    fitted = fit_visits(views, np.arange(len(views.pairs)) % 2 == 0, before)
    assert fitted is not None
    return fitted


@pytest.mark.parametrize(
    "truth", [Visits(), Visits(0.4, 1.0), Visits(1.0, 0.7), Visits(0.6, 0.8)], ids=lambda truth: str(tuple(truth))
)
def test_what_holds_is_told_and_nothing_else(truth: Visits) -> None:
    fits = [fit(seed, truth) for seed in range(4)]
    for name, factor in truth._asdict().items():
        effects: list[EffectFit] = [getattr(each, name) for each in fits]
        assert np.mean([effect.factor for effect in effects]) == pytest.approx(factor, abs=0.06)
        assert sum(effect.low <= factor <= effect.high for effect in effects) >= 3
        assert [effect.in_force for effect in effects] == [factor < 1.0] * 4


@given(SEEDS)
@settings(max_examples=10)
def test_neither_order_nor_what_was_never_clicked_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    views = visit(rng, Visits(0.5, 0.7), 3_000)
    even = rng.random(3_000) < 0.5
    order = rng.permutation(3_000)
    mixed = PageViews(views.pairs[order], views.kinds[order], views.seen[order], views.clicked[order])
    idle = PageViews(views.pairs + 1_000, views.kinds, views.seen, np.zeros_like(views.clicked))
    more = PageViews(*(np.concatenate(pair) for pair in zip(views, idle, strict=True)))
    one, other = fit_visits(views, even), fit_visits(mixed, even[order])
    padded = fit_visits(more, np.concatenate([even, even]))
    assert one and other and padded
    for name in ("after_click", "after_alike"):
        expected = getattr(one, name).factor
        assert getattr(other, name).factor == pytest.approx(expected, abs=1e-4)
        assert getattr(padded, name).factor == pytest.approx(expected, abs=1e-4)


@given(SEEDS)
def test_cells_hold_every_slot_that_was_seen_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    views = visit(rng, Visits(), 40, rate=0.3)
    rows = rng.random(40) < 0.5
    whole, parts = cells_of(views), [cells_of(views.only(those)) for those in (rows, ~rows)]
    assert whole.shown.sum() == views.seen.sum() == sum(part.shown.sum() for part in parts)
    assert whole.clicks.sum() == views.clicked.sum() == sum(part.clicks.sum() for part in parts)
    assert (whole.clicks <= whole.shown).all()


def test_few_clicks_say_nothing() -> None:
    views = visit(np.random.default_rng(1), Visits(0.1, 0.1), 50)
    assert fit_visits(views, np.arange(50) % 2 == 0) is None


def test_what_is_in_force_stays_until_it_foretells_nothing() -> None:
    doubtful = Effect(factor=0.9, low=0.8, high=1.02, gain=0.3, surely=-1.0)
    assert not doubtful.holds(before=False)
    assert doubtful.holds(before=True)
    assert not doubtful._replace(gain=-0.1).holds(before=True)
    assert doubtful._replace(high=0.98, surely=0.1).holds(before=False)


@given(SEEDS, st.floats(0.1, 1.0), st.floats(0.1, 1.0))
def test_impressions_are_lowered_and_never_raised(seed: int, after_click: float, after_alike: float) -> None:
    rng = np.random.default_rng(seed)
    shown = rng.poisson(rng.choice([0.0, 0.3, 20.0], (2, ITEMS, SLOTS))).astype(float)
    clicks = rng.binomial(shown.astype(int), 0.2).astype(float)
    kinds = rng.integers(-1, 3, ITEMS).astype(np.int32)
    lowered = Lowering(after_click, after_alike, kinds).lower(shown, clicks)
    assert (lowered <= shown + 1e-9).all()
    assert (lowered >= shown * (after_click * after_alike) ** SLOTS - 1e-9).all()
    assert np.array_equal(lowered[..., 0], shown[..., 0])
    each = [Lowering(after_click, after_alike, kinds).lower(*pair) for pair in zip(shown, clicks, strict=True)]
    assert np.allclose(lowered, each)
    assert np.array_equal(Lowering(1.0, 1.0, kinds).lower(shown, clicks), shown)


def _ratio(shown: Floats, clicks: Floats, kinds: NDArray[np.intp]) -> float:
    """Click rates of one category to those of the other."""
    rates = [clicks[kinds == kind].sum() / (shown[kinds == kind] @ LOOKS).sum() for kind in (0, 1)]
    return float(rates[0] / rates[1])


def test_click_rates_of_items_below_their_like_are_not_underrated() -> None:
    """An item that always stands low and among its like is as good as its clicks say when these are taken off."""
    rng, views = np.random.default_rng(3), 60_000
    kinds = np.arange(ITEMS) % 2
    drawn = rng.uniform(size=(views, ITEMS)) + np.where(kinds == 0, 0.6, 0.0)
    items, clicked = np.argsort(-drawn, axis=1)[:, :SLOTS], np.zeros((views, SLOTS), dtype=np.bool_)
    for slot in range(SLOTS):
        alike = (kinds[items[:, :slot]] == kinds[items[:, [slot]]]).sum(axis=1)
        left = 0.5 ** clicked[:, :slot].sum(axis=1) * 0.7**alike
        clicked[:, slot] = rng.random(views) < 0.1 * LOOKS[slot] * left
    cells = items * SLOTS + np.arange(SLOTS)
    shown = np.bincount(cells.ravel(), minlength=ITEMS * SLOTS).reshape(ITEMS, SLOTS).astype(float)
    clicks = np.bincount(cells.ravel(), clicked.ravel(), ITEMS * SLOTS).reshape(ITEMS, SLOTS).astype(float)
    lowered = Lowering(0.5, 0.7, kinds.astype(np.int32)).lower(shown, clicks)
    assert _ratio(shown, clicks, kinds) < 0.7
    assert _ratio(lowered, clicks, kinds) == pytest.approx(1.0, abs=0.1)


def test_only_what_is_in_force_is_lowered() -> None:
    kinds = kinds_of(["b", "", "a", "b"])
    assert kinds.tolist() == [1, -1, 0, 1]
    lower, none = EffectFit(0.5, in_force=True), EffectFit(0.5)
    assert lowering_of(None, kinds) is None
    assert lowering_of(VisitFit(none, none), kinds) is None
    lowering = lowering_of(VisitFit(none, lower), kinds)
    assert lowering is not None
    assert lowering[:2] == (1.0, 0.5)


def test_what_earlier_page_views_said_counts_and_fades() -> None:
    history, told = VisitHistory(), list[VisitFit]()
    for turn, truth in enumerate([Visits(1.0, 0.6)] * 2 + [Visits()] * 20, start=1):
        views = visit(np.random.default_rng(turn), truth, 8_000)
        latest = history.add(turn * 8_000, views, np.arange(8_000) % 2 == 0)
        assert latest is not None
        told.append(latest)
    effects = [each.after_alike for each in told]
    assert effects[1].high - effects[1].low < effects[0].high - effects[0].low
    assert [effects[at].in_force for at in (1, 2, -1)] == [True, True, False]
    # A worker that begins anew goes on from what was published, and one that reads the same again learns nothing.
    again = VisitHistory(told[1])
    assert again.latest == told[1]
    assert again.add(10, visit(np.random.default_rng(1), Visits(), 10), np.arange(10) % 2 == 0) == told[1]
