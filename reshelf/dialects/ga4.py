"""Google Analytics 4: rows of its export to BigQuery, as JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from reshelf.dialects.action import Action, Kind, Options, Product, Words, not_counted
from reshelf.dialects.values import decimal, digest, plausible, record, records, text, total, whole

STEM = "ga4-"
KINDS: dict[str, Kind] = {
    "view_item_list": "impressions",
    "select_item": "click",
    "view_item": "view",
    "add_to_cart": "add-to-cart",
    "add_to_wishlist": "wish",
    "purchase": "purchase",
    "refund": "return",
}
WORDS = Words(
    unit="user_pseudo_id",
    time="event_timestamp in microseconds",
    item="item_id",
    page="item_list_id or item_list_name",
    slot="index",
    page_view="ga_session_id",
    order="transaction_id",
    price="price",
)
UNSET = ("(not set)", "(other)")
OF_A_BATCH = ("event_bundle_sequence_id", "batch_page_id", "batch_ordering_id", "batch_event_index")


def read(row: Mapping[str, Any], options: Options) -> Iterator[Action]:
    """What a row of a table `events_…` says."""
    name = _text(row.get("event_name"))
    kind = KINDS.get(name)
    if kind is None:
        raise not_counted(name)
    params = _params(row.get("event_params"))
    items = list(records(row.get("items")))
    unit = _text(row.get("user_pseudo_id"))
    order = _text(record(row.get("ecommerce")).get("transaction_id")) or _text(params.get("transaction_id"))
    identity = _identity(row, params, name, unit, order, items)
    yield Action(
        source=name,
        kind=kind,
        words=WORDS,
        identity=f"{STEM}order-{digest(order)}" if kind == "purchase" and order else identity,
        at=_time(row.get("event_timestamp")),
        unit=unit,
        products=[_product(item, params, options, is_refund=kind == "return") for item in items],
        page_view=_page_view(row, params, unit),
        order=order,
        refund=identity,
        currency=_text(params.get("currency")),
        custom=params,
    )


def _text(value: Any) -> str:
    said = text(value)
    return "" if said in UNSET else said


def _params(value: Any) -> dict[str, Any]:
    """Parameters by their keys; each value stands under the name of its type."""
    params: dict[str, Any] = {}
    for param in records(value):
        typed = record(param.get("value"))
        names = ("string_value", "int_value", "float_value", "double_value")
        content = next((typed[name] for name in names if typed.get(name) is not None), None)
        params.setdefault(text(param.get("key")), content)
    return params


def _identity(
    row: Mapping[str, Any], params: Mapping[str, Any], name: str, unit: str, order: str, items: list[Mapping[str, Any]]
) -> str:
    """The export has no id of an event: who did what, when, in which place of which batch, and with what."""
    batch = [row.get(field) if row.get(field) is not None else params.get(field) for field in OF_A_BATCH]
    content = [part for item in items for part in (item.get("item_id"), _slot(item), item.get("quantity"))]
    session = params.get("ga_session_id")
    return STEM + digest(name, unit, row.get("event_timestamp"), session, order, *batch, *content)


def _time(value: Any) -> int | None:
    micros = whole(value)
    return None if micros is None else plausible(micros // 1000)


def _page_view(row: Mapping[str, Any], params: Mapping[str, Any], unit: str) -> str:
    """The session, and in it the page by its number; where the export has no numbers, by its address."""
    session = _text(params.get("ga_session_id"))
    number = _text(row.get("batch_page_id")) or _text(params.get("batch_page_id"))
    address = _text(params.get("page_location"))
    return STEM + digest(unit, session, number or address) if session and (number or address) else ""


def _slot(item: Mapping[str, Any]) -> str:
    return _text(item.get("item_list_index")) or _text(item.get("index"))


def _product(item: Mapping[str, Any], params: Mapping[str, Any], options: Options, *, is_refund: bool) -> Product:
    custom = _params(item.get("item_params"))
    own = _text(item.get("item_id"))
    group = _text(item.get("item_group_id")) or _text(custom.get("item_group_id"))
    variants = options.items == "variants"
    lists = [_text(place.get(name)) for name in ("item_list_id", "item_list_name") for place in (item, params)]
    return Product(
        item=own if variants else group or own,
        family=group if variants and group != own else "",
        page=next(filter(None, lists), ""),
        slot=_slot(item),
        quantity=item.get("quantity"),
        amount=_amount(item, is_refund),
        custom=custom,
    )


def _amount(item: Mapping[str, Any], is_refund: bool) -> Decimal | None:
    """The line's total: price and quantity, else what the export has added up."""
    added_up = decimal(item.get("item_refund" if is_refund else "item_revenue"))
    if is_refund and added_up:
        return added_up
    by_price = total(item.get("price"), item.get("quantity"))
    return added_up if by_price is None else by_price
