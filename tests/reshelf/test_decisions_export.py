"""The decision log as rows and files for other tools."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from reshelf.datasets.open_bandit import OpenBandit
from reshelf.evaluation.export import COLUMNS, file_name, write_open_bandit
from schemas.messages.fields import BASELINE
from tests.reshelf.decision_logs import EVENTS, LAYOUTS, SLOTS, a_layout, joined
from tests.reshelf.joined_on_disk import on_disk
from tests.reshelf.plain_evaluation import rows


def test_each_row_has_the_propensity_of_its_layout() -> None:
    found = list(rows(joined().views))
    assert all(set(row) == set(COLUMNS) for row in found)
    for row in found:
        expected = 1.0 if row["variant"] == BASELINE else LAYOUTS[0].propensities[row["slot"]][row["item"]]
        assert row["propensity"] == expected
        assert SLOTS[row["position"]] == row["slot"]


@given(st.lists(st.text(min_size=1, max_size=64) | st.sampled_from(["a/b", "a%2Fb", "..", "a.b"]), unique=True))
def test_each_page_has_a_file_name_of_its_own_in_the_folder(pages: list[str]) -> None:
    names = {file_name(page) for page in pages}
    assert len(names) == len(pages)
    assert all(Path(name).name == name and name not in ("", ".", "..") for name in names)


def test_a_page_whose_name_holds_a_slash_is_exported(tmp_path: Path) -> None:
    events = [msgspec.structs.replace(event, page="women/shoes") for event in EVENTS[:50]]
    with on_disk(events, [a_layout(version, page="women/shoes") for version in (1, 2)]) as evaluator:
        assert write_open_bandit(evaluator.tables, tmp_path, None)["rows"] > 0
    assert OpenBandit(tmp_path, "women%2Fshoes", "thompson", "user_feature_0").log_file.is_file()
