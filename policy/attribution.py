"""Which click a purchase line is credited to.

The rule looks at the two logs alone, never at when a worker read them, so that
every interleaving of clicks and purchases gives the same conversions.
`plain_attribution` is that rule over two whole partitions, without memory
limits or restarts; the stream worker has to agree with it.

Web tiers and checkouts have clocks of their own.  Where these contradict the log, the
log decides: nothing happened after it was appended, and a click that was appended
before a purchase may claim to be a little later than it (`CreditRule.skew_ms`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

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

    @property
    def time(self) -> int:
        """When it happened, as far as its clock and the log agree."""
        return min(self.occurred_at, self.append_time)


class Moment(NamedTuple):
    """When a purchase happened by its own clock, and the running maximum of append times up to it."""

    occurred_at: int
    append_time: int

    @property
    def time(self) -> int:
        """When it happened, as far as its clock and the log agree."""
        return min(self.occurred_at, self.append_time)


class CreditRule(NamedTuple):
    """Which clicks count for a purchase.

    `window_of` says for each page how long before a purchase a click may have happened,
    `grace_ms` how long after it a click may be appended, and `skew_ms` by how much a click
    that was appended no later than the purchase may claim to be later; all in milliseconds.
    """

    window_of: Callable[[str], int]
    grace_ms: int
    skew_ms: int


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


def attribute(item: str, purchase: Moment, clicks: Iterable[ClickRecord], rule: CreditRule) -> ClickRecord | None:
    """The click that a purchase line of `item` is credited to, or None.

    `clicks` are those of the purchase's unit, in any order.  The latest of those that
    count wins, and of equals the one with the higher offset.
    """
    fitting = (click for click in clicks if counts(click, item, purchase, rule))
    return max(fitting, key=lambda click: (click.time, click.offset), default=None)


def counts(click: ClickRecord, item: str, purchase: Moment, rule: CreditRule) -> bool:
    """Whether a purchase line may be credited to a click of its unit.

    It is of the same item, was appended before the grace was over, and happened before the
    purchase by no more than its page's window (both ends count).
    """
    if click.item != item or click.append_time > purchase.append_time + rule.grace_ms:
        return False
    skew_ms = rule.skew_ms if click.append_time <= purchase.append_time else 0
    return purchase.time - rule.window_of(click.page) <= click.time <= purchase.time + skew_ms


def conversion(purchase: Purchase, append_time: int, line: int, click: ClickRecord) -> Conversion:
    """The event that credits line number `line` (from 0) of `purchase`, appended at `append_time`, to `click`."""
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
    clicks_log: Sequence[LogEntry[Click]], purchases_log: Sequence[LogEntry[Purchase]], rule: CreditRule
) -> list[Conversion]:
    """All conversions of one partition number, in the order of purchases and their lines.

    A purchase sees the clicks appended up to its own append time plus the grace.
    Both logs are in offset order.
    """
    log = _click_log(clicks_log)
    conversions: list[Conversion] = []
    for entry in purchases_log:
        purchase = entry.message
        if purchase is None:
            continue
        clicks = list(log.remembered(entry.unit, log.boundary(entry.append_time + rule.grace_ms)))
        for number, line in enumerate(purchase.lines):
            click = attribute(line.item, Moment(purchase.occurred_at, entry.append_time), clicks, rule)
            if click is not None:
                conversions.append(conversion(purchase, entry.append_time, number, click))
    return conversions
