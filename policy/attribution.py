"""Which click a purchase line is credited to.

The rule looks at the two logs alone, never at when a worker read them, so that
every interleaving of clicks and purchases gives the same conversions.
`plain_attribution` is that rule over two whole partitions, without memory
limits or restarts; the stream worker has to agree with it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

from schemas.messages.events import Click, Conversion, Purchase

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class ClickRecord:
    """A click as attribution remembers it, under its unit.

    `append_time` is the largest append time of its partition up to and with
    this record.  Brokers' clocks may step back between two leaders; with the
    running maximum, "appended no later than" is a prefix of the log.
    """

    offset: int
    append_time: int
    occurred_at: int
    click_id: str
    page: str
    segment: str
    slot: str
    item: str
    layout_version: int
    variant: int


@dataclass(frozen=True, slots=True)
class LogEntry(Generic[M]):
    """A record of a partition.

    Without a message it only holds its place (invalid, or a duplicate); with
    `forget` it is the null value that makes its unit's earlier clicks void.
    """

    offset: int
    append_time: int
    unit: str
    message: M | None
    forget: bool = False


def click_record(click: Click, offset: int, append_time: int) -> ClickRecord:
    """The memory of a click; `append_time` is the partition's running maximum."""
    return ClickRecord(
        offset=offset,
        append_time=append_time,
        occurred_at=click.occurred_at,
        click_id=click.event_id,
        page=click.page,
        segment=click.segment,
        slot=click.slot,
        item=click.item,
        layout_version=click.layout_version,
        variant=click.variant,
    )


def attribute(
    item: str,
    purchased_at: int,
    clicks: Iterable[ClickRecord],
    window_of: Callable[[str], int],
    append_cut: int,
) -> ClickRecord | None:
    """The click that a purchase line of `item` is credited to, or None.

    `clicks` are those of the purchase's unit, in any order.  One counts if it
    is of the same item, was appended at `append_cut` or before, and happened
    before the purchase by no more than its page's window (`window_of(page)`,
    milliseconds; both ends count).  The latest by event time wins, and of those
    the one with the higher offset.
    """
    fitting = (click for click in clicks if counts(click, item, purchased_at, window_of, append_cut))
    return max(fitting, key=lambda click: (click.occurred_at, click.offset), default=None)


def counts(click: ClickRecord, item: str, purchased_at: int, window_of: Callable[[str], int], append_cut: int) -> bool:
    """Whether a purchase line may be credited to a click of its unit: see `attribute`."""
    return (
        click.item == item
        and click.append_time <= append_cut
        and purchased_at - window_of(click.page) <= click.occurred_at <= purchased_at
    )


def conversion(purchase: Purchase, line: int, click: ClickRecord) -> Conversion:
    """The event that credits line number `line` (from 0) of `purchase` to `click`."""
    bought = purchase.lines[line]
    return Conversion(
        event_id=f"{purchase.event_id}/{line}",
        occurred_at=purchase.occurred_at,
        unit=purchase.unit,
        order_id=purchase.order_id,
        purchase_id=purchase.event_id,
        line=line,
        click_id=click.click_id,
        clicked_at=click.occurred_at,
        delay=purchase.occurred_at - click.occurred_at,
        page=click.page,
        segment=click.segment,
        slot=click.slot,
        item=click.item,
        layout_version=click.layout_version,
        variant=click.variant,
        quantity=bought.quantity,
        amount=bought.amount,
        currency=purchase.currency,
    )


@dataclass(slots=True)
class _ClickLog:
    """A clicks partition, indexed for looking back from any append time."""

    offsets: list[int]
    append_times: list[int]
    clicks: dict[str, list[ClickRecord]] = field(default_factory=lambda: defaultdict(list))
    forgets: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def boundary(self, append_cut: int) -> int:
        """The position after the last record that was appended at `append_cut` or before."""
        count = bisect_right(self.append_times, append_cut)
        return self.offsets[count - 1] + 1 if count else 0

    def remembered(self, unit: str, boundary: int) -> Iterator[ClickRecord]:
        """The unit's clicks before `boundary` that it did not have forgotten by then."""
        forgets = self.forgets.get(unit, [])
        passed = bisect_left(forgets, boundary)
        floor = forgets[passed - 1] + 1 if passed else 0
        return (click for click in self.clicks.get(unit, []) if floor <= click.offset < boundary)


def _click_log(entries: Sequence[LogEntry[Click]]) -> _ClickLog:
    append_times = list(accumulate((entry.append_time for entry in entries), max))
    log = _ClickLog([entry.offset for entry in entries], append_times)
    for entry, append_time in zip(entries, append_times, strict=True):
        if entry.forget:
            log.forgets[entry.unit].append(entry.offset)
        elif entry.message is not None:
            log.clicks[entry.unit].append(click_record(entry.message, entry.offset, append_time))
    return log


def plain_attribution(
    clicks_log: Sequence[LogEntry[Click]],
    purchases_log: Sequence[LogEntry[Purchase]],
    window_of: Callable[[str], int],
    grace_ms: int,
) -> list[Conversion]:
    """All conversions of one partition number, in the order of purchases and their lines.

    A purchase sees the clicks appended up to its own append time plus `grace_ms`.
    Both logs are in offset order.
    """
    log = _click_log(clicks_log)
    conversions: list[Conversion] = []
    for entry in purchases_log:
        purchase = entry.message
        if purchase is None:
            continue
        cut = entry.append_time + grace_ms
        clicks = list(log.remembered(entry.unit, log.boundary(cut)))
        for number, line in enumerate(purchase.lines):
            click = attribute(line.item, purchase.occurred_at, clicks, window_of, cut)
            if click is not None:
                conversions.append(conversion(purchase, number, click))
    return conversions
