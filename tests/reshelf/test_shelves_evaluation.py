"""Pages with shelves are not valued by item, and other pages of the log still are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from reshelf.evaluation.evaluate import Question
from reshelf.evaluation.export import write_open_bandit
from reshelf.evaluation.follow import Running
from schemas.codec import encode
from schemas.errors import ReshelfError
from schemas.messages.layouts import Layout
from schemas.topics import LAYOUTS_HISTORY
from streams.kafka.reader import Read
from streams.settings import FoldSettings
from tests.reshelf.decision_logs import LAYOUTS, NOW, SLATES, a_layout, later, recorded_events, visits
from tests.reshelf.joined_on_disk import on_disk

ROWS: dict[str, Any] = {
    "rows": [{"first": "new"}] * len(SLATES),
    "baseline_rows": {"first": "new"},
    "row_propensities": {"first": {"new": 1.0}},
}


def shelved(version: int, **changes: Any) -> Layout:
    return a_layout(version, **ROWS, **changes)


@pytest.mark.parametrize("policy", ["served", "holdout", "shadow"])
def test_a_page_with_shelves_is_refused_with_the_way_out(policy: str) -> None:
    layouts = [*LAYOUTS, shelved(3)]
    with (
        on_disk(visits(layouts, 60), layouts) as evaluator,
        pytest.raises(ReshelfError, match=r"page 'home' has shelves.*reshelf experiment branches"),
    ):
        evaluator.answer(Question(policy))


def test_the_other_pages_of_the_log_are_valued() -> None:
    layouts = [shelved(1, page="start"), *LAYOUTS]
    events = visits(LAYOUTS, 60)
    events += [msgspec.structs.replace(event, page="start", layout_version=1) for event in visits(LAYOUTS, 20, seed=2)]
    with on_disk(events, layouts) as evaluator:
        answer = evaluator.answer(Question("shadow"))
    assert {*answer["pages"]} == {"home"}
    assert {*answer["refused"]} == {"start"}
    assert "page 'start' has shelves" in answer["refused"]["start"]


def test_what_is_followed_is_refused_from_the_first_layout_with_shelves_on() -> None:
    running = Running("served", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), settle_ms=5_000)
    records = recorded_events(later(visits([*LAYOUTS, shelved(3)], 60)))
    records[LAYOUTS_HISTORY].append(Read(2, NOW, b"", encode(shelved(3))))
    for topic, some in records.items():
        running.take(topic, 0, some)
    assert running.settle(NOW + 6_500)
    assert not running.refused and {*running.answer(0.95)["pages"]} == {"home"}
    for cut in (30_000, 10**7):
        assert running.settle(NOW + cut)
        answer = running.answer(0.95)
        assert not answer["pages"] and {*answer["refused"]} == {"home"}


def test_shelves_have_no_place_in_the_form_of_the_open_bandit_dataset(tmp_path: Path) -> None:
    layouts = [shelved(1), shelved(2)]
    with (
        on_disk(visits(layouts, 60), layouts) as evaluator,
        pytest.raises(ReshelfError, match=r"has shelves.*--format parquet"),
    ):
        write_open_bandit(evaluator.tables, tmp_path, "home")
