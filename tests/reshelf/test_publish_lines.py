"""Lines of a file to publish, held against each other, the shop's time zone and its currency."""

from __future__ import annotations

import unicodedata
from io import BytesIO
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reshelf.doctor.catalog.names import NamesOfEvents, currency_findings, event_findings, name_findings
from reshelf.edge.intake import check as edge_check
from reshelf.topics.lines import Shop, record
from reshelf.topics.publish import Checked, check
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.similar_names import SimilarNames, difference, folded
from schemas.times import in_words, moment, odd_unit
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, CLICKS, PAGE_RULES
from streams.catalog.view import CatalogView
from streams.fold.judge import Judge
from streams.kafka.records import Logged
from streams.settings import FoldSettings

BERLIN = Shop(ZoneInfo("Europe/Berlin"), "EUR")
CLICK = (
    b'{"event_id":"e","occurred_at":1796083200000,"unit":"u","page":"p","segment":"s","page_view_id":"v",'
    b'"layout_version":1,"variant":0,"slot":"a","item":"i"}'
)


def checked(*lines: bytes, topic: Topic = CATALOG_ITEMS) -> Checked:
    return check(BytesIO(b"\n".join(lines)), topic, "f", BERLIN)


def test_dates_in_a_catalog_are_read_in_the_shops_zone() -> None:
    line = b'{"item":"a","title":"A","created_at":"2026-12-01","available_until":"2026-12-01T00:00:00Z"}'
    assert checked(line).total == 1
    value = msgspec.json.decode(record(1, line, CATALOG_ITEMS, BERLIN).value or b"", type=CatalogItem)
    assert (value.created_at, value.available_until) == (1_796_079_600_000, 1_796_083_200_000)
    untouched = b'{"item":"a", "title":"A"}'
    assert record(1, untouched, CATALOG_ITEMS, BERLIN).value == untouched


@pytest.mark.parametrize(
    ("lines", "topic", "said"),
    [
        (
            [b'{"item":"a","title":"A","created_at":1796083200}'],
            CATALOG_ITEMS,
            "looks like seconds since 1970 (2026-12",
        ),
        ([b'{"item":"a","title":"A","created_at":"1.12.2026"}'], CATALOG_ITEMS, "got '1.12.2026' - at `$.created_at`"),
        ([b'{"item":"a","title":"A","created_at":[1]}'], CATALOG_ITEMS, "Expected `int`, got `array`"),
        ([b'{"item":"a","title":"A","price":5,"currency":"USD"}'], CATALOG_ITEMS, "expected prices in EUR"),
        ([b'{"item":"a","title":"A"}'] * 2, CATALOG_ITEMS, "line 2: item 'a' is in the file already, in line 1"),
        ([b'{"item":"a","title":"A"}', b'{"key":"a","value":null}'], CATALOG_ITEMS, "item 'a' is in the file already"),
        ([b'{"page":"p","version":1,"slots":["x"]}'] * 2, PAGE_RULES, "page 'p' is in the file already"),
        ([CLICK, CLICK], CLICKS, "event_id 'e' is in the file already"),
        ([CLICK.replace(b"3200000", b"3200")], CLICKS, "looks like seconds since 1970"),
    ],
)
def test_what_nobody_means_is_refused(lines: list[bytes], topic: Topic, said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        checked(*lines, topic=topic)
    assert said in str(refused.value)


def test_times_in_seconds_are_named_where_records_come_from_elsewhere() -> None:
    seconds = CLICK.replace(b"3200000", b"3200")
    (refusal,) = edge_check([msgspec.Raw(seconds[:-1] + b',"kind":"click"}')])[1]
    assert "looks like seconds since 1970 (2026-12-01" in refusal.detail
    view = CatalogView()
    item = Logged(0, 0, b"a", b'{"item":"a","title":"A","available_until":1796083200}')
    (error,) = view.take(CATALOG_ITEMS, 0, [item]).invalid
    assert "looks like seconds" in str(error) and "in item 'a'" in str(error) and not view.items
    judged = Judge(CLICKS, FoldSettings()).judge([Logged(0, 1_796_083_200_000, b"u", seconds)])
    assert [(one.reason, "looks like seconds" in one.detail) for one in judged.rejected] == [("late", True)]


def test_names_that_people_take_for_one_are_said_once_each() -> None:
    decomposed = unicodedata.normalize("NFD", "kr\u00e4mer")
    lines = [
        msgspec.json.encode(CatalogItem(item, "x", brand=brand))
        for item, brand in (
            ("a", "Kr\u00e4mer"),
            ("A", "KR\u00c4MER"),
            ("b", decomposed),
            ("c", "KR\u00c4MER"),
            ("d ", ""),
        )
    ]
    answer = checked(*lines)
    assert (answer.warned, [text.partition(" differs")[0] for text in answer.warnings]) == (
        4,
        [
            "f, line 2: item 'A'",
            "f, line 2: brand 'KR\u00c4MER'",
            f"f, line 3: brand {decomposed!r}",
            "f, line 5: item 'd ' has blanks at an end",
        ],
    )
    items = {item.item: item for item in (msgspec.json.decode(line, type=CatalogItem) for line in lines)}
    (finding,) = name_findings(items, {}, {"home": {"new", "New"}, "Home": {"new"}})
    assert (finding.state, finding.detail.count(";"), finding.detail[-10:]) == ("note", 2, "and 3 more")
    (ok,) = name_findings({"a": CatalogItem("a", "A")}, {}, {})
    assert ok.state == "ok"
    assert list(currency_findings(items, "EUR")) == []
    events = NamesOfEvents({"A", "a ", "unknown", "B"}, {"hero", "Grid"})
    declared = {"home": PageRules("home", 1, ["Hero", "Grid"], blocks=["guide"])}
    (wrong,) = event_findings({"a": CatalogItem("a", "A"), "B": CatalogItem("B", "B")}, declared, {"home": events})
    assert (wrong.state, wrong.detail) == (
        "bad",
        "item 'A' of page 'home' is 'a' there; item 'a ' of page 'home' is 'a' there; "
        "slot 'hero' of page 'home' is 'Hero' there",
    )
    assert list(event_findings(items, declared, {"other": events})) == []
    (foreign,) = currency_findings({"a": CatalogItem("a", "A", price=1)}, "USD")
    assert "1 of 1 items are not in USD, 'a' is in EUR" in foreign.detail


@given(st.text(max_size=8), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]), st.sampled_from(["", " ", "\t"]))
def test_forms_and_blanks_do_not_part_names(name: str, form: str, blank: str) -> None:
    other = blank + unicodedata.normalize(form, name)  # type: ignore[arg-type]
    assert folded(other) == folded(name)
    assert other == name or difference(name, other)
    names = SimilarNames("item")
    names.take(name)
    assert bool(names.take(other)) == (other != name or other != other.strip()) or name == other


@given(st.integers(100_000_000_000, 4_102_444_799_999))
def test_a_moment_is_read_as_it_is_written_and_its_other_units_are_recognised(millis: int) -> None:
    for zone in (BERLIN.zone, ZoneInfo("America/St_Johns")):
        assert moment(in_words(millis, zone)) == millis
    assert odd_unit(millis) == ""
    for unit, value in (("seconds", millis // 1000), ("microseconds", millis * 1000), ("nanoseconds", millis * 10**6)):
        assert f"looks like {unit}" in odd_unit(value)
