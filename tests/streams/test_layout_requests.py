"""When the learner asks for layouts of keys that changed, and how much it says came."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.fold.deltas import TableDelta, TableKey, Traffic
from streams.fold.evidence import NO_EVIDENCE, Evidence, evidence_of
from streams.learner.layout_requests import Key, RequestDebouncer

REST_S = 2.0
KEYS = [("home", "all"), ("home", "new"), ("sale", "all")]
STEPS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.booleans(), st.floats(0.0, 1.5), st.booleans()),
    max_size=60,
)


@given(STEPS)
def test_clicked_keys_go_at_once_seen_ones_after_their_rest_and_none_is_forgotten(
    steps: list[tuple[Key, bool, float, bool]],
) -> None:
    debouncer, now = RequestDebouncer(REST_S), 0.0
    lacking, requested, told = set[Key](), dict[Key, float](), Counter[Key]()
    for key, clicked, passed, looks in steps:
        now += passed
        debouncer.note(key, Evidence(3, int(clicked)), clicked=clicked)
        lacking.add(key)
        at_once = debouncer.take(now)
        assert at_once.keys() == ({key} if clicked else set())
        assert all(came.clicks == 1 for came in at_once.values())
        told.update({key: int(came.impressions) for key, came in at_once.items()})
        lacking -= at_once.keys()
        requested |= dict.fromkeys(at_once, now)
        if looks:
            rested = {key for key in lacking if now - requested.get(key, -REST_S) >= REST_S}
            unclicked = debouncer.take_unclicked(now)
            assert unclicked.keys() == rested
            told.update({key: int(came.impressions) for key, came in unclicked.items()})
            lacking -= rested
            requested |= dict.fromkeys(rested, now)
    rest = debouncer.take_unclicked(now + REST_S)
    assert rest.keys() == lacking
    told.update({key: int(came.impressions) for key, came in rest.items()})
    assert told == Counter([key for key, *_ in steps for _ in range(3)]), "requests add up to what came"


def test_what_a_batch_adds_is_summed_by_key_and_a_fallback_says_nothing() -> None:
    seen = {("a", "top"): 3, ("b", "left"): 2}
    tables = {
        TableKey("home", "new", 0, Traffic.LEARNED): TableDelta({"impressions": seen, "clicks": {("a", "top"): 1}}),
        TableKey("home", "new", 1, Traffic.HOLDOUT): TableDelta({"impressions": seen, "conversions": {"a": 2}}),
        TableKey("sale", "new", 0, Traffic.FALLBACK): TableDelta({"impressions": seen}),
    }
    assert evidence_of([tables, {}]) == {("home", "new"): Evidence(10, 3), ("sale", "new"): NO_EVIDENCE}
