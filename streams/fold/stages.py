"""What followed clicks, of the events that say it: signals, repeated conversions, returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.messages.fields import RETURN
from streams.fold.judge import Accepted
from streams.fold.measures import Amount, Keying, Measure, delay_bin
from streams.settings import FoldSettings

Amounts = dict[str, dict[Any, int]]


class Stages:
    """Counts measures to which only some events of their topic add, by the kinds of signals of the settings."""

    def __init__(self, settings: FoldSettings) -> None:
        self._cap = settings.amount_cap
        self._kinds = settings.signals

    def count(
        self, keying: Keying, measures: Sequence[tuple[int, Measure]], events: Sequence[Accepted], amounts: Amounts
    ) -> None:
        """Add what events of one table bring to these measures of an array; cells that get nothing are left out."""
        for _, measure in measures:
            kind = self._kinds[measure.kind] if 0 <= measure.kind < len(self._kinds) else ""
            for entry in events:
                if amount := self.amount(measure.amount, entry.event, kind):
                    cell = entry.event.item if keying is Keying.ITEM else delay_bin(_delay(measure, entry.event, kind))
                    counts = amounts.setdefault(measure.name, {})
                    counts[cell] = counts.get(cell, 0) + amount

    def amount(self, amount: Amount, event: Any, kind: str = "") -> int:
        """What an event adds to a measure, of which `kind` is the kind of signal."""
        match amount:
            case Amount.SIGNAL:
                return int(event.kind == kind)
            case Amount.VIA:
                return int(kind in event.via and not event.repeat)
            case Amount.REPEAT:
                return int(event.repeat)
            case Amount.CROSS_PRODUCT:
                return 2 * min(event.amount, self._cap) * event.earlier if event.repeat else 0
            case Amount.RETURN:
                return int(event.kind == RETURN)
        back = min(event.amount, self._cap) if event.kind == RETURN else 0
        return back * back if amount is Amount.RETURNED_SQUARED else back


def _delay(measure: Measure, event: Any, kind: str) -> int:
    delay: int = event.via[kind] if measure.amount is Amount.VIA else event.delay
    return delay
