"""When the learner asks for layouts of keys that changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.learner.layout_requests import RequestDebouncer

REST_S = 2.0
KEYS = [("home", "all"), ("home", "new"), ("sale", "all")]
STEPS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.booleans(), st.floats(0.0, 1.5), st.booleans()),
    max_size=60,
)


@given(STEPS)
def test_clicked_keys_go_at_once_seen_ones_after_their_rest_and_none_is_forgotten(
    steps: list[tuple[tuple[str, str], bool, float, bool]],
) -> None:
    wanted, now = RequestDebouncer(REST_S), 0.0
    lacking, asked = set[tuple[str, str]](), dict[tuple[str, str], float]()
    for key, clicked, passed, looks in steps:
        now += passed
        wanted.note(key, clicked=clicked)
        lacking.add(key)
        at_once = wanted.take(now)
        assert at_once == ({key} if clicked else set())
        lacking -= at_once
        asked |= dict.fromkeys(at_once, now)
        if looks:
            rested = {one for one in lacking if now - asked.get(one, -REST_S) >= REST_S}
            assert wanted.take_unclicked(now) == rested
            lacking -= rested
            asked |= dict.fromkeys(rested, now)
    assert wanted.take_unclicked(now + REST_S) == lacking
