"""What web tiers report, and what attribution makes of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.messages.fields import (
    MOST_SLOTS,
    Amount,
    ClickedShelf,
    Context,
    Currency,
    Delay,
    EventId,
    Family,
    Item,
    LineNumber,
    Millis,
    Page,
    PageView,
    Quantity,
    Row,
    Segment,
    Shelf,
    SignalKind,
    Slot,
    SlotRow,
    Unit,
    Variant,
    Version,
    VisibleMs,
)


class SlotItem(Struct, frozen=True, gc=False, omit_defaults=True):
    """An item that was visible in a slot."""

    slot: Slot
    item: Item
    visible_ms: VisibleMs | None = None
    row: SlotRow = ""


class Impression(Struct, frozen=True, gc=False, omit_defaults=True):
    """Slots of one page view that a visitor really saw; on a page with rows, also which shelf stood in each of them."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    page: Page
    segment: Segment
    page_view_id: PageView
    layout_version: Version
    variant: Variant
    slots: Annotated[list[SlotItem], Meta(min_length=1, max_length=MOST_SLOTS)]
    rows: Annotated[
        dict[Row, Shelf],
        Meta(
            max_length=MOST_SLOTS, description="The shelf of each row that came into view; none: the page has no rows."
        ),
    ] = {}
    context: Context = {}

    def shelf_of(self, slot: SlotItem) -> str:
        """The shelf that one of its slots was part of; empty where it does not say it."""
        return self.rows.get(slot.row or slot.slot.rpartition(".")[0], "") if self.rows else ""


class Click(Struct, frozen=True, gc=False, omit_defaults=True):
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
    family: Family = ""
    shelf: ClickedShelf = ""
    context: Context = {}


class Signal(Struct, frozen=True, gc=False, omit_defaults=True):
    """Something that a visitor did with an item, on any page, between a click and an order."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    kind: SignalKind
    item: Item
    family: Family = ""
    context: Context = {}


class PurchaseLine(Struct, frozen=True, gc=False, omit_defaults=True):
    """One line of an order; `amount` is the line's total."""

    item: Item
    quantity: Quantity
    amount: Amount
    family: Family = ""
    nth: LineNumber = 0


class Purchase(Struct, frozen=True, gc=False, omit_defaults=True):
    """An order that a visitor placed, or a part of one; a line that was reported before does not count again."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    order_id: EventId
    currency: Currency
    lines: Annotated[list[PurchaseLine], Meta(min_length=1, max_length=100)]


class ReturnLine(Struct, frozen=True, gc=False, omit_defaults=True):
    """What came back of one line of an order; `amount` is what was paid back, without a sign."""

    item: Item
    quantity: Quantity
    amount: Amount
    nth: LineNumber = 0


class Return(Struct, frozen=True, gc=False, omit_defaults=True):
    """Goods or money that went back, of one order; a line that was reported before does not count again."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    return_id: EventId
    order_id: EventId
    currency: Currency
    lines: Annotated[list[ReturnLine], Meta(min_length=1, max_length=100)]


class Conversion(Struct, frozen=True, gc=False, omit_defaults=True):
    """A purchase line credited to a click; `event_id` is derived from purchase and line.

    `line` is its number among the lines of the purchase that count.  `bought` and `nth` name the line
    of the order, with `bought` empty where it is the clicked item.  A click converts once: `repeat` says that it
    had converted before, with lines of `earlier` in all.  `via` are all kinds of signals that its click
    was credited with by the order, with the time from the first one of each to the order.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=140)]
    occurred_at: Millis
    unit: Unit
    order_id: EventId
    purchase_id: EventId
    line: Annotated[int, Meta(ge=0, le=99)]
    click_id: EventId
    clicked_at: Millis
    delay: Annotated[Delay, Meta(description="Purchase minus click, in milliseconds of event time.")]
    page: Page
    segment: Segment
    slot: Slot
    item: Item
    layout_version: Version
    variant: Variant
    quantity: Quantity
    amount: Amount
    currency: Currency
    bought: Annotated[str, Meta(max_length=128)] = ""
    nth: LineNumber = 0
    repeat: bool = False
    earlier: Amount = 0
    via: Annotated[dict[SignalKind, Delay], Meta(max_length=16)] = {}
    shelf: ClickedShelf = ""


class Credit(Struct, frozen=True, gc=False, omit_defaults=True):
    """A signal, or a returned line, credited to a click; `event_id` is derived from its source and line.

    `kind` is that of the signal, or `return`.  `delay` goes from the click to the signal, or from the order
    to the return, in milliseconds of event time.  `amount` is what was paid back.  `return_id`, `bought` and `nth`
    name the line of the return.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=180)]
    occurred_at: Millis
    unit: Unit
    kind: SignalKind
    source_id: EventId
    click_id: EventId
    clicked_at: Millis
    delay: Delay
    page: Page
    segment: Segment
    slot: Slot
    item: Item
    layout_version: Version
    variant: Variant
    currency: Currency
    amount: Amount = 0
    order_id: Annotated[str, Meta(max_length=128)] = ""
    return_id: Annotated[str, Meta(max_length=128)] = ""
    bought: Annotated[str, Meta(max_length=128)] = ""
    nth: LineNumber = 0
    shelf: ClickedShelf = ""
