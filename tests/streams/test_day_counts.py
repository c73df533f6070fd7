"""Counts by day: what is remembered is the same however it came to be, and older days cost nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.arrays import Floats
from policy.model.posteriors import Remembered
from schemas.topics import DAY_MS
from streams.catalog.candidates import CandidateSet
from streams.catalog.days.counts import added_up, day_counts
from streams.catalog.days.memory import Forgetting, Memory
from streams.catalog.weights import weights
from streams.fold.deltas import Traffic
from streams.state.arrays.tables import Table
from tests.streams.layout_inputs import table
from tests.streams.test_layouts_compose import ITEMS, SLOTS, candidate_sets, tables


@given(st.lists(tables, min_size=1, max_size=4), candidate_sets, st.randoms(use_true_random=False))
def test_what_is_remembered_is_the_same_moved_along_and_in_whatever_order_tables_come(
    states: list[list[Table]], candidates: CandidateSet, random: Random
) -> None:
    memory, how = Memory(candidates, SLOTS), Forgetting(np.full(len(candidates.items), 0.1), 0.2, np.ones(len(SLOTS)))
    for state in [*states, states[0]]:
        weight_of = weights(state, 0)
        moved = memory.of(state, weight_of, how, counted(state, weight_of, candidates))
        shuffled = random.sample(state, len(state))
        anew = Memory(candidates, SLOTS).of(shuffled, weight_of, how, counted(shuffled, weight_of, candidates))
        assert [each.tolist() for each in moved] == [each.tolist() for each in anew]


@pytest.mark.parametrize("segments", [1, 3])
def test_days_before_the_newest_are_not_added_up_again(segments: int, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[int] = []

    def adding(those: Sequence[Table], *about: Any) -> tuple[Floats, Floats]:
        added.extend(table.bucket // DAY_MS for table in those)
        return added_up(those, *about)

    monkeypatch.setattr("streams.catalog.days.memory.added_up", adding)
    days = [table(day * DAY_MS, Traffic.LEARNED, ITEMS, SLOTS, day + at) for day in range(3) for at in range(segments)]
    candidates = CandidateSet(ITEMS)
    memory, how = Memory(candidates, SLOTS), Forgetting(np.full(len(ITEMS), 0.1), 0.2, np.ones(len(SLOTS)))

    def ask() -> list[int]:
        added.clear()
        memory.of(days, weights(days, 0), how, counted(days, weights(days, 0), candidates))
        return sorted(added)

    assert ask() == sorted([0, 1] * segments)
    days[-1] = table(2 * DAY_MS, Traffic.LEARNED, ITEMS, SLOTS, 9)
    assert ask() == []
    # Where there are several tables a day, the other days' sums are kept.
    days[0] = table(0, Traffic.LEARNED, ITEMS, SLOTS, 11)
    assert ask() == ([0, 1] if segments == 1 else [0] * segments)
    assert memory.size == 8 * len(ITEMS) * (4 if segments == 1 else 8)


def counted(state: Sequence[Table], weight_of: Mapping[range, int], candidates: CandidateSet) -> Remembered:
    learned = [one for one in state if one.traffic is Traffic.LEARNED]
    impressions, clicks = added_up(learned, weight_of, candidates, SLOTS)
    return Remembered(impressions.sum(axis=1), clicks)


@given(tables, candidate_sets)
def test_counts_by_day_are_all_learned_ones(state: list[Table], candidates: CandidateSet) -> None:
    weight_of = weights(state, 0)
    learned = [one for one in state if one.traffic is Traffic.LEARNED]
    segments = [[one for one in those if one.traffic is Traffic.LEARNED] for those in (state[::2], state[1::2])]
    impressions = np.stack([added_up(those, weight_of, candidates, SLOTS)[0] for those in segments])
    curve = np.linspace(1.0, 0.25, len(SLOTS))
    found = day_counts([state[::2], state[1::2]], weight_of, candidates, SLOTS, impressions, np.eye(len(SLOTS)))
    days = {one.bucket // DAY_MS for one in learned}
    assert (found is None) == (len(days) < 2)
    if found:
        assert np.array_equal(found.impressions, impressions)
        by_day = list(found.days(curve))
        assert [day for day, _ in by_day] == sorted(days)
        assert sum(counts.examined for _, counts in by_day) == pytest.approx(impressions @ curve)
        clicks = [added_up(those, weight_of, candidates, SLOTS)[1] for those in segments]
        assert np.array_equal(np.sum([counts.clicks for _, counts in by_day], axis=0), clicks)
