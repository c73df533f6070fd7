"""Orders and what goes back of them, to events of the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from reshelf.dialects.action import LeftOut, Product
from reshelf.dialects.entry import Entry
from reshelf.dialects.values import minor, printable, whole
from schemas.messages.events import Purchase, PurchaseLine, Return, ReturnLine

MOST_LINES = 100
"""Of one event; what an order has more goes into further ones."""


def purchases(entry: Entry) -> Iterator[Purchase]:
    """The order, in parts where it is a long one; raises `LeftOut`."""
    action, currency = entry.action, _currency(entry)
    lines = [
        PurchaseLine(product.item, quantity, amount, product.family, product.nth)
        for product, quantity, amount in _lines(entry, currency)
    ]
    if len(lines) > MOST_LINES:
        lines = list(_numbered(lines))
    for first in range(0, len(lines), MOST_LINES):
        identity, part = entry.identity(first // MOST_LINES), lines[first : first + MOST_LINES]
        yield Purchase(identity, action.at or 0, entry.unit, action.order, currency, part)


def returns(entry: Entry) -> Iterator[Return]:
    """What went back of an order, in parts where it is much; raises `LeftOut`."""
    action, currency = entry.action, _currency(entry)
    lines = [
        ReturnLine(product.item, quantity, amount, product.nth) for product, quantity, amount in _lines(entry, currency)
    ]
    for first in range(0, len(lines), MOST_LINES):
        identity, part = entry.identity(first // MOST_LINES), lines[first : first + MOST_LINES]
        yield Return(identity, action.at or 0, entry.unit, action.refund, action.order, currency, part)


def _numbered(lines: list[PurchaseLine]) -> Iterator[PurchaseLine]:
    """Lines of an order that is sent in parts say which of its lines of their item they are."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts[line.item] += 1
        yield PurchaseLine(line.item, line.quantity, line.amount, line.family, counts[line.item])


def _currency(entry: Entry) -> str:
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


def _lines(entry: Entry, currency: str) -> Iterator[tuple[Product, int, int]]:
    """Lines with their quantity and their total in minor units; a line that lacks them is left out."""
    for product in entry.products():
        quantity = 1 if product.quantity in (None, "") else whole(product.quantity)
        if quantity is None or quantity < 1:
            entry.leave_out("with a line whose quantity is no whole number above 0", "mend the line")
        elif product.amount is None or product.amount < 0:
            entry.leave_out(f"with a line without {entry.action.words.price}", "send it with each line")
        else:
            amount, is_rounded = minor(product.amount, currency)
            if is_rounded:
                entry.result.changed.append("amounts rounded to the minor unit of the currency")
            yield product, quantity, amount
