"""What comes of a credit: conversions of lines, credits of signals and of what went back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from policy.attribution.clicks import ClickRecord, Moment
from schemas.messages.events import Conversion, Credit, Purchase, Return, Signal
from schemas.messages.fields import RETURN


class OrderLine(NamedTuple):
    """A line of an order that was credited: its conversion, and the place and append time of its purchase."""

    offset: int
    append_time: int
    conversion: Conversion

    def names(self, order_id: str, item: str, nth: int) -> bool:
        """Whether these name it."""
        own = self.conversion
        return (own.order_id, own.bought or own.item, own.nth or 1) == (order_id, item, nth or 1)


class ReturnedLine(NamedTuple):
    """A line of a return that was credited: its credit, and the place and append time of the return."""

    offset: int
    append_time: int
    credit: Credit

    def names(self, return_id: str, item: str, nth: int) -> bool:
        """Whether these name it."""
        return (self.credit.return_id, self.credit.bought, self.credit.nth) == (return_id, item, nth or 1)


Line = TypeVar("Line", OrderLine, ReturnedLine)


def still_known(lines: Iterable[Line], append_time: int, returns_ms: int) -> list[Line]:
    """Those that were appended no longer than `returns_ms` before a time."""
    return [line for line in lines if line.append_time >= append_time - returns_ms]


def is_repeated(lines: Iterable[OrderLine] | Iterable[ReturnedLine], owner: str, item: str, nth: int) -> bool:
    """Whether a line of an order, or of a return, which is the owner, is among these, which were credited before."""
    return any(line.names(owner, item, nth) for line in lines)


def conversion(
    purchase: Purchase,
    append_time: int,
    line: int,
    click: ClickRecord,
    via: Mapping[str, int] | None = None,
    earlier: Iterable[OrderLine] = (),
    cap: int = 2**62,
) -> Conversion:
    """The event that credits line number `line` (from 0) of `purchase`, appended at `append_time`, to `click`.

    `via` are the signals between both.  `earlier` are the lines of the unit that were credited before, of which
    those of the same click count, each for an amount of at most `cap`.
    """
    bought = purchase.lines[line]
    before = [each.conversion.amount for each in earlier if each.conversion.click_id == click.click_id]
    return Conversion(
        event_id=f"{purchase.event_id}/{line}",
        occurred_at=purchase.occurred_at,
        unit=purchase.unit,
        order_id=purchase.order_id,
        purchase_id=purchase.event_id,
        line=line,
        click_id=click.click_id,
        clicked_at=click.occurred_at,
        delay=max(0, Moment(purchase.occurred_at, append_time).time - click.time),
        page=click.page,
        segment=click.segment,
        slot=click.slot,
        item=click.item,
        layout_version=click.layout_version,
        variant=click.variant,
        quantity=bought.quantity,
        amount=bought.amount,
        currency=purchase.currency,
        bought=bought.item if bought.item != click.item else "",
        nth=bought.nth,
        repeat=bool(before),
        earlier=sum(min(amount, cap) for amount in before),
        via=dict(via or {}),
        shelf=click.shelf,
    )


def signal_credit(signal: Signal, append_time: int, click: ClickRecord, currency: str) -> Credit:
    """The event that credits a signal, appended at `append_time`, to a click; `currency` is that of all amounts."""
    return Credit(
        event_id=f"{signal.kind}:{signal.event_id}",
        occurred_at=signal.occurred_at,
        unit=signal.unit,
        kind=signal.kind,
        source_id=signal.event_id,
        click_id=click.click_id,
        clicked_at=click.occurred_at,
        delay=max(0, Moment(signal.occurred_at, append_time).time - click.time),
        page=click.page,
        segment=click.segment,
        slot=click.slot,
        item=click.item,
        layout_version=click.layout_version,
        variant=click.variant,
        currency=currency,
        shelf=click.shelf,
    )


def return_credit(returned: Return, line: int, order: Conversion) -> Credit:
    """The event that credits line number `line` (from 0) of a return to the click that its order went to."""
    back = returned.lines[line]
    return Credit(
        event_id=f"{RETURN}:{returned.event_id}/{line}",
        occurred_at=returned.occurred_at,
        unit=returned.unit,
        kind=RETURN,
        source_id=returned.event_id,
        click_id=order.click_id,
        clicked_at=order.clicked_at,
        delay=max(0, returned.occurred_at - order.occurred_at),
        page=order.page,
        segment=order.segment,
        slot=order.slot,
        item=order.item,
        layout_version=order.layout_version,
        variant=order.variant,
        currency=order.currency,
        amount=min(back.amount, order.amount),
        order_id=order.order_id,
        return_id=returned.return_id,
        bought=back.item,
        nth=back.nth or 1,
        shelf=order.shelf,
    )


def order_of(
    lines: Iterable[OrderLine], returned: Return, line: int, append_time: int, grace_ms: int
) -> OrderLine | None:
    """The line of an order that line number `line` of a return names, the latest of several; None for none.

    `lines` are those of the return's unit.  Of purchases that were appended after the grace is over none counts.
    """
    back = returned.lines[line]
    fitting = (
        each
        for each in lines
        if each.names(returned.order_id, back.item, back.nth) and each.append_time <= append_time + grace_ms
    )
    return max(fitting, key=lambda each: each.offset, default=None)
