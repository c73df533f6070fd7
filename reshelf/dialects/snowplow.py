"""Snowplow: enriched events as its analytics SDKs write them, or tables of its warehouses as Parquet or JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reshelf.dialects.action import Action, Kind, Options, Product, Words, not_counted
from reshelf.dialects.values import digest, millis, records, text, total

STEM = "snowplow-"
ECOMMERCE = "com_snowplowanalytics_snowplow_ecommerce_"
ACTION = f"unstruct_event_{ECOMMERCE}snowplow_ecommerce_action"
PRODUCTS, TRANSACTION, REFUND = (f"contexts_{ECOMMERCE}{name}" for name in ("product", "transaction", "refund"))
WEB_PAGE = "contexts_com_snowplowanalytics_snowplow_web_page"
NESTED = ("contexts_", "unstruct_event_")
OWN = r"contexts_\w*reshelf"
KINDS: dict[str, Kind] = {
    "list_view": "impressions",
    "list_click": "click",
    "product_view": "view",
    "add_to_cart": "add-to-cart",
    "transaction": "purchase",
    "refund": "return",
}
WORDS = Words(
    unit="domain_userid",
    time="derived_tstamp or collector_tstamp",
    item="id",
    page="name of the list",
    slot="position",
    page_view="web_page context",
    order="transaction_id",
    price="price",
)
LARGEST_CELL = 1_000_000


def read(row: Mapping[str, Any], options: Options) -> Iterator[Action]:
    """What an enriched event says."""
    row = {name.lower(): value for name, value in row.items() if isinstance(name, str)}
    nested = {name: value for name, value in row.items() if name.startswith(NESTED)}
    action = next(_entities(nested, ACTION), {})
    name = text(action.get("type"))
    kind = KINDS.get(name)
    if kind is None:
        raise not_counted(name or text(row.get("event_name")) or text(row.get("event")))
    unit = text(row.get("domain_userid"))
    products = list(_entities(nested, PRODUCTS))
    identity = STEM + (text(row.get("event_id")) or _content(row, name, unit, products))
    entity = next(_entities(nested, REFUND if kind == "return" else TRANSACTION), {})
    order = text(entity.get("transaction_id"))
    yield Action(
        source=name,
        kind=kind,
        words=WORDS,
        identity=f"{STEM}order-{digest(order)}" if kind == "purchase" and order else identity,
        at=millis(row.get("derived_tstamp")) or millis(row.get("collector_tstamp")),
        unit=unit,
        products=[_product(product, text(action.get("name"))) for product in products],
        page_view=_page_view(row, nested, unit),
        order=order,
        refund=identity,
        currency=text(entity.get("currency")) or next((text(product.get("currency")) for product in products), ""),
        custom=next(_entities(nested, OWN), {}),
    )


def _entities(row: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Entities of a schema whatever its version (`…_1`, `…_1_0_2`); warehouses may hold them as JSON in a text."""
    pattern = re.compile(rf"{name}(_\d+)+")
    for column, value in row.items():
        if pattern.fullmatch(column):
            content = _decoded(value) if isinstance(value, str) else value
            yield from records([content] if isinstance(content, dict) else content)


def _decoded(value: str) -> Any:
    try:
        return msgspec.json.decode(value) if len(value) <= LARGEST_CELL else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _content(row: Mapping[str, Any], name: str, unit: str, products: list[Mapping[str, Any]]) -> str:
    """For an event without an id: who did what, when and with what."""
    content = [product.get(field) for product in products for field in ("id", "position", "quantity")]
    return digest(name, unit, millis(row.get("derived_tstamp")), millis(row.get("collector_tstamp")), *content)


def _page_view(row: Mapping[str, Any], nested: Mapping[str, Any], unit: str) -> str:
    """The page view's own id; without one, the session and the address."""
    own = text(next(_entities(nested, WEB_PAGE), {}).get("id"))
    session, address = text(row.get("domain_sessionid")), text(row.get("page_url"))
    if own:
        return STEM + own
    return STEM + digest(unit, session, address) if session and address else ""


def _product(product: Mapping[str, Any], page: str) -> Product:
    """Products have no parents here, so they are the items whatever the option says."""
    return Product(
        item=text(product.get("id")),
        page=page,
        slot=text(product.get("position")),
        quantity=product.get("quantity"),
        amount=total(product.get("price"), product.get("quantity")),
        custom=product,
    )
