"""The model of learned segments as it comes in parts, and what of it pages and their layouts take."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from policy.segments.affinity import affinity_of
from schemas.codec import encode
from schemas.errors import BadRecord
from schemas.messages.pages import PageRules
from schemas.messages.segments import SegmentItems, SegmentModel
from schemas.topics import PAGE_RULES, SEGMENTS
from streams.catalog.segments.model_view import SegmentModelView
from streams.catalog.view import CatalogView
from streams.fitter.page import PageState, fit, start_of
from streams.fitter.segments.fitter import TitledCatalog
from streams.fitter.segments.records import records_of
from streams.fold.deltas import Traffic
from streams.layouts.segments.serving import has_ended, is_learned, page_epoch, served_segments
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from tests.streams.layout_inputs import table
from tests.streams.logs import LoggedRecord

MODEL = SegmentModel(version=3, generation=1, published_at=1, names=["t01", "t02"], starts=[0, 4], parts=0)
POINTS = {f"i{number}": [number, -number] for number in range(40)}
WRONG_PART = encode(SegmentItems(3, 2, {}))
LEARNED = PageRules("home", 1, ["top"], segments="learned")


def records(model: SegmentModel, before: int = 0) -> list[tuple[str, bytes | None]]:
    made = records_of(model, POINTS, before)
    return [((record.key or b"").decode(), record.value) for record in made if record.topic == SEGMENTS.name]


def test_a_version_counts_once_all_its_parts_are_there_in_whatever_order() -> None:
    parts = [SegmentItems(3, at, {f"i{at}": [at, -at]}) for at in range(2)]
    log = [
        ("model", encode(msgspec.structs.replace(MODEL, parts=2))),
        *((f"items/{of.part}", encode(of)) for of in parts),
    ]
    for order in permutations(log):
        view = SegmentModelView()
        told = [view.take(key, value) for key, value in order]
        assert told == [False, False, True]
        assert view.current and view.current[1] == {"i0": [0, 0], "i1": [1, -1]}


def test_the_version_before_stays_until_the_next_is_complete() -> None:
    view = SegmentModelView()
    for key, value in records(MODEL):
        view.take(key, value)
    assert view.current and view.current[1] == POINTS
    *parts, head = records(msgspec.structs.replace(MODEL, version=4, names=["t03", "t04"]))
    for key, value in parts:
        assert not view.take(key, value)
    assert view.model and view.model.version == 3 and view.current[1] == POINTS
    assert view.take(*head) and view.model.names == ["t03", "t04"]
    assert view.take("model", None) and view.current is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("items/x", b"{}"), ("other", b"{}"), ("items/1", WRONG_PART), ("model", b"{")],
)
def test_records_that_are_no_model_change_nothing(key: str, value: bytes) -> None:
    view = SegmentModelView()
    for name, content in records(MODEL):
        view.take(name, content)
    before = view.current
    with pytest.raises(BadRecord):
        view.take(key, value)
    assert view.current is before


def test_other_names_change_the_pages_with_learned_segments_and_other_points_do_not() -> None:
    catalog = CatalogView()

    def take(model: SegmentModel) -> set[str]:
        own = [LoggedRecord(at, 0, key.encode(), value) for at, (key, value) in enumerate(records(model))]
        return catalog.take(SEGMENTS, 0, own).pages

    pages = [LEARNED, PageRules("away", 1, ["top"])]
    catalog.take(PAGE_RULES, 0, [LoggedRecord(at, 0, of.page.encode(), encode(of)) for at, of in enumerate(pages)])
    assert take(MODEL) == {"home"}
    assert take(msgspec.structs.replace(MODEL, version=4, margin=7)) == set()
    assert take(msgspec.structs.replace(MODEL, version=5, names=["t03", "t04"])) == {"home"}


def test_segments_of_ended_generations_and_no_others_are_given_up() -> None:
    assert served_segments(LEARNED, MODEL) == {"t00", "t01", "t02"} and served_segments(LEARNED, None) == {"t00"}
    assert served_segments(PageRules("away", 1, ["top"]), MODEL) == set()
    given_up = {name for name in ("t00", "t01", "t07", "*", "cooks", "t1", "tea") if has_ended(LEARNED, name, MODEL)}
    assert given_up == {"t07"}
    assert not has_ended(PageRules("away", 1, ["top"]), "t07", MODEL), "a page may call its segments so"


def test_the_epoch_of_a_learned_segment_carries_it_on_pages_that_use_them() -> None:
    plain = page_epoch(PageRules("home", 1, ["top"]), "t02", 10**12, 86_400_000)
    learned = page_epoch(LEARNED, "t02", 10**12, 86_400_000)
    assert learned.number == plain.number + 3 * 2**20 and learned[1:] == plain[1:]
    assert page_epoch(LEARNED, "*", 10**12, 86_400_000).number < 2**20
    assert is_learned("t00") and not is_learned("*")


def test_a_page_is_fitted_with_what_the_model_says_of_its_items_and_of_others_that_it_may_show() -> None:
    catalog = TitledCatalog()
    log = [record for record in records_of(MODEL, POINTS, 0) if record.topic == SEGMENTS.name]
    catalog.take(SEGMENTS, 0, [LoggedRecord(at, 0, one.key, one.value) for at, one in enumerate(log)])
    assert catalog.segment_model.current is not None
    counted = table(0, Traffic.LEARNED, ("i0", "i7"), ("top",), 1)
    affinity = affinity_of(*catalog.segment_model.current, ["i0", "i7", "new", "i9"])
    state = PageState(LEARNED, {"t01": [counted], "t02": [counted]}, {}, affinity=affinity)
    parameters = fit(state, start_of(LEARNED, [], LayoutSettings()), LayoutSettings(), FoldSettings(), 1_000)
    assert parameters.affinity and parameters.affinity.names == ["t01", "t02"]
    assert parameters.affinity.points == {"i0": [0, 0], "i7": [7, -7], "i9": [9, -9]}
