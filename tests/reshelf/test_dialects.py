"""Rows of other trackers' exports are events of the contract, or have one reason why not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reshelf.dialects import DIALECTS, stem
from reshelf.dialects.action import Items, LeftOut, Options
from reshelf.dialects.entry import Event, Mapped
from reshelf.dialects.events import TOPIC_OF, mapped
from reshelf.dialects.values import decimal, digest, millis, minor, text, whole
from schemas.codec import decoder, encode
from schemas.messages.events import (
    Click,
    Impression,
    Purchase,
    PurchaseLine,
    Return,
    ReturnLine,
    Signal,
    SlotItem,
)
from tests.reshelf.dialect_rows import NAMES, NUMBERS, VALUES, objects, odd_rows

ROWS = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), odd_rows(name)))
ANYTHING = st.tuples(st.sampled_from(NAMES), st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
OPTIONS = st.builds(
    Options,
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    items=st.sampled_from(["products", "variants"]),
    handles=st.sampled_from([{}, {"901": "tee"}]),
)
T0 = 1_764_575_100_000


def outcome(dialect: str, row: dict[str, Any], options: Options) -> Mapped | str:
    """What became of a row, or its reason; anything else that is raised is a mistake."""
    try:
        return mapped(DIALECTS[dialect], row, options)
    except LeftOut as error:
        return error.reason


def events(dialect: str, items: Items = "products", **more: Any) -> list[Event]:
    """All events of a fixture."""
    options = Options(items=items, **more)
    results = [outcome(dialect, row, options) for row in objects(dialect)]
    return [event for result in results if isinstance(result, Mapped) for _, event in result.events]


def of_kind(kind: type[Event], dialect: str, items: Items = "products", **more: Any) -> list[Any]:
    return [event for event in events(dialect, items, **more) if isinstance(event, kind)]


@given(ROWS | ANYTHING, OPTIONS)
def test_a_row_is_events_of_the_contract_or_has_a_reason(entry: tuple[str, dict[str, Any]], options: Options) -> None:
    dialect, row = entry
    result = outcome(dialect, row, options)
    if isinstance(result, str):
        assert result and result.isprintable()
        return
    assert bool(result.events) != bool(result.strays)
    assert bool(result.strays) == bool(result.order) == (result.no_visitor is not None)
    for source, event in [*result.events, *result.strays]:
        assert source
        assert decoder(type(event))(encode(event)) == event
        assert event.event_id.startswith(stem(dialect))
        assert type(event) in TOPIC_OF
    assert len({(type(event), event.event_id) for _, event in result.events}) == len(result.events)


@given(ROWS, OPTIONS)
def test_a_row_says_the_same_again(entry: tuple[str, dict[str, Any]], options: Options) -> None:
    dialect, row = entry
    first, again = (outcome(dialect, row, options) for _ in range(2))
    if isinstance(first, Mapped) and isinstance(again, Mapped):
        assert (first.events, first.changed) == (again.events, again.changed)
    else:
        assert first == again


@given(VALUES | NUMBERS)
def test_values_of_any_kind_are_read_or_none(value: Any) -> None:
    assert isinstance(text(value), str)
    assert len(digest(value)) == 32
    assert decimal(value) is None or decimal(value).is_finite()  # type: ignore[union-attr]
    assert whole(value) is None or isinstance(whole(value), int)
    assert millis(value) is None or isinstance(millis(value), int)


@given(st.integers(0, 10**12), st.sampled_from([("EUR", 2), ("JPY", 0), ("KWD", 3)]))
def test_amounts_are_exact_however_they_are_written(units: int, currency: tuple[str, int]) -> None:
    """As a text and as a number in JSON, which has about 15 digits."""
    code, places = currency
    written = str(Decimal(units).scaleb(-places))
    assert "E" in written or minor(decimal(written) or Decimal(0), code) == (units, False)
    assert minor(decimal(float(written)) or Decimal(0), code) == (units, False)


def test_ga4() -> None:
    shared = {"segment": "all", "layout_version": 0, "variant": -2}
    home, often, front = of_kind(Impression, "ga4")
    assert (home.page, home.slots) == ("home", [SlotItem("0", "boot-1"), SlotItem("1", "boot-2")])
    assert (often.page, often.slots) == ("Often bought", [SlotItem("0", "lamp-1")])
    assert (home.occurred_at, home.unit, often.event_id) == (T0, "81.44", f"{home.event_id}.1")
    assert {name: getattr(home, name) for name in shared} == shared
    assert (front.page, front.segment, front.page_view_id) == ("front", "new", "pv-9")
    assert (front.layout_version, front.variant, front.slots) == (41, 3, [SlotItem("hero", "boot-1")])
    (click,) = of_kind(Click, "ga4")
    assert (click.page, click.slot, click.item, click.family) == ("home", "1", "boots", "")
    assert click.page_view_id == home.page_view_id == often.page_view_id
    assert [(signal.kind, signal.item) for signal in of_kind(Signal, "ga4")] == [
        ("view", "boot-2"), ("add-to-cart", "boot-2"), ("wish", "lamp-1"),
    ]  # fmt: skip
    (purchase,) = of_kind(Purchase, "ga4")
    assert (purchase.order_id, purchase.currency) == ("T-7", "EUR")
    assert purchase.lines == [PurchaseLine("boot-2", 2, 3_998), PurchaseLine("lamp-1", 1, 550)]
    (back,) = of_kind(Return, "ga4")
    assert (back.order_id, back.lines) == ("T-7", [ReturnLine("boot-2", 1, 1_999)])


def test_ga4_with_variants_as_items() -> None:
    (click,) = of_kind(Click, "ga4", "variants", variant=0)
    assert (click.item, click.family, click.variant) == ("boot-2", "boots", 0)


def test_segment() -> None:
    (impression,) = of_kind(Impression, "segment")
    assert (impression.event_id, impression.page, impression.occurred_at) == (
        "segment-ajs-1",
        "home",
        1_764_576_000_250,
    )
    assert impression.slots == [SlotItem("1", "boot-1"), SlotItem("2", "boot-2")]
    (click,) = of_kind(Click, "segment", "variants")
    assert (click.item, click.family, click.slot) == ("boot-2-42", "boot-2", "2")
    assert click.page_view_id == impression.page_view_id
    assert [(signal.kind, signal.item, signal.occurred_at) for signal in of_kind(Signal, "segment")] == [
        ("view", "boot-2", 1_764_576_006_000),
        ("add-to-cart", "boot-2", 1_764_576_009_000),
        ("wish", "lamp-1", 1_764_576_010_000),
    ]
    first, second = of_kind(Purchase, "segment")
    assert first.lines == [PurchaseLine("boot-2", 2, 3_998), PurchaseLine("lamp-1", 3, 1_000)]
    assert (second.unit, second.lines) == ("a-1", [PurchaseLine("lamp-1", 1, 400)])
    (back,) = of_kind(Return, "segment")
    assert (back.order_id, back.lines) == ("O-1", [ReturnLine("boot-2", 1, 1_999)])


def test_snowplow() -> None:
    (impression,), (click,) = of_kind(Impression, "snowplow"), of_kind(Click, "snowplow")
    assert (impression.event_id, impression.page, impression.page_view_id) == ("snowplow-e-1", "home", "snowplow-pv-1")
    assert impression.slots == [SlotItem("1", "boot-1"), SlotItem("2", "boot-2")]
    assert (click.slot, click.item, click.page_view_id) == ("2", "boot-2", "snowplow-pv-1")
    assert (click.layout_version, click.variant, click.segment) == (41, -1, "new")
    assert [(signal.event_id, signal.kind, signal.item) for signal in of_kind(Signal, "snowplow")] == [
        ("snowplow-e-3", "view", "boot-2"), ("snowplow-e-4", "add-to-cart", "boot-2"),
    ]  # fmt: skip
    (purchase,), (back,) = of_kind(Purchase, "snowplow"), of_kind(Return, "snowplow")
    assert (purchase.order_id, purchase.lines) == ("S-1", [PurchaseLine("boot-2", 2, 3_998)])
    assert (back.order_id, back.lines) == ("S-1", [ReturnLine("boot-2", 1, 1_999)])


def test_shopify() -> None:
    handles = {"901": "tee"}
    (impression,), (click,) = of_kind(Impression, "shopify"), of_kind(Click, "shopify")
    assert (impression.page, impression.slots) == ("front", [SlotItem("hero", "tee"), SlotItem("side", "mug")])
    assert (click.slot, click.item, click.variant, click.page_view_id) == ("hero", "tee", 0, impression.page_view_id)
    assert [(signal.kind, signal.item) for signal in of_kind(Signal, "shopify")] == [
        ("view", "tee"), ("add-to-cart", "tee"),
    ]  # fmt: skip
    pixel, order = of_kind(Purchase, "shopify", handles=handles)
    assert (pixel.unit, pixel.order_id, pixel.lines) == ("c-1", "5001", [PurchaseLine("tee", 2, 3_598)])
    assert (order.unit, order.order_id) == ("c-2", "5002")
    assert order.lines == [PurchaseLine("tee", 1, 1_800), PurchaseLine("tee", 2, 3_998)]
    (back,) = of_kind(Return, "shopify", handles=handles)
    assert (back.return_id, back.order_id, back.lines) == ("71", "5002", [ReturnLine("tee", 1, 1_999, 2)])


def test_shopify_with_variants_as_items() -> None:
    pixel, order = of_kind(Purchase, "shopify", "variants")
    assert [(line.item, line.family) for line in pixel.lines] == [("TEE-S", "tee"), ("4100", "902")]
    assert [(line.item, line.family) for line in order.lines] == [("TEE-S", "901"), ("TEE-M", "901")]


def test_an_order_of_the_pixel_and_of_the_orders_is_one() -> None:
    pixel = {
        "id": "sh-3", "name": "checkout_completed", "clientId": "c-2", "timestamp": "2025-12-01T09:00:00Z",
        "data": {"checkout": {"order": {"id": "5002"}, "lineItems": [
            {"quantity": 1, "finalLinePrice": {"amount": 5}, "variant": {"product": {"url": "/products/tee"}}}
        ]}},
    }  # fmt: skip
    (purchase,) = (event for _, event in mapped(DIALECTS["shopify"], pixel, Options()).events)
    assert purchase.event_id == of_kind(Purchase, "shopify", handles={"901": "tee"})[1].event_id


@pytest.mark.parametrize(("count", "sizes"), [(64, [64]), (65, [64, 1]), (130, [64, 64, 2])])
def test_long_lists_go_into_several_impressions(count: int, sizes: list[int]) -> None:
    row = objects("segment")[0]
    row["properties"]["products"] = [{"product_id": f"p-{n}", "position": n} for n in range(count)]
    impressions = [event for _, event in mapped(DIALECTS["segment"], row, Options()).events]
    assert [len(event.slots) for event in impressions if isinstance(event, Impression)] == sizes


def test_long_orders_go_into_several_purchases_whose_lines_are_numbered() -> None:
    row = objects("segment")[5]
    row["properties"]["products"] = [{"product_id": f"p-{n % 60}", "price": n} for n in range(120)]
    first, second = (event for _, event in mapped(DIALECTS["segment"], row, Options()).events)
    assert isinstance(first, Purchase)
    assert isinstance(second, Purchase)
    assert (len(first.lines), len(second.lines), first.order_id) == (100, 20, second.order_id)
    lines = [(line.item, line.nth) for line in [*first.lines, *second.lines]]
    assert lines == [(f"p-{n % 60}", 1 + n // 60) for n in range(120)]


def test_pages_of_a_session_that_have_numbers_are_page_views_of_their_own() -> None:
    """In older exports without numbers they are told apart by their addresses alone."""

    def page_view(number: int | None, address: str) -> str:
        row = objects("ga4")[0] | {"batch_page_id": number}
        row["event_params"][1]["value"]["string_value"] = address
        (_, event), *_ = mapped(DIALECTS["ga4"], row, Options()).events
        assert isinstance(event, Impression)
        return event.page_view_id

    assert page_view(1, "a") == page_view(1, "a") == page_view(1, "a#reviews") != page_view(2, "a")
    assert page_view(None, "a") == page_view(None, "a") != page_view(None, "b")


def test_numbers_are_the_same_however_a_file_has_them() -> None:
    """BigQuery writes whole numbers as texts in JSON, and as numbers in Parquet."""
    row = objects("ga4")[1]
    again = row | {"event_timestamp": int(row["event_timestamp"]), "event_bundle_sequence_id": 11}
    assert mapped(DIALECTS["ga4"], again, Options()).events == mapped(DIALECTS["ga4"], row, Options()).events
