"""Which click a signal, or a line of an order, is credited to.

The rule looks at the logs alone, never at when a worker read them, so that
every interleaving of them gives the same conversions.

Web tiers and checkouts have clocks of their own.  Where these contradict the log, the
log decides: nothing happened after it was appended, and a click that was appended
before a purchase may claim to be a little later than it (`CreditRule.skew_ms`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from schemas.messages.events import Click


class ClickRecord(Struct, frozen=True, gc=False):
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
    family: str = ""
    shelf: str = ""

    @property
    def time(self) -> int:
        """When it happened, as far as its clock and the log agree."""
        occurred_at, append_time = self.occurred_at, self.append_time
        return min(append_time, occurred_at)


class SignalRecord(Struct, frozen=True, gc=False):
    """The first signal of its kind that was credited to `click`, under its unit; times as those of clicks."""

    offset: int
    append_time: int
    occurred_at: int
    kind: str
    click: ClickRecord

    @property
    def time(self) -> int:
        """When it happened, as far as its clock and the log agree."""
        occurred_at, append_time = self.occurred_at, self.append_time
        return min(append_time, occurred_at)


class Match(NamedTuple):
    """What clicks are looked for by: their item, or their family."""

    by: Literal["item", "family"]
    name: str

    def fits(self, click: ClickRecord) -> bool:
        """Whether a click is one of these."""
        return (click.item if self.by == "item" else click.family) == self.name


class Memory(Protocol):
    """What is remembered of a unit: at least what may be credited, in any order."""

    def clicks(self, match: Match) -> Iterable[ClickRecord]: ...

    def signals(self, match: Match) -> Iterable[SignalRecord]: ...


class Moment(NamedTuple):
    """When a purchase or a signal happened by its own clock, and the running maximum of append times up to it."""

    occurred_at: int
    append_time: int

    @property
    def time(self) -> int:
        """When it happened, as far as its clock and the log agree."""
        occurred_at, append_time = self.occurred_at, self.append_time
        return min(append_time, occurred_at)


class CreditRule(NamedTuple):
    """Which clicks count for a purchase or a signal.

    `window_of` says for each page how long before a purchase a click may have happened,
    `grace_ms` how long after it a click may be appended, and `skew_ms` by how much a click
    that was appended no later than the purchase may claim to be later; all in milliseconds.
    A purchase goes to the click that its signal of the kind `stage` was credited to.  For `returns_ms` after an
    order was appended its lines are known: returns count, and lines that are reported again do not.
    """

    window_of: Callable[[str], int]
    grace_ms: int
    skew_ms: int
    stage: str = ""
    returns_ms: int = 2**62


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
        family=click.family,
        shelf=click.shelf,
    )


def matches(item: str, family: str) -> list[Match]:
    """By what clicks are looked for, the first that finds one wins: the same item, then the family."""
    return [Match("item", item), *([Match("family", family)] if family else [])]


def credited(memory: Memory, item: str, family: str, purchase: Moment, rule: CreditRule) -> ClickRecord | None:
    """The click that a line of a purchase is credited to, or None.

    `memory` is that of the purchase's unit.  The click of the latest signal of the stage wins, and without one the
    latest click.
    """
    for match in matches(item, family):
        signals = [
            signal
            for signal in (memory.signals(match) if rule.stage else ())
            if signal.kind == rule.stage and precedes(signal, purchase) and counts(signal.click, match, purchase, rule)
        ]
        if signals:
            return max(signals, key=lambda signal: (signal.time, signal.offset)).click
        if click := attribute(match, purchase, memory.clicks(match), rule):
            return click
    return None


def attribute(match: Match, purchase: Moment, clicks: Iterable[ClickRecord], rule: CreditRule) -> ClickRecord | None:
    """The latest of the clicks that count, and of equals the one with the higher offset; None where none does.

    `clicks` are those of the purchase's unit, in any order.
    """
    latest: ClickRecord | None = None
    for click in clicks:
        if counts(click, match, purchase, rule) and (latest is None or is_later(click, latest)):
            latest = click
    return latest


def is_later(click: ClickRecord, other: ClickRecord) -> bool:
    """Whether a click is the later one of two."""
    return (click.time, click.offset) > (other.time, other.offset)


def counts(click: ClickRecord, match: Match, purchase: Moment, rule: CreditRule) -> bool:
    """Whether a purchase line, or a signal, may be credited to a click of its unit.

    It matches, was appended before the grace was over, and happened before the
    purchase by no more than its page's window (both ends count).
    """
    appended = click.append_time
    if not match.fits(click) or appended > purchase.append_time + rule.grace_ms:
        return False
    skew_ms = rule.skew_ms if appended <= purchase.append_time else 0
    time, clicked = purchase.time, click.time
    return clicked <= time + skew_ms and time - rule.window_of(click.page) <= clicked


def precedes(signal: SignalRecord, purchase: Moment) -> bool:
    """Whether a signal came before a purchase: it was appended no later, whatever clocks claim."""
    return signal.append_time <= purchase.append_time


def first_of_kind(signals: Iterable[SignalRecord], kind: str, click: ClickRecord, offset: int) -> bool:
    """Whether none of these signals, of those before an offset, is of a kind and credited to a click."""
    return not any(
        signal.kind == kind and signal.click.offset == click.offset and signal.offset < offset for signal in signals
    )


def via(signals: Iterable[SignalRecord], click: ClickRecord, purchase: Moment) -> dict[str, int]:
    """The kinds of signals between a click and a purchase, with the time from each to the purchase (ms)."""
    return {
        signal.kind: max(0, purchase.time - signal.time)
        for signal in sorted(signals, key=lambda signal: signal.kind)
        if signal.click.offset == click.offset and precedes(signal, purchase)
    }
