"""`reshelf edge` over HTTP, against a broker."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields
from pydantic import SecretStr
from starlette.datastructures import QueryParams

from policy.assignment import choose
from reshelf.edge.intake import ReportedSignal, check, parse
from reshelf.edge.limits import Limiter
from reshelf.edge.slates import unit_of
from schemas import export
from schemas.codec import decoder
from schemas.errors import BadRecord, BadSettings
from schemas.messages.events import Signal
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout, LayoutLife
from schemas.topics import SIGNALS
from streams.access import required_token
from tests.reshelf.edge_inputs import CLICK, LifeMessage, shelf_of
from tests.reshelf.test_layouts_command import NOW_MS, layout


@settings(max_examples=40)
@given(unit=st.text(min_size=1, max_size=20))
def test_a_visitor_is_shown_what_the_reference_chooses(unit: str) -> None:
    one = layout("cooks", 9)
    found = shelf_of(one).answer("home", "cooks", unit, NOW_MS)
    assert found is not None
    told = json.loads(found.body)
    assert (told["variant"], told["slate"], {}) == choose(one, unit)
    assert told.keys() == {"page", "segment", "version", "expires_at", "variant", "slate"}, "as before pages had rows"
    assert told["variant"] in (BASELINE, 0, 1)


def test_a_visitor_gets_the_rows_of_their_slate_with_what_shelves_are_called() -> None:
    arranged = decoder(Layout)((export.EXAMPLES / "layout.shelves.json").read_bytes())
    cache, rows, titles = shelf_of(arranged), set(), {"shoe-week": {"kind": "banner"}, "new": {"title": "New in"}}
    for number in range(40):
        answer = cache.answer("home", "hikers", f"u{number}", arranged.produced_at)
        assert answer is not None
        told, choice = json.loads(answer.body), choose(arranged, f"u{number}")
        assert told["variant"] == choice.variant
        assert (told["slate"], told["rows"]) == (choice.slate, choice.rows)
        assert told["shelves"] == titles | {"best": {"title": "Best sellers", "kind": "grid"}}
        rows.add((choice.variant == BASELINE, *choice.rows.values()))
    assert len(rows) == 3, "of both arrangements, and the holdout's"


def test_shelves_that_do_not_stand_in_a_visitors_rows_are_not_named() -> None:
    arranged = decoder(Layout)((export.EXAMPLES / "layout.shelves.json").read_bytes())
    one = msgspec.structs.replace(arranged, rows=[{"row-1": "new"}] * 4, holdout_share=0.0)
    answer = shelf_of(one).answer("home", "hikers", "u", one.produced_at)
    assert answer is not None and json.loads(answer.body)["shelves"] == {"new": {"title": "New in"}}
    nothing = msgspec.structs.replace(one, rows=[{}] * 4)
    answer = shelf_of(nothing).answer("home", "hikers", "u", one.produced_at)
    assert answer is not None and (json.loads(answer.body)["rows"], json.loads(answer.body)["shelves"]) == ({}, {})


@given(
    query=st.one_of(
        st.binary(max_size=30),
        st.lists(st.sampled_from([b"unit", b"=", b"&", b"+", b"%41", b"%E5%AE%A2", b"%", b"x", b"\xe9"])).map(b"".join),
    )
)
def test_a_query_is_read_as_starlette_reads_it(query: bytes) -> None:
    assert unit_of(query) == QueryParams(query).get("unit")


def test_another_version_or_variant_has_another_tag() -> None:
    cache = shelf_of(layout("cooks", 9), layout("*", 9))
    tags = {cache.answer("home", segment, None, NOW_MS) for segment in ("cooks", "campers")}
    tags |= {cache.answer("home", "cooks", f"u{number}", NOW_MS) for number in range(100)}
    tags |= {shelf_of(layout("cooks", 10)).answer("home", "cooks", None, NOW_MS)}
    assert len({one.etag for one in tags if one}) == len(tags) == 6


def test_an_expired_layout_is_not_served() -> None:
    cache = shelf_of(layout("*", 9, expires_at=NOW_MS + 1))
    assert cache.answer("home", "cooks", "u", NOW_MS) is not None
    assert cache.answer("home", "cooks", "u", NOW_MS + 1) is None
    assert cache.answer("other", "cooks", "u", NOW_MS) is None


def test_a_layout_that_did_not_change_is_served_while_its_life_goes_on() -> None:
    one = msgspec.structs.replace(layout("*", 9, expires_at=NOW_MS + 1), life="live/0/1")
    cache = shelf_of(one)
    tags, ends = set(), list[int]()
    for end in (0, NOW_MS + 5, NOW_MS + 9):
        if end:
            cache.take_life(LifeMessage(LayoutLife("live/0/1", NOW_MS, end)))  # type: ignore[arg-type]
        for unit in ("u", None):
            answer = cache.answer("home", "cooks", unit, NOW_MS)
            assert answer is not None
            tags.add(answer.etag)
            ends.append(json.loads(answer.body)["expires_at"] - NOW_MS)
    assert ends == [1, 1, 5, 5, 9, 9]
    assert len(tags) == len(ends)
    assert cache.answer("home", "cooks", "u", NOW_MS + 8) is cache.answer("home", "cooks", "u", NOW_MS)
    assert cache.answer("home", "cooks", "u", NOW_MS + 9) is None


@given(costs=st.lists(st.tuples(st.integers(1, 10), st.floats(0, 2)), max_size=50))
def test_nobody_gets_more_than_the_rate_allows(costs: list[tuple[int, float]]) -> None:
    limiter, now, taken = Limiter(rate=5.0, burst=10.0), 0.0, 0
    for cost, pause in costs:
        now += pause
        if not limiter.wait_s("client", cost, now):
            taken += cost
    assert taken <= 10 + 5 * now + 1e-6


@given(asked=st.lists(st.tuples(st.integers(1, 10), st.floats(0, 1e9)), max_size=20))
def test_a_clock_that_is_set_back_makes_nobody_wait_longer(asked: list[tuple[int, float]]) -> None:
    limiter = Limiter(rate=5.0, burst=10.0)
    for cost, now in asked:
        assert limiter.wait_s("client", cost, now) <= cost / 5.0


def test_who_waits_as_told_is_let_in() -> None:
    limiter = Limiter(rate=5.0, burst=10.0)
    assert limiter.wait_s("one", 10, 0.0) == 0
    wait = limiter.wait_s("one", 4, 0.0)
    assert wait == pytest.approx(0.8)
    assert limiter.wait_s("other", 10, 0.0) == 0
    assert limiter.wait_s("one", 4, wait) == 0


def test_events_that_do_not_fit_are_told_one_by_one() -> None:
    wrong = [CLICK | {"kind": "view"}, CLICK | {"variant": 999}, 3, {"event_id": "x"}]
    records, refusals = check(parse(json.dumps({"events": [CLICK, *wrong]}).encode()))
    assert [(record.number, record.key) for record in records] == [(0, b"u-1")]
    assert [(one.index, one.reason) for one in refusals] == [(1, "kind"), *((at, "invalid") for at in (2, 3, 4))]
    assert "`$.variant`" in refusals[1].detail
    for body in (b"", b"[]", b"{", b'{"events": 3}'):
        with pytest.raises(BadRecord):
            parse(body)


def test_a_signal_says_what_the_visitor_did_under_a_name_of_its_own() -> None:
    signal = {"kind": "signal", "signal": "add-to-cart", "event_id": "s-1", "occurred_at": NOW_MS, "unit": "u-1"}
    signal |= {"item": "tent", "family": "tents"}
    other = [signal | {"signal": "Add To Cart"}, {name: signal[name] for name in signal if name != "signal"}]
    records, refusals = check(parse(json.dumps({"events": [signal, *other]}).encode()))
    (record,) = records
    assert (record.topic, record.key) == (SIGNALS, b"u-1")
    assert decoder(Signal)(record.value) == Signal("s-1", NOW_MS, "u-1", "add-to-cart", "tent", "tents")
    assert [(one.index, one.reason) for one in refusals] == [(1, "invalid"), (2, "invalid")]
    assert [each.name for each in fields(ReportedSignal)] == [
        each.name if each.name != "kind" else "signal" for each in fields(Signal)
    ]
    assert "`$.signal`" in refusals[0].detail and "`signal`" in refusals[1].detail


def test_returns_are_sent_by_the_back_office_alone() -> None:
    _, (returned, credit, other) = check(
        parse(json.dumps({"events": [{"kind": "return"}, {"kind": "credit"}, {"kind": "view"}]}).encode())
    )
    assert "got 'return', which the back office sends to events-returns" in returned.detail
    assert "got 'credit', which the attribution sends to events-credits" in credit.detail
    assert "expected one of impression, click, purchase, signal, got 'view' - at" in other.detail


UNREADABLE = [
    json.dumps(CLICK | {"unit": "\ud800"}).encode(),
    json.dumps(CLICK).encode().replace(b"tent", b"t\xff"),
    json.dumps(CLICK)[:-1].encode() + b', "x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b'{"kind": "click", "unit": }',
]

READABLE = [json.dumps(CLICK | {"unit": unit}).encode() for unit in ("u", 'a"]}, {"', "\\", '\\"', "\U0001f6d2", "],[")]


@given(st.lists(st.sampled_from(READABLE + UNREADABLE), max_size=6))
def test_an_event_that_cannot_be_read_spoils_no_other(elements: list[bytes]) -> None:
    records, refusals = check(parse(b' {"events" : [\n' + b" , ".join(elements) + b"]}\n"))
    assert [one.number for one in records] == [at for at, one in enumerate(elements) if one in READABLE]
    assert [one.value for one in records] == [
        record.value for one in elements if one in READABLE for record in check([msgspec.Raw(one)])[0]
    ]
    assert [one.index for one in refusals] == [at for at, one in enumerate(elements) if one in UNREADABLE]


@given(st.sampled_from(UNREADABLE), st.integers(1, 12))
def test_a_batch_that_is_cut_off_is_none(element: bytes, cut: int) -> None:
    body = b'{"events": [' + READABLE[0] + b"," + element + b"]}"
    with pytest.raises(BadRecord):
        parse(body[:-cut])
    with pytest.raises(BadRecord):
        parse(body + b"]}"[:cut])


def test_a_long_string_without_an_end_is_soon_refused() -> None:
    began = time.process_time()
    with pytest.raises(BadRecord):
        parse(b'{"events":["' + b'\\"' * 500_000)
    assert time.process_time() - began < 2.0


def test_an_open_address_needs_a_token() -> None:
    with pytest.raises(BadSettings, match=r"edge\.token with at least 16 characters, got 0"):
        required_token("edge", "0.0.0.0", SecretStr(""))
    assert required_token("edge", "0.0.0.0", SecretStr("0123456789abcdef")) == "0123456789abcdef"
