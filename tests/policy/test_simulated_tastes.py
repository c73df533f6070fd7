"""Simulated visitors with tastes: who looks at what, and what a race with learned segments counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from policy.segments.votes import votes_of
from policy.simulation.learned import Setup
from policy.simulation.tastes import WORLDS, Visitors, open_tastes, race_tastes, true_segments

STRONG = WORLDS["strong"]


def test_visitors_look_at_what_their_taste_likes() -> None:
    shop = open_tastes(STRONG, 2_000, 1, 1_000)
    units, tastes = shop.visit(2_000)
    looked = list(shop.look_elsewhere(units, tastes))
    liked = [shop.attraction[shop.taste_of[unit], row] > shop.attraction[:, row].mean() for unit, row in looked]
    assert len(looked) == 2_000
    assert np.mean(liked) > 0.6


def test_the_best_slates_of_a_taste_lose_nothing_with_it_and_something_with_others() -> None:
    shop = open_tastes(STRONG, 2_000, 1, 1_000)
    offer = shop.offer()
    best = offer.rows[shop.visitors.best(shop.attraction[:, offer.rows], shop.kinds[offer.rows])][:, None, :]
    losses = shop.losses(best)
    assert np.diag(losses) == pytest.approx(0.0, abs=1e-12)
    assert losses[~np.eye(4, dtype=bool)].min() > 0.0


def test_shared_devices_and_robots_are_some_of_the_visitors() -> None:
    shop = open_tastes(replace(STRONG, shared=0.5, robots=0.1), 2_000, 1, 1_000)
    units, tastes = shop.visit(4_000)
    own = tastes == shop.taste_of[units]
    assert own[~shop.is_shared[units]].all()
    assert not own[shop.is_shared[units]].all()
    assert 100 < shop.is_robot.sum() < 300


def test_a_race_is_the_same_with_and_without_segments_until_there_are_any() -> None:
    views, setup = (250, 2_500), Setup(text=False, growth_share=0.5, fit_share=1.0)
    shop = open_tastes(STRONG, 2_000, 1, views[-1])
    learned = race_tastes(shop, setup, views, segmented=True)
    alone = race_tastes(open_tastes(STRONG, 2_000, 1, views[-1]), setup, views, segmented=False)
    assert shop.views == 2_500
    assert learned == pytest.approx(alone, rel=1e-6)
    assert 0.0 < learned[0] < learned[1]


def test_segments_of_visitors_follow_their_tastes() -> None:
    visitors = Visitors(2_000, 1)
    visitors.see((unit, f"i{4 * step + unit % 4}") for unit in range(2_000) for step in range(5))
    visitors.learn(2_000, 1)
    numbers = visitors.numbers()
    assert set(numbers) == {1, 2, 3, 4}
    assert all(len(set(numbers[taste::4])) == 1 for taste in range(4))
    assert votes_of(visitors.looked_at).units == 2_000


def test_who_is_told_the_tastes_has_segments_from_the_first_page_view_on() -> None:
    shop = open_tastes(STRONG, 2_000, 1, 2_000)
    visitors = Visitors(shop.units, 1, true_segments(shop))
    units, tastes = shop.visit(20_000)
    visitors.see((unit, shop.items[row].item) for unit, row in shop.look_elsewhere(units, tastes))
    visitors.learn(20_000, 1)
    right = visitors.numbers() == shop.taste_of + 1
    assert right.mean() > 0.75
    setup, views = Setup(text=False, growth_share=0.5, fit_share=1.0), (2_500,)
    lost = race_tastes(open_tastes(STRONG, 2_000, 1, 2_500), setup, views, segmented=True, informed=True)
    alone = race_tastes(open_tastes(STRONG, 2_000, 1, 2_500), setup, views, segmented=False)
    assert 0.0 < lost[0] != alone[0]
