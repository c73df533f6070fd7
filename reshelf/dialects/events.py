"""What a visitor did, to events of the contract: the same for all dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reshelf.dialects.action import SIGNAL_KINDS, Action, LeftOut, Options, Product, Read
from reshelf.dialects.entry import NOBODY, Entry, Event, Mapped
from reshelf.dialects.order_events import purchases, returns
from reshelf.dialects.values import printable, text, whole
from schemas.codec import decoder, encode
from schemas.errors import BadRecord
from schemas.messages.events import Click, Impression, Purchase, Return, Signal, SlotItem
from schemas.topic import Topic
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS

MOST_SLOTS = 64
"""Of one event; what a list has more goes into further ones."""
TOPIC_OF: Mapping[type[Event], Topic] = {
    Impression: IMPRESSIONS,
    Click: CLICKS,
    Signal: SIGNALS,
    Purchase: PURCHASES,
    Return: RETURNS,
}
"""Where events go, in the order in which those of one moment do."""
BY_ORDER = (
    ", or import the order that has it, with this or before; earlier orders are looked up in the topics when events "
    "are published, and with --check or --output by --orders alone"
)


def mapped(read: Read, row: Mapping[str, Any], options: Options) -> Mapped:
    """The events of a row; raises `LeftOut` where it becomes none."""
    result, strays = Mapped([], [], []), list[tuple[str, Event]]()
    order, no_visitor = "", None
    for action in read(row, options):
        entry = Entry(action, options, result)
        try:
            fault = _fault_of(entry)
            events = [_checked(event) for event in _builder(action)(entry)]
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


def _fault_of(entry: Entry) -> LeftOut | None:
    """Raises `LeftOut` without a time or a visitor; an order or return without a visitor is only said to be so."""
    action, words = entry.action, entry.action.words
    if action.at is None:
        raise LeftOut(f"{action.source} without {words.time}", "look at how the export was written")
    if entry.unit != NOBODY:
        return None
    step = f"send {words.unit}" + ("" if "reshelf_unit" in words.unit else ", or reshelf_unit")
    of_order = action.kind in ("purchase", "return")
    step += BY_ORDER if of_order else "; visitors who did not consent may have none"
    error = LeftOut(f"{action.source} without {words.unit}: no visitor", step)
    if of_order and action.order:
        return error
    raise error


def _builder(action: Action) -> Callable[[Entry], Iterable[Event]]:
    if action.kind in SIGNAL_KINDS:
        return _signals
    builders: dict[str, Callable[[Entry], Iterable[Event]]] = {
        "impressions": _impressions,
        "click": _clicks,
        "purchase": purchases,
        "return": returns,
    }
    return builders[action.kind]


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


def _number(action: Action, name: str, otherwise: int) -> int:
    value = action.custom.get(name)
    if value is None or value == "":
        return otherwise
    number = whole(value)
    if number is None:
        raise LeftOut(f"{action.source} whose {name} is no whole number", f"mend {name}", printable(text(value)))
    return number


def _rendering(entry: Entry) -> dict[str, Any]:
    """What impressions and clicks share."""
    action, options, words = entry.action, entry.options, entry.action.words
    page_view = text(action.custom.get("reshelf_page_view_id")) or action.page_view
    if not page_view:
        raise LeftOut(
            f"{action.source} without {words.page_view}: no page view",
            f"send {words.page_view}, or reshelf_page_view_id",
        )
    return {
        "occurred_at": action.at,
        "unit": entry.unit,
        "segment": text(action.custom.get("reshelf_segment")) or options.segment,
        "page_view_id": page_view,
        "layout_version": _number(action, "reshelf_layout_version", 0),
        "variant": _number(action, "reshelf_variant", options.variant),
    }


class _Cell(NamedTuple):
    page: str
    slot: str
    product: Product


def _cells(entry: Entry) -> Iterator[_Cell]:
    """The products that stood in a slot; the others are left out."""
    action, words = entry.action, entry.action.words
    for product in entry.products():
        page, slot = (
            text(product.custom.get(name)) or text(action.custom.get(name)) or own
            for name, own in (("reshelf_page", product.page), ("reshelf_slot", product.slot))
        )
        if not page:
            step = f"send {words.page}" + ("" if words.page == "reshelf_page" else ", or reshelf_page")
            entry.leave_out(f"without {words.page}: no page", step)
        elif not slot:
            entry.leave_out(f"without {words.slot}: no slot", f"send {words.slot} with each item")
        else:
            yield _Cell(page, slot, product)


def _impressions(entry: Entry) -> Iterator[Impression]:
    shared = _rendering(entry)
    pages: dict[str, dict[str, str]] = {}
    for page, slot, product in _cells(entry):
        slots = pages.setdefault(page, {})
        if slots.setdefault(slot, product.item) != product.item:
            entry.leave_out("with two products in one slot", "number the slots of a list once")
    parts = [
        (page, [SlotItem(*cell) for cell in list(slots.items())[first : first + MOST_SLOTS]])
        for page, slots in pages.items()
        for first in range(0, len(slots), MOST_SLOTS)
    ]
    for number, (page, cells) in enumerate(parts):
        yield Impression(event_id=entry.identity(number), page=page, slots=cells, **shared)


def _clicks(entry: Entry) -> Iterator[Click]:
    shared, action = _rendering(entry), entry.action
    if len(action.products) > 1:
        raise LeftOut(f"{action.source} with several products: which was clicked?", "send the one that was clicked")
    for page, slot, product in _cells(entry):
        item, family = product.item, product.family
        yield Click(event_id=action.identity, page=page, slot=slot, item=item, family=family, **shared)


def _signals(entry: Entry) -> Iterator[Signal]:
    action = entry.action
    if action.kind not in entry.options.signals:
        raise LeftOut(f"{action.source}: {action.kind} is none of fold.signals", "add it there, or leave it")
    items = {product.item: product.family for product in entry.products()}
    for number, (item, family) in enumerate(items.items()):
        yield Signal(entry.identity(number), action.at or 0, entry.unit, action.kind, item, family)
