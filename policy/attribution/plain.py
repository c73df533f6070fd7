"""The rule of attribution over whole partitions, without memory limits or restarts: workers have to agree with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Generic, TypeVar

from policy.attribution.clicks import (
    ClickRecord,
    CreditRule,
    Match,
    Moment,
    SignalRecord,
    attribute,
    click_record,
    credited,
    first_of_kind,
    matches,
    via,
)
from policy.attribution.outcomes import (
    OrderLine,
    ReturnedLine,
    conversion,
    is_repeated,
    order_of,
    return_credit,
    signal_credit,
    still_known,
)
from schemas.messages.events import Click, Conversion, Credit, Purchase, Return, Signal

M = TypeVar("M")


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


@dataclass(frozen=True, slots=True)
class Logs:
    """One partition number of all topics that attribution reads, each in the order of its offsets."""

    clicks: Sequence[LogEntry[Click]]
    purchases: Sequence[LogEntry[Purchase]]
    signals: Sequence[LogEntry[Signal]] = ()
    returns: Sequence[LogEntry[Return]] = ()

    def in_order(self, grace_ms: int) -> list[tuple[int, LogEntry[Any]]]:
        """All records with their stage, from 0 for clicks on.

        Signals and purchases come after the clicks that were appended up to the grace after them, returns after the
        purchases likewise; append times are running maxima.
        """
        entries = []
        logs: tuple[Sequence[LogEntry[Any]], ...] = (self.clicks, self.signals, self.purchases, self.returns)
        for stage, log in enumerate(logs):
            times = accumulate((entry.append_time for entry in log), max)
            turns = (0, grace_ms, grace_ms, 2 * grace_ms)
            entries += [
                ((time + turns[stage], stage, entry.offset), replace(entry, append_time=time))
                for entry, time in zip(log, times, strict=True)
            ]
        return [(turn[1], entry) for turn, entry in sorted(entries, key=lambda each: each[0])]


@dataclass(slots=True)
class _Unit:
    """All that a unit did."""

    all_clicks: list[ClickRecord] = field(default_factory=list)
    all_signals: list[SignalRecord] = field(default_factory=list)
    lines: list[OrderLine] = field(default_factory=list)
    returned: list[ReturnedLine] = field(default_factory=list)

    def clicks(self, match: Match) -> Iterable[ClickRecord]:
        return self.all_clicks

    def signals(self, match: Match) -> Iterable[SignalRecord]:
        return [signal for signal in self.all_signals if match.fits(signal.click)]


@dataclass(slots=True)
class Outcomes:
    """What comes of some logs, in the common order of their records."""

    conversions: list[Conversion] = field(default_factory=list)
    credits: list[Credit] = field(default_factory=list)

    @property
    def events(self) -> list[Conversion | Credit]:
        """Both, the conversions first."""
        return [*self.conversions, *self.credits]


def plain_attribution(
    clicks: Sequence[LogEntry[Click]], purchases: Sequence[LogEntry[Purchase]], rule: CreditRule
) -> list[Conversion]:
    """All conversions of one partition number that has no signals and no returns."""
    return plain_outcomes(Logs(clicks, purchases), rule).conversions


def plain_outcomes(
    logs: Logs, rule: CreditRule, currency: str = "EUR", cap: int = 2**62, kinds: Mapping[str, int] | None = None
) -> Outcomes:
    """All that comes of one partition number; amounts are in `currency`, and count for at most `cap` each.

    `kinds` are the kinds of signals that count, with the first offset of each; None: all of them do.
    """
    outcomes, units = Outcomes(), defaultdict[str, _Unit](_Unit)
    for stage, entry in logs.in_order(rule.grace_ms):
        unit, message = units[entry.unit], entry.message
        if entry.forget:
            units[entry.unit] = _Unit(lines=unit.lines, returned=unit.returned)
        elif message is None:
            continue
        elif stage == 0:
            unit.all_clicks.append(click_record(message, entry.offset, entry.append_time))
        elif stage == 1:
            if kinds is None or entry.offset >= kinds.get(message.kind, 2**62):
                outcomes.credits += _of_signal(unit, entry, rule, currency)
        elif stage == 2:
            outcomes.conversions += _of_purchase(unit, entry, rule, cap)
        else:
            outcomes.credits += _of_return(unit, entry, rule)
    return outcomes


def _of_signal(unit: _Unit, entry: LogEntry[Any], rule: CreditRule, currency: str) -> list[Credit]:
    signal: Any = entry.message
    moment = Moment(signal.occurred_at, entry.append_time)
    clicks = [attribute(match, moment, unit.all_clicks, rule) for match in matches(signal.item, signal.family)]
    click = next((click for click in clicks if click is not None), None)
    if click is None or not first_of_kind(unit.all_signals, signal.kind, click, entry.offset):
        return []
    unit.all_signals.append(SignalRecord(entry.offset, entry.append_time, signal.occurred_at, signal.kind, click))
    return [signal_credit(signal, entry.append_time, click, currency)]


def _of_purchase(unit: _Unit, entry: LogEntry[Any], rule: CreditRule, cap: int) -> list[Conversion]:
    purchase: Any = entry.message
    moment, conversions = Moment(purchase.occurred_at, entry.append_time), []
    before = [
        line for line in still_known(unit.lines, entry.append_time, rule.returns_ms) if line.offset < entry.offset
    ]
    for number, line in enumerate(purchase.lines):
        if is_repeated(before, purchase.order_id, line.item, line.nth):
            continue
        click = credited(unit, line.item, line.family, moment, rule)
        if click is not None:
            between = via(unit.all_signals, click, moment)
            earlier = still_known(unit.lines, entry.append_time, rule.returns_ms)
            event = conversion(purchase, entry.append_time, number, click, between, earlier, cap)
            unit.lines.append(OrderLine(entry.offset, entry.append_time, event))
            conversions.append(event)
    return conversions


def _of_return(unit: _Unit, entry: LogEntry[Any], rule: CreditRule) -> list[Credit]:
    returned: Any = entry.message
    back, lately = [], still_known(unit.returned, entry.append_time, rule.returns_ms)
    before = [line for line in lately if line.offset < entry.offset]
    for number, line in enumerate(returned.lines):
        if is_repeated(before, returned.return_id, line.item, line.nth):
            continue
        lines = still_known(unit.lines, entry.append_time, rule.returns_ms)
        order = order_of(lines, returned, number, entry.append_time, rule.grace_ms)
        if order is not None:
            credit = return_credit(returned, number, order.conversion)
            unit.returned.append(ReturnedLine(entry.offset, entry.append_time, credit))
            back.append(credit)
    return back
