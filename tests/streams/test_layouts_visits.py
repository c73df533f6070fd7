"""Layouts of pages on which slots bear on each other: by what page views as wholes said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reshelf.inspect.posterior_summary import posterior_summary
from schemas.messages.catalog import CatalogItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules, PolicyChoice
from schemas.messages.parameters import EffectFit, PolicyParameters, VisitFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.item_features import item_features
from streams.catalog.page import Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose, compose_valued
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.streams.layout_inputs import table

SLOTS, ITEMS = ("top", "left", "right"), tuple(f"i{number}" for number in range(8))
CATALOG = {name: CatalogItem(name, name, category="hats" if at < 4 else name) for at, name in enumerate(ITEMS)}
FACTOR = 0.5


def state() -> KeyState:
    """The first four items, which are hats, are clicked a tenth more often than the others."""
    counts = table(0, Traffic.LEARNED, ITEMS, SLOTS)
    counts.impressions[:], counts.clicks[:] = 10_000, 400
    counts.clicks[:4] = 440
    return KeyState((counts,), {})


def page(*, in_force: bool) -> Page:
    rules = PageRules("home", 7, list(SLOTS), policy=PolicyChoice(variants=4))
    visits = VisitFit(after_alike=EffectFit(FACTOR, 0.4, 0.6, 9.0, 8.0, in_force))
    fitted = PolicyParameters("home", 1, 1, 0.04, 50.0, visits=visits)
    candidates = CandidateSet(ITEMS)
    return Page(rules, candidates, [5, 9], item_features(fitted, candidates, CATALOG), CATALOG)


def hats(layout: Layout) -> set[int]:
    return {sum(CATALOG[item].category == "hats" for item in slate.values()) for slate in layout.slates}


def test_categories_are_mixed_where_page_views_ask_for_it() -> None:
    """The best three items are hats; one of them stays where each further one would be worth half."""
    served, mixed = (compose("s", state(), page(in_force=force), LayoutSettings(), 1) for force in (False, True))
    assert (hats(served), hats(mixed)) == ({3}, {1})
    assert served.baseline == mixed.baseline


def test_what_a_layout_gains_is_reckoned_with_what_stands_above() -> None:
    """Else slates that are mixed would never be shown in the place of those that are not."""
    of, settings = page(in_force=True), LayoutSettings()
    composed = compose_valued("s", state(), of, settings, 1, WeightedCounts(of.candidates, SLOTS))
    value = composed.values[0]
    alone = replace(value, alike=None)
    three_hats = np.broadcast_to(np.arange(3, dtype=np.int32), value.slates.shape)
    assert value.of(value.slates) > value.of(three_hats)
    assert alone.of(value.slates) < alone.of(three_hats)


def test_counts_are_told_as_they_are_and_looks_as_they_count() -> None:
    of, without = (posterior_summary(page(in_force=force), state(), "s", LayoutSettings()) for force in (True, False))
    assert of.shown.tolist() == without.shown.tolist() == [30_000.0] * 8
    assert (of.examined[:4] < without.examined[:4]).all()
    assert of.examined[4:] == pytest.approx(without.examined[4:])
    assert (of.mean[:4] > without.mean[:4]).all()
