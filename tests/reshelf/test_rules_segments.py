"""Page files with learned segments: what of them is refused, with line and reason, and what is kept as written."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from msgspec.structs import replace

from policy.segments.rule import UNASSIGNED
from reshelf.doctor.segments import model_finding, unit_findings, view_findings
from reshelf.doctor.variety import seen_categories, variety_findings
from reshelf.rules.file import check, read, written
from reshelf.rules.segments import SegmentCheck
from reshelf.settings import Settings
from schemas.messages.layouts import Layout, LayoutBranch
from schemas.messages.pages import PageRules
from schemas.messages.segments import SegmentModel
from streams.layouts.branches import has_whole_branches
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings

LAYOUT = Layout(
    "home", "*", 1, 1, 2, 0, "default", "thompson", "", 1, 0, [], {}, 0.1, "h", baseline={}, slates=[], propensities={}
)  # fmt: skip
PAGE = """page: home
slots: [home-1, home-2]
segments: learned
branches:
  - {name: one-for-all, share: 0.25, segment: "*", policy: {name: thompson}}
rules:
  - {kind: pin, name: first, item: tent, slot: home-1, segments: [SEGMENT]}
"""
DAY_MS = 86_400_000
MODEL = SegmentModel(version=4, generation=1, published_at=10 * DAY_MS, names=["t01"], starts=[0], parts=0)


def settings(learned: bool = True, max_keys: int = 250_000) -> Settings:
    return Settings(segments=SegmentSettings(learned=learned), fold=FoldSettings(max_keys=max_keys))


def test_what_fits_is_read_and_written_as_it_was() -> None:
    (page,) = read(PAGE.replace("SEGMENT", "t01"), "home.yaml", more=SegmentCheck(settings()))
    assert page.has_learned_segments and has_whole_branches(page)
    assert read(written([page]), "again") == [page]


@pytest.mark.parametrize(
    ("text", "own", "line", "said"),
    [
        (PAGE.replace("SEGMENT", "t01"), settings(learned=False), 3, "segments.learned"),
        (PAGE.replace("SEGMENT", "t01"), settings(max_keys=9), 3, "10 pairs of page and segment, 10 each"),
        (PAGE.replace("SEGMENT", "cooks"), settings(), 7, "1 own x 10 learned segments would be 10"),
        (PAGE.replace("learned", "clever"), settings(), 3, "Invalid enum value 'clever'"),
        (PAGE.replace('"*"', "t01"), settings(), 5, "Invalid enum value 't01'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_line_and_reason(text: str, own: Settings, line: int, said: str) -> None:
    _, wrong = check(text, more=SegmentCheck(own))
    assert [fault.line for fault in wrong] == [line] and said in wrong[0].text


def test_a_page_without_learned_segments_asks_for_no_setting() -> None:
    text = PAGE.replace("segments: learned\n", "").replace("SEGMENT", "cooks")
    assert check(text, more=SegmentCheck(settings(learned=False)))[1] == []


@pytest.mark.parametrize(
    ("own", "model", "now_ms", "state"),
    [
        (settings(learned=False), MODEL, 10 * DAY_MS, "bad"),
        (settings(), None, 10 * DAY_MS, "note"),
        (settings(), MODEL, 10 * DAY_MS + 3_600_000, "ok"),
        (settings(), MODEL, 11 * DAY_MS + 1_000, "bad"),
    ],
)
def test_the_doctor_says_how_the_model_is(own: Settings, model: SegmentModel | None, now_ms: int, state: str) -> None:
    assert model_finding(own, model, now_ms).state == state


@pytest.mark.parametrize(
    ("publishes", "units", "states"), [(False, 0, []), (True, 0, ["ok"]), (True, 7, ["ok"]), (False, 7, ["note"])]
)
def test_the_doctor_says_whether_segments_of_visitors_are_renewed(
    publishes: bool, units: int, states: list[str]
) -> None:
    own = Settings(segments=SegmentSettings(learned=True, publish_units=publishes))
    assert [finding.state for finding in unit_findings(own, units)] == states


@pytest.mark.parametrize(
    ("views", "states"),
    [
        ({"t01": 60, UNASSIGNED: 40}, []),
        ({"t01": 10, UNASSIGNED: 90}, ["note"]),
        ({"t01": 60, "cooks": 40}, ["bad"]),
        ({"t01": 4, "cooks": 4}, []),
    ],
)
def test_the_doctor_says_into_which_segments_visitors_are_put(views: dict[str, int], states: list[str]) -> None:
    pages = {"home": PageRules("home", 1, ["top"], segments="learned")}
    counted = Counter({("home", segment): count for segment, count in views.items()}) + Counter({("away", "x"): 900})
    found = list(view_findings(pages, MODEL, counted))
    assert [finding.state for finding in found] == states
    assert all(finding.remedy for finding in found), json.dumps(states)


@pytest.mark.parametrize(("categories", "states"), [(4, ["ok"]), (1, ["note"])])
def test_a_segment_that_shows_few_categories_is_told_of(categories: int, states: list[str]) -> None:
    slots = [f"s{at}" for at in range(4)]

    def layout(segment: str, kinds: int) -> Layout:
        slate = {slot: f"i{at % kinds}" for at, slot in enumerate(slots)}
        trial = dict.fromkeys(slots, "i0")
        branches = [LayoutBranch("main", "thompson", 0.5, 1), LayoutBranch("one", "thompson", 0.5, 1)]
        return replace(LAYOUT, segment=segment, slates=[slate, trial], branches=branches)

    kinds = {"*": 4, "t00": 1, "t01": categories}
    layouts = {("home", segment): layout(segment, count) for segment, count in kinds.items()}
    of_items = {f"i{at}": f"c{at}" for at in range(4)}
    assert seen_categories(layouts["home", "*"], of_items) == 4.0
    findings = list(variety_findings(layouts, of_items))
    assert [finding.state for finding in findings] == states
    assert all(finding.remedy for finding in findings if finding.state == "note")
    assert not list(variety_findings({("home", "*"): layout("*", 2), ("home", "t01"): layout("t01", 1)}, of_items))
