"""Learned segments: tastes are found where there are any, in whole numbers that move hardly anybody."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.segments.attributes import MIN_UNITS as MIN_VALUE_UNITS
from policy.segments.attributes import folded
from policy.segments.fitting import MIN_UNITS, ItemFacts, Published, fit_segments, likeliest_names
from policy.segments.points import MOST_POINTS, foretelling
from policy.segments.rule import EPOCHS, choose_segment, items_of, segment_epoch, segment_sums
from policy.segments.votes import Votes, votes_of
from schemas.messages.segments import SegmentItems, SegmentModel

ITEMS, TASTES = 60, 4
WORDS = ("running", "kitchen", "garden", "music")


class World(NamedTuple):
    """Visitors with a taste each, of what they looked at; an item's number modulo 4 says whose it is."""

    units: list[list[str]]
    truth: np.ndarray
    devices: list[str]


def world(units: int, seed: int, strength: float = 2.0) -> World:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, TASTES, units)
    tilt = np.where(np.arange(ITEMS)[:, None] % TASTES == np.arange(TASTES), strength, 0.0)
    shares = np.exp(tilt) / np.exp(tilt).sum(axis=0)
    looked = [[f"i{item}" for item in rng.choice(ITEMS, 6, p=shares[:, taste])] for taste in truth]
    devices = [("phone", "desk")[int(taste > 1) ^ int(rng.random() < 0.1)] for taste in truth]
    return World(looked, truth, devices)


FACTS = ItemFacts({f"i{item}": f"{WORDS[item % TASTES]} thing" for item in range(ITEMS)})


def fit(given: World, before: Published | None = None, seed: int = 1) -> tuple[Published, Votes]:
    votes = votes_of(given.units, {"device": given.devices, "colour": ["red"] * len(given.units)}, among=FACTS.texts)
    return fit_segments(votes, FACTS, before, 8, 1_000, np.random.default_rng(seed)), votes


@pytest.fixture(scope="module")
def found() -> tuple[Published, Votes, World]:
    visitors = world(3_000, 0)
    return *fit(visitors), visitors


def agreement(names: list[str], truth: np.ndarray) -> float:
    """The share of units whose segment's commonest taste is theirs."""
    own = np.array(names)
    return float(sum(np.bincount(truth[own == name], minlength=TASTES).max() for name in set(names)) / len(names))


def test_tastes_are_found_and_named(found: tuple[Published, Votes, World]) -> None:
    published, votes, visitors = found
    model = published.model
    assert model.names == ["t01", "t02", "t03", "t04"]
    assert agreement(likeliest_names(published, votes), visitors.truth) > 0.85
    assert sorted(segment.words[0] for segment in model.segments) == sorted(WORDS)
    assert model.gain > 0.1
    assert sum(segment.units for segment in model.segments) == len(visitors.units)


def test_the_attribute_that_says_something_of_tastes_is_chosen(found: tuple[Published, Votes, World]) -> None:
    model = found[0].model
    assert model.attribute == "device"
    assert model.values.keys() == {"phone", "desk"}
    assert model.attribute_gains["device"] > 0.0


def test_the_rule_and_arrays_agree_on_each_visitor(found: tuple[Published, Votes, World]) -> None:
    published, votes, visitors = found
    one_by_one = [
        choose_segment(published.model, published.points, items, "", device)
        for items, device in zip(visitors.units[:200], visitors.devices, strict=False)
    ]
    assert one_by_one == likeliest_names(published, votes)[:200]


def test_hardly_anybody_moves_when_visitors_come(found: tuple[Published, Votes, World]) -> None:
    published, _, visitors = found
    more = world(500, 7)
    grown = World(visitors.units + more.units, np.append(visitors.truth, more.truth), visitors.devices + more.devices)
    again, _ = fit(grown, published, seed=2)
    assert again.model.names == published.model.names
    assert again.model.generation == published.model.generation
    assert again.model.version > published.model.version
    assert again.model.moved < 0.02


def test_other_tastes_begin_a_generation_with_names_that_nobody_had(found: tuple[Published, Votes, World]) -> None:
    published, _, visitors = found
    turned = World([[f"i{(3 * int(item[1:])) // 7}" for item in items] for items in visitors.units], *visitors[1:])
    again, _ = fit(turned, published._replace(points={}), seed=2)
    assert again.model.generation == 2
    assert set(again.model.names).isdisjoint(published.model.names)
    assert again.model.names_given == 8


def test_without_tastes_there_are_no_segments() -> None:
    published, _ = fit(world(2_000, 3, strength=0.0))
    assert published.model.names == []
    assert published.points == {}
    assert choose_segment(published.model, published.points, ["i1"]) == "t00"


def test_a_taste_of_few_units_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    visitors = world(3_000, 0)
    fewer = visitors.truth != 3
    fewer[:1_200] = True
    units = [items for items, stays in zip(visitors.units, fewer, strict=True) if stays]
    sizes = []
    for least in (MIN_UNITS, 450):
        monkeypatch.setattr("policy.segments.fitting.MIN_UNITS", least)
        published = fit_segments(votes_of(units), FACTS, None, 8, 1_000, np.random.default_rng(1))
        sizes.append([segment.units for segment in published.model.segments])
        assert len(published.model.names) == len(sizes[-1])
    assert len(sizes[0]) == 4 and min(sizes[0]) < 450
    assert len(sizes[1]) == 3 and min(sizes[1]) >= 450


def test_items_that_are_not_among_the_allowed_have_no_votes() -> None:
    votes = votes_of([["a", "barred", "b"], ["barred"]], among={"a", "b"})
    assert set(votes.names) == {"a", "b"}
    assert np.diff(votes.starts).tolist() == [2, 0]


def test_new_items_have_the_points_of_items_like_them() -> None:
    rng = np.random.default_rng(0)
    slopes = rng.normal(0.0, 1.0, (8, 3))
    vectors = rng.normal(0.0, 0.5, (300, 8)).astype(np.float32)
    rule = foretelling(vectors[:200], vectors[:200] @ slopes)
    assert rule is not None
    assert np.corrcoef(rule.logs(vectors[200:]).ravel(), (vectors[200:] @ slopes).ravel())[0, 1] > 0.9
    assert foretelling(vectors[:10], vectors[:10] @ slopes) is None


def test_values_of_few_units_are_folded() -> None:
    values = ["phone"] * MIN_VALUE_UNITS + ["watch"] * (MIN_VALUE_UNITS - 1) + [""]
    assert set(folded(values)) == {"phone", "other"}


names = st.sampled_from(["a", "b", "c", "d", "unknown"])
MODEL = SegmentModel(1, 1, 0, ["t01", "t02"], [0, -5], 1, "device", {"phone": [0, 9]}, margin=6, window=3)
POINTS = {"a": [8, -8], "b": [-8, 8], "c": [1, 0], "d": [0, 0]}


@given(st.lists(names, max_size=8), st.sampled_from(["", "t00", "t01", "t02", "t09"]))
def test_the_segment_is_within_the_margin_of_the_largest_and_stays_when_it_was_chosen(
    items: list[str], current: str
) -> None:
    chosen = choose_segment(MODEL, POINTS, items, current)
    sums = dict(segment_sums(MODEL, POINTS, items))
    assert (chosen == "t00") == (not set(list(dict.fromkeys(reversed(items)))[:3]) & POINTS.keys())
    if sums:
        assert sums[chosen] + MODEL.margin * (chosen == current) >= max(sums.values())
    assert choose_segment(MODEL, POINTS, items, chosen) == chosen
    assert choose_segment(MODEL, POINTS, [*items, *items], current) == chosen


def test_a_model_is_whole_when_all_its_parts_are_there() -> None:
    model = SegmentModel(2, 1, 0, ["t01"], [0], 2)
    parts = [SegmentItems(2, 0, {"a": [1]}), SegmentItems(2, 1, {"b": [2], "odd": [1, 2]})]
    assert items_of(model, parts) == {"a": [1], "b": [2]}
    assert items_of(model, parts[:1]) is None
    assert items_of(model, [parts[0], SegmentItems(1, 1, {})]) is None


def test_epochs_of_learned_segments_differ_at_all_times() -> None:
    day = 20_780
    assert segment_epoch("*", day) == segment_epoch("returning", day) == day
    numbers = [segment_epoch(name, day) for name in ("t00", "t01", "t02", "t999999999")]
    assert numbers == [EPOCHS * place + day for place in (1, 2, 3, 1_000_000_000)]
    assert max(numbers) < 2**53


def test_points_are_bounded(found: tuple[Published, Votes, World]) -> None:
    assert all(abs(point) <= MOST_POINTS for own in found[0].points.values() for point in own)
