"""What web tiers report, and what attribution makes of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.messages.fields import (
    Amount,
    Currency,
    EventId,
    Item,
    Millis,
    Page,
    PageView,
    Quantity,
    Segment,
    Slot,
    Unit,
    Variant,
    Version,
)


class SlotItem(Struct, frozen=True, gc=False):
    """An item that was visible in a slot."""

    slot: Slot
    item: Item


class Impression(Struct, frozen=True, gc=False):
    """Slots of one page view that a visitor really saw."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    page: Page
    segment: Segment
    page_view_id: PageView
    layout_version: Version
    variant: Variant
    slots: Annotated[list[SlotItem], Meta(min_length=1, max_length=64)]


class Click(Struct, frozen=True, gc=False):
    """A visitor clicked the item in a slot."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    page: Page
    segment: Segment
    slot: Slot
    item: Item
    page_view_id: PageView
    layout_version: Version
    variant: Variant


class PurchaseLine(Struct, frozen=True, gc=False):
    """One line of an order; `amount` is the line's total."""

    item: Item
    quantity: Quantity
    amount: Amount


class Purchase(Struct, frozen=True, gc=False):
    """An order that a visitor placed, or a part of one; a line that was reported before does not count again."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    order_id: EventId
    currency: Currency
    lines: Annotated[list[PurchaseLine], Meta(min_length=1, max_length=100)]


class Conversion(Struct, frozen=True, gc=False):
    """A purchase line credited to a click; `event_id` is derived from purchase and line.

    `line` is its number among the lines of the purchase that count.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=140)]
    occurred_at: Millis
    unit: Unit
    order_id: EventId
    purchase_id: EventId
    line: Annotated[int, Meta(ge=0, le=99)]
    click_id: EventId
    clicked_at: Millis
    delay: Annotated[
        int, Meta(ge=0, le=4_102_444_800_000, description="Purchase minus click, in milliseconds of event time.")
    ]
    page: Page
    segment: Segment
    slot: Slot
    item: Item
    layout_version: Version
    variant: Variant
    quantity: Quantity
    amount: Amount
    currency: Currency
