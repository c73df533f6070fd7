"""What a visitor did, to events of the contract: the same for all dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reshelf.dialects.action import SIGNAL_KINDS, Action, LeftOut, Options, Product, Read
from reshelf.dialects.values import minor, printable, text, whole
from schemas.codec import decoder, encode
from schemas.errors import BadRecord
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
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS, Topic

Event = Impression | Click | Signal | Purchase | Return
MOST_SLOTS, MOST_LINES = 64, 100
"""Of one event; what a row has more goes into further ones."""
TOPIC_OF: Mapping[type[Event], Topic] = {
    Impression: IMPRESSIONS,
    Click: CLICKS,
    Signal: SIGNALS,
    Purchase: PURCHASES,
    Return: RETURNS,
}
"""Where events go, in the order in which those of one moment do."""


NOBODY = "-"
"""The unit of events whose visitor is that of their order."""


class Mapped(NamedTuple):
    """What became of a row: events by what the row calls them, parts of it that were left out, and what was altered.

    A row of an `order` without a visitor has `strays` in place of events, and `no_visitor` says so.
    """

    events: list[tuple[str, Event]]
    left_out: list[LeftOut]
    changed: list[str]
    strays: Sequence[tuple[str, Event]] = ()
    order: str = ""
    no_visitor: LeftOut | None = None


def mapped(read: Read, row: Mapping[str, Any], options: Options) -> Mapped:
    """The events of a row; raises `LeftOut` where it becomes none."""
    result, strays = Mapped([], [], []), list[tuple[str, Event]]()
    order, no_visitor = "", None
    for action in read(row, options):
        try:
            fault = _require_own(action)
            events = [_checked(event) for event in _builder(action)(_Entry(action, options, result))]
        except LeftOut as error:
            result.left_out.append(error)
            continue
        if fault:
            order, no_visitor = action.order, no_visitor or fault
        (strays if fault else result.events).extend((action.source, event) for event in events)
    if strays and not result.events:
        return result._replace(strays=strays, order=order, no_visitor=no_visitor)
    if not result.events:
        raise result.left_out[0] if result.left_out else LeftOut("rows in which nothing happened")
    return result


class _Entry(NamedTuple):
    action: Action
    options: Options
    result: Mapped


def _require_own(action: Action) -> LeftOut | None:
    """Raises `LeftOut` without a time or a visitor; of orders and returns the latter is only said."""
    if action.at is None:
        raise LeftOut(f"{action.source} without {action.words.time}", "look at how the export was written")
    if _unit(action) != NOBODY:
        return None
    step = f"send {action.words.unit}" + ("" if "reshelf_unit" in action.words.unit else ", or reshelf_unit")
    of_order = action.kind in ("purchase", "return")
    step += ", or import the order that has it, too" if of_order else "; visitors who did not consent may have none"
    error = LeftOut(f"{action.source} without {action.words.unit}: no visitor", step)
    if of_order and action.order:
        return error
    raise error


def _builder(action: Action) -> Callable[[_Entry], Iterable[Event]]:
    if action.kind in SIGNAL_KINDS:
        return _signals
    return {"impressions": _impressions, "click": _clicks, "purchase": _purchases, "return": _returns}[action.kind]


def _checked(event: Event) -> Event:
    """The event, where it is within the contract's limits; raises `LeftOut`."""
    try:
        decoder(type(event))(encode(event))
    except (BadRecord, UnicodeError) as error:
        detail = error.detail if isinstance(error, BadRecord) else "a letter that UTF-8 has not"
        field = detail.rpartition("`$.")[2].partition("`")[0] if "`$." in detail else "text"
        field = "".join(letter for letter in field if not letter.isdigit())
        name = type(event).__name__.lower()
        raise LeftOut(
            f"{name}s whose {field} breaks a limit", f"see schemas/generated/{name}.json", printable(detail)
        ) from None
    return event


def _unit(action: Action) -> str:
    return text(action.custom.get("reshelf_unit")) or action.unit or NOBODY


def _number(action: Action, name: str, otherwise: int) -> int:
    value = action.custom.get(name)
    if value is None or value == "":
        return otherwise
    number = whole(value)
    if number is None:
        raise LeftOut(f"{action.source} whose {name} is no whole number", f"mend {name}", printable(text(value)))
    return number


def _rendering(entry: _Entry) -> dict[str, Any]:
    """What impressions and clicks share."""
    action, options = entry.action, entry.options
    page_view = text(action.custom.get("reshelf_page_view_id")) or action.page_view
    if not page_view:
        raise LeftOut(
            f"{action.source} without {action.words.page_view}: no page view",
            f"send {action.words.page_view}, or reshelf_page_view_id",
        )
    return {
        "occurred_at": action.at,
        "unit": _unit(action),
        "segment": text(action.custom.get("reshelf_segment")) or options.segment,
        "page_view_id": page_view,
        "layout_version": _number(action, "reshelf_layout_version", 0),
        "variant": _number(action, "reshelf_variant", options.variant),
    }


class _Cell(NamedTuple):
    page: str
    slot: str
    product: Product


def _cells(entry: _Entry) -> Iterator[_Cell]:
    """The products that stood in a slot; the others are left out."""
    action, words = entry.action, entry.action.words
    for product in _products(entry):
        page, slot = (
            text(product.custom.get(name)) or text(action.custom.get(name)) or own
            for name, own in (("reshelf_page", product.page), ("reshelf_slot", product.slot))
        )
        if not page:
            entry.result.left_out.append(
                LeftOut(f"{action.source} without {words.page}: no page", f"send {words.page}, or reshelf_page")
            )
        elif not slot:
            entry.result.left_out.append(
                LeftOut(f"{action.source} without {words.slot}: no slot", f"send {words.slot} with each item")
            )
        else:
            yield _Cell(page, slot, product)


def _products(entry: _Entry) -> Iterator[Product]:
    action = entry.action
    for product in action.products:
        if product.item:
            yield product
        else:
            entry.result.left_out.append(
                LeftOut(f"{action.source} with a product without {action.words.item}", "send it with each product")
            )
    if not action.products:
        entry.result.left_out.append(LeftOut(f"{action.source} without products", "send the products with it"))


def _impressions(entry: _Entry) -> Iterator[Impression]:
    shared = _rendering(entry)
    pages: dict[str, dict[str, str]] = {}
    for page, slot, product in _cells(entry):
        slots = pages.setdefault(page, {})
        if slots.setdefault(slot, product.item) != product.item:
            entry.result.left_out.append(
                LeftOut(f"{entry.action.source} with two products in one slot", "number the slots of a list once")
            )
    parts = [
        (page, [SlotItem(*cell) for cell in list(slots.items())[first : first + MOST_SLOTS]])
        for page, slots in pages.items()
        for first in range(0, len(slots), MOST_SLOTS)
    ]
    for number, (page, cells) in enumerate(parts):
        yield Impression(event_id=_identity(entry, number), page=page, slots=cells, **shared)


def _clicks(entry: _Entry) -> Iterator[Click]:
    shared, action = _rendering(entry), entry.action
    if len(action.products) > 1:
        raise LeftOut(f"{action.source} with several products: which was clicked?", "send the one that was clicked")
    for page, slot, product in _cells(entry):
        item, family = product.item, product.family
        yield Click(event_id=action.identity, page=page, slot=slot, item=item, family=family, **shared)


def _signals(entry: _Entry) -> Iterator[Signal]:
    action = entry.action
    if action.kind not in entry.options.signals:
        raise LeftOut(f"{action.source}: {action.kind} is none of fold.signals", "add it there, or leave it")
    items = {product.item: product.family for product in _products(entry)}
    for number, (item, family) in enumerate(items.items()):
        yield Signal(_identity(entry, number), action.at or 0, _unit(action), action.kind, item, family)


def _identity(entry: _Entry, number: int) -> str:
    """The event id of a further event of one row has its number behind it."""
    return f"{entry.action.identity}.{number}" if number else entry.action.identity


def _purchases(entry: _Entry) -> Iterator[Purchase]:
    action, currency = entry.action, _currency(entry)
    lines = [
        PurchaseLine(product.item, quantity, amount, product.family, product.nth)
        for product, quantity, amount in _lines(entry, currency)
    ]
    if len(lines) > MOST_LINES:
        lines = list(_numbered(lines))
    for first in range(0, len(lines), MOST_LINES):
        identity, part = _identity(entry, first // MOST_LINES), lines[first : first + MOST_LINES]
        yield Purchase(identity, action.at or 0, _unit(action), action.order, currency, part)


def _numbered(lines: list[PurchaseLine]) -> Iterator[PurchaseLine]:
    """Lines of an order that is sent in parts say which of its lines of their item they are."""
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.item] = counts.get(line.item, 0) + 1
        yield PurchaseLine(line.item, line.quantity, line.amount, line.family, counts[line.item])


def _returns(entry: _Entry) -> Iterator[Return]:
    action, currency = entry.action, _currency(entry)
    lines = [
        ReturnLine(product.item, quantity, amount, product.nth) for product, quantity, amount in _lines(entry, currency)
    ]
    for first in range(0, len(lines), MOST_LINES):
        identity, part = _identity(entry, first // MOST_LINES), lines[first : first + MOST_LINES]
        yield Return(identity, action.at or 0, _unit(action), action.refund, action.order, currency, part)


def _currency(entry: _Entry) -> str:
    action, expected = entry.action, entry.options.currency
    if not action.order:
        raise LeftOut(f"{action.source} without {action.words.order}", f"send {action.words.order}")
    if action.currency and action.currency != expected:
        raise LeftOut(
            f"{action.source} in another currency than {expected}",
            "convert its amounts, or set fold.currency",
            printable(action.currency),
        )
    if not action.currency:
        entry.result.changed.append(f"{action.source} without a currency: {expected}")
    return expected


def _lines(entry: _Entry, currency: str) -> Iterator[tuple[Product, int, int]]:
    """Lines with their quantity and their total in minor units; a line that lacks them is left out."""
    action = entry.action
    for product in _products(entry):
        quantity = 1 if product.quantity in (None, "") else whole(product.quantity)
        if quantity is None or quantity < 1:
            entry.result.left_out.append(
                LeftOut(f"{action.source} with a line whose quantity is no whole number above 0", "mend the line")
            )
        elif product.amount is None or product.amount < 0:
            entry.result.left_out.append(
                LeftOut(f"{action.source} with a line without {action.words.price}", "send it with each line")
            )
        else:
            amount, is_rounded = minor(product.amount, currency)
            if is_rounded:
                entry.result.changed.append("amounts rounded to the minor unit of the currency")
            yield product, quantity, amount
