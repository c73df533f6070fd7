"""Segment: `track` calls of its e-commerce events, as its archives in S3 have them, one call a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reshelf.dialects.action import Action, Kind, Options, Product, Words, not_counted
from reshelf.dialects.values import digest, millis, record, records, text, total, within

STEM = "segment-"
LONGEST_ID = 100
KINDS: dict[str, Kind] = {
    "product list viewed": "impressions",
    "product clicked": "click",
    "product viewed": "view",
    "product added": "add-to-cart",
    "product added to wishlist": "wish",
    "order completed": "purchase",
    "order refunded": "return",
}
WORDS = Words(
    unit="anonymousId",
    time="timestamp",
    item="product_id or sku",
    page="list_id",
    slot="position",
    page_view="context.page.url",
    order="order_id",
    price="price",
)
LISTS = ("impressions", "purchase", "return")
"""Kinds whose products are in a list; of others, the properties are those of one product."""
DAY_MS = 86_400_000


def read(row: Mapping[str, Any], options: Options) -> Iterator[Action]:
    """What a call says."""
    call, name = text(row.get("type")) or "track", text(row.get("event"))
    kind = KINDS.get(name.lower()) if call == "track" else None
    if kind is None:
        raise not_counted(name if call == "track" else f"{call} call")
    properties = record(row.get("properties"))
    unit, order = text(row.get("anonymousId")), text(properties.get("order_id"))
    at = millis(row.get("timestamp")) or millis(row.get("originalTimestamp"))
    identity = _identity(row, name, unit, at, properties)
    products = records(properties.get("products")) if kind in LISTS else iter([properties])
    yield Action(
        source=name,
        kind=kind,
        words=WORDS,
        identity=f"{STEM}order-{digest(order)}" if kind == "purchase" and order else identity,
        at=at,
        unit=unit,
        products=[_product(product, properties, options) for product in products],
        page_view=_page_view(row, unit, at),
        order=order,
        refund=text(properties.get("refund_id")) or identity,
        currency=text(properties.get("currency")).upper(),
        custom=properties,
    )


def _identity(row: Mapping[str, Any], name: str, unit: str, at: int | None, properties: Mapping[str, Any]) -> str:
    """The call's own id; without one, who did what, when and with what."""
    own = text(row.get("messageId"))
    if own and len(own) <= LONGEST_ID:
        return STEM + own
    products = [properties, *records(properties.get("products"))]
    content = [product.get(field) for product in products for field in ("product_id", "sku", "position", "quantity")]
    return STEM + digest(own, name.lower(), unit, at, properties.get("order_id"), properties.get("list_id"), *content)


def _page_view(row: Mapping[str, Any], unit: str, at: int | None) -> str:
    """Calls name no page view: a visitor on an address on a day of UTC."""
    page = within(row, "context", "page")
    address = text(within(page, "url")) or text(within(page, "path"))
    return STEM + digest(unit, address, at // DAY_MS) if address and at is not None else ""


def _product(product: Mapping[str, Any], properties: Mapping[str, Any], options: Options) -> Product:
    parent, sku = text(product.get("product_id")), text(product.get("sku"))
    variants = options.items == "variants"
    return Product(
        item=(sku or parent) if variants else (parent or sku),
        family=parent if variants and sku and parent != sku else "",
        page=text(product.get("list_id")) or text(properties.get("list_id")),
        slot=text(product.get("position")),
        quantity=product.get("quantity"),
        amount=total(product.get("price"), product.get("quantity")),
        custom=product,
    )
