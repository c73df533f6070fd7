"""What followed clicks, of the events that say it: signals, repeated conversions, returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.messages.events import Credit
from schemas.messages.fields import RETURN
from streams.fold.judge import Accepted
from streams.fold.measure import Amount, Keying, Measure
from streams.fold.measures import delay_bin
from streams.settings import FoldSettings

Amounts = dict[str, dict[Any, int]]
Cause = tuple[Amount, str]
"""Why an event adds something, and the kind of signal where that matters."""
Causes = Mapping[Cause, Sequence[Any]]
_OF_REPEATS = frozenset({Amount.REPEAT, Amount.CROSS_PRODUCT})
_BY_KIND = frozenset({Amount.SIGNAL, Amount.VIA})
OF_RETURNS = frozenset({Amount.RETURN, Amount.RETURNED_MONEY, Amount.RETURNED_SQUARED})
"""What returned lines alone add."""
_ONE_EACH = frozenset({Amount.REPEAT, Amount.RETURN, *_BY_KIND})


def causes_of(events: Iterable[Accepted]) -> Causes:
    """The events of one topic by what they add something for; most are in no other place than one."""
    some = [entry.event for entry in events]
    if some and isinstance(some[0], Credit):
        return _causes_of_credits(some)
    causes: dict[Cause, list[Any]] = {}
    for event in some:
        if event.repeat:
            causes.setdefault((Amount.REPEAT, ""), []).append(event)
        else:
            for kind in event.via:
                causes.setdefault((Amount.VIA, kind), []).append(event)
    return causes


def _causes_of_credits(credits: Iterable[Credit]) -> Causes:  # noqa: A002  (the topic's name)
    by_kind: dict[str, list[Credit]] = {}
    for credit in credits:
        same = by_kind.get(credit.kind)
        if same is None:
            by_kind[credit.kind] = [credit]
        else:
            same.append(credit)
    return {(Amount.RETURN, "") if kind == RETURN else (Amount.SIGNAL, kind): same for kind, same in by_kind.items()}


class Stages:
    """Counts measures to which only some events of their topic add, by the kinds of signals of the settings."""

    def __init__(self, settings: FoldSettings) -> None:
        self._cap = settings.amount_cap
        self._kinds = settings.signals

    def count(self, keying: Keying, measures: Sequence[tuple[int, Measure]], causes: Causes, amounts: Amounts) -> None:
        """Add what events of one table bring to these measures of an array; cells that get nothing are left out."""
        for _, measure in measures:
            cause = self._cause(measure)
            events = causes.get(cause)
            if not events:
                continue
            if keying is Keying.ITEM:
                cells: Iterable[Any] = [event.item for event in events]
            else:
                cells = [delay_bin(_delay(measure, event, cause[1])) for event in events]
            if measure.amount in _ONE_EACH:
                pairs: Iterable[tuple[Any, int]] = Counter(cells).items()
            else:
                pairs = zip(cells, (self.amount(measure.amount, event) for event in events), strict=True)
            for cell, amount in pairs:
                if amount:
                    counts = amounts.setdefault(measure.name, {})
                    counts[cell] = counts.get(cell, 0) + amount

    def amount(self, amount: Amount, event: Any) -> int:
        """What an event adds to a measure that is not of one kind of signal alone."""
        match amount:
            case Amount.REPEAT:
                return int(event.repeat)
            case Amount.CROSS_PRODUCT:
                return 2 * min(event.amount, self._cap) * event.earlier if event.repeat else 0
            case Amount.RETURN:
                return int(event.kind == RETURN)
        back = min(event.amount, self._cap) if event.kind == RETURN else 0
        return back * back if amount is Amount.RETURNED_SQUARED else back

    def _cause(self, measure: Measure) -> Cause:
        if measure.amount in _BY_KIND:
            return measure.amount, self._kinds[measure.kind] if measure.kind < len(self._kinds) else ""
        return (Amount.REPEAT if measure.amount in _OF_REPEATS else Amount.RETURN), ""


def _delay(measure: Measure, event: Any, kind: str) -> int:
    delay: int = event.via[kind] if measure.amount is Amount.VIA else event.delay
    return delay
