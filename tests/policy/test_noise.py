"""Which segments are left out of what the others learn."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policy.model.outliers import implausible

_counts = st.lists(st.tuples(st.integers(0, 10**6), st.floats(0.0, 1.0)), min_size=1, max_size=20)


@given(counts=_counts, times=st.floats(1.0, 50.0))
def test_never_most_segments_and_never_without_clicks(counts: list[tuple[int, float]], times: float) -> None:
    impressions = np.array([float(shown) for shown, _ in counts])
    clicks = np.floor(impressions * np.array([rate for _, rate in counts]))
    found = implausible(clicks, impressions, 0.02, times)
    assert found.sum() <= len(counts) / 2
    assert not found[clicks == 0].any()
    assert not implausible(clicks, impressions, 0.02, 0.0).any()


def test_a_segment_that_clicks_on_everything_is_left_out_once_there_is_evidence() -> None:
    impressions, clicks = np.array([10_000.0, 20_000, 15_000, 1_000]), np.array([200.0, 410, 290, 900])
    assert implausible(clicks, impressions, 0.02, 10.0).tolist() == [False, False, False, True]
    few = np.array([200.0, 410, 290, 4]), np.array([10_000.0, 20_000, 15_000, 4])
    assert not implausible(*few, 0.02, 10.0).any(), "four clicks of four may be chance"
    two = np.array([200.0, 900]), np.array([10_000.0, 1_000])
    assert not implausible(*two, 0.02, 10.0).any(), "of two segments none is usual"


def test_keen_customers_stay() -> None:
    impressions, clicks = np.array([10_000.0] * 4), np.array([200.0, 100, 300, 900])
    assert not implausible(clicks, impressions, 0.02, 10.0).any()
