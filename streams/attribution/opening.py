"""Where attribution of a partition begins: with what is on disk, and what of the logs it needs beside that."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from policy.attribution.outcomes import OrderLine, ReturnedLine
from schemas.messages.events import Conversion
from schemas.topics import CLICKS, CONVERSIONS, RETURNS, SIGNALS
from streams.attribution.published import Standing
from streams.attribution.step import SPARE_MS, Decision, Windows, first_needed
from streams.kafka.bounds import Bounds
from streams.settings import FoldSettings
from streams.state.clicks.progress import Applied, Position, Progress
from streams.state.clicks.store import Additions, ClickStore, Marks
from streams.state.watermark import Watermark

log = logging.getLogger("reshelf")
FirstSince = Callable[[str, int], Awaitable[int]]
"""The first offset of a topic's partition that was appended at a time or later."""


class Decisions(Protocol):
    """The partition of a topic that is written; see `DecisionLog`."""

    async def publish(self, decisions: Sequence[Decision]) -> list[int]: ...

    async def read(self, start: int) -> tuple[list[Standing], int]: ...

    async def read_events(self, start: int, take: Callable[[list[Decision]], None]) -> None: ...


class Opening:
    """What the store of one partition has, and what is to be read again; it is emptied where it is of no use."""

    def __init__(
        self, store: ClickStore, progress: Progress, first_since: FirstSince, windows: Windows, fold: FoldSettings
    ) -> None:
        self._store = store
        self._progress = progress
        self._first_since = first_since
        self._windows = windows
        self._fold = fold

    async def marks(self, applied: Position, bounds: Bounds) -> Marks:
        """Up to where the store has the logs; it is emptied where it is of no use, to be filled from them."""
        stored, span = self._store.marks, bounds[CLICKS.name]
        start, since = await self._begin(applied, span)
        # A store that another machine has gone on without may be so old that nothing in it is needed.
        if stored is not None and _within(stored.clicks, span) and start <= stored.clicks.offset:
            signals = self._stored_signals(stored, applied, bounds)
            if signals is not None and not await self._log_has_more(applied):
                return stored._replace(signals=signals)
        log.info(
            "Attribution of partition %d reads clicks from offset %d on, to have the whole window.",
            self._progress.partition,
            start,
        )
        marks = Marks(Watermark(start), await self._signals_since(applied, bounds, since))
        self._store.begin(marks, since)
        return marks

    def _stored_signals(self, stored: Marks, applied: Position, bounds: Bounds) -> Watermark | None:
        """Up to where the store has the signals; None where it is not known, or is not in the log."""
        if SIGNALS.name not in bounds:
            return applied.signals
        if stored.signals is not None:
            return stored.signals if _within(stored.signals, bounds[SIGNALS.name]) else None
        # A store of an older version is as good where no signal was decided yet.
        return applied.signals if applied.signals.offset <= self._progress.starts.read[SIGNALS.name] else None

    async def _signals_since(self, applied: Position, bounds: Bounds, since: int | None) -> Watermark:
        """From where an empty store needs signals: of the time from which it has clicks."""
        if SIGNALS.name not in bounds:
            return applied.signals
        first = max(bounds[SIGNALS.name][0], self._progress.starts.read[SIGNALS.name])
        offset = await self._first_since(SIGNALS.name, since) if since else first
        return Watermark(max(first, min(offset, applied.signals.offset)))

    async def restore_lines(self, applied: Applied, topic: str, decisions: Decisions) -> None:
        """Take lines that other workers have decided, or an emptied store has lost, from a topic that is written."""
        marks, of_orders = self._store.marks, topic == CONVERSIONS.name
        decided = (applied.position.purchases if of_orders else applied.position.returns).offset
        if marks is None or (marks.lines if of_orders else marks.returned) >= decided:
            return

        def take(some: list[Decision]) -> None:
            past = [each for each in some if each.source.offset < decided]
            self._store.write(_lines_of(past), marks, self._store.complete_since)

        first, published = self._progress.starts.written[topic], applied.published[topic]
        await decisions.read_events(max(first, marks.conversions if of_orders else marks.credits), take)
        orders = marks._replace(lines=decided, conversions=published)
        after = orders if of_orders else marks._replace(returned=decided, credits=published)
        self._store.write(Additions(), after, self._store.complete_since)

    async def _log_has_more(self, applied: Position) -> bool:
        """Whether the log has clicks that are needed, from before those of the store."""
        since, needed = self._store.complete_since, self._needed(applied)
        if since is None or not since or (needed is not None and needed >= since):
            return False
        first = self._progress.starts.read[CLICKS.name]
        return max(first, await self._clicks_since(needed or 0)) < max(first, await self._clicks_since(since))

    async def _begin(self, applied: Position, span: tuple[int, int]) -> tuple[int, int | None]:
        """The first offset to read for a new store, and since when clicks are complete then, where that is known."""
        first = max(span[0], self._progress.starts.read[CLICKS.name])
        needed = self._needed(applied)
        if needed is not None and self._fold.max_clock_skew_ms:
            since = needed - SPARE_MS - self._fold.max_clock_skew_ms
            start = min(await self._clicks_since(since), max(applied.clicks.offset, first))
            if since > 0 and start > first:
                return start, since
        return first, 0 if first == 0 else None

    def _needed(self, applied: Position) -> int | None:
        return first_needed(applied.purchases.append_time, self._fold, self._windows)

    async def _clicks_since(self, time_ms: int) -> int:
        return await self._first_since(CLICKS.name, time_ms)


def _within(mark: Watermark, span: tuple[int, int]) -> bool:
    """Whether a log of this span can go on from a watermark."""
    first, end = span
    return first <= max(mark.offset, mark.empty_to) and mark.offset <= end


def _lines_of(decisions: Sequence[Decision]) -> Additions:
    """The lines of orders, and of returns, that some decisions are about."""
    orders: list[tuple[str, OrderLine]] = []
    returned: list[tuple[str, ReturnedLine]] = []
    for _, source, event, appended_at in decisions:
        if isinstance(event, Conversion):
            orders.append((event.unit, OrderLine(source.offset, appended_at, event)))
        elif source.topic == RETURNS.name:
            returned.append((event.unit, ReturnedLine(source.offset, appended_at, event)))
    return Additions(lines=orders, returned=returned)
