"""One partition's attribution, without IO but the look into what is remembered on disk.

Fed with batches of its topics, `PartitionAttribution` takes their records in
the common order, remembers clicks, and gives `Step`s: what to publish before what is
remembered is written and the partition moves along.  What Redis holds as
decided is left alone, but signals are remembered again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from policy.attribution.clicks import (
    ClickRecord,
    Moment,
    SignalRecord,
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
from schemas.messages.events import Purchase, Return, Signal
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, PURCHASES, RETURNS, SIGNALS
from streams.attribution.order import Entry, Track, Turn, in_order
from streams.attribution.published import Source
from streams.attribution.step import (
    RETURN,
    SPARE_MS,
    Decision,
    Remembered,
    Step,
    Windows,
    credit_rule,
    explained,
    first_needed,
    foreign,
    is_return,
    verdict_of,
)
from streams.fold.judge import REPEATED, Rejected
from streams.kafka.records import Batch
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.memory import Criteria, UnitMemory
from streams.state.clicks.progress import READ, Position, Window
from streams.state.clicks.store import Marks

STEP_RECORDS = 5_000


class PartitionAttribution:
    """Decides the purchase lines, signals and returns of one partition number.

    `applied` is up to where Redis holds the partition as decided.  `kinds` are the kinds of signals that count, with
    the first offset of each; None: all of them do.
    """

    def __init__(
        self,
        settings: AttributionSettings,
        fold: FoldSettings,
        windows: Windows,
        remembered: Remembered,
        applied: Position,
        kinds: Mapping[str, int] | None = None,
    ) -> None:
        self._settings = settings
        self._fold = fold
        self._windows = windows
        self._rule = credit_rule(settings, fold, windows)
        self._kinds = kinds
        self.memory = memory = remembered.memory
        self.applied = applied
        starts = {CLICKS: memory.marks.clicks, SIGNALS: memory.marks.signals or applied.signals}
        self.tracks: dict[str, Track] = {
            topic.name: Track(
                topic,
                fold,
                starts.get(topic, applied.mark(topic.name)),
                remembered.read_from[topic.name],
                [applied.mark(topic.name)] if topic in starts else (),
            )
            for topic in READ
            if topic.name in remembered.read_from
        }
        grace_ms = settings.grace_ms
        turns = ((CLICKS, 0), (SIGNALS, grace_ms), (PURCHASES, grace_ms), (RETURNS, 2 * grace_ms))
        self._turns = [
            Turn(self.tracks[topic.name], delay, stage)
            for stage, (topic, delay) in enumerate(turns)
            if topic.name in self.tracks
        ]
        self._decide_one = (self._remember, self._signal, self._purchase, self._return)

    @property
    def clicks(self) -> Track:
        return self.tracks[CLICKS.name]

    @property
    def purchases(self) -> Track:
        return self.tracks[PURCHASES.name]

    @property
    def decided(self) -> dict[str, int]:
        """Below which offset the records of each topic were taken."""
        return {topic: track.next_offset for topic, track in self.tracks.items()}

    @property
    def position(self) -> Position:
        """Up to where records were taken."""
        return Position.of({topic: track.position for topic, track in self.tracks.items()})

    @property
    def behind_clicks(self) -> int:
        """Offsets of clicks that were read before, and are read again because the store lacks them."""
        return max(0, self.applied.clicks.offset - self.clicks.next_offset)

    def feed(self, batch: Batch) -> list[Rejected]:
        """Take in a batch of any of the topics; what of it is invalid.  Raises `AnotherLog` as `Track.feed`."""
        return self.tracks[batch.tp.topic].feed(batch)

    def decide(self) -> Step:
        """Take what can be taken, at most `STEP_RECORDS` records; an empty step when nothing can."""
        step = Step(self.applied)
        for entry, stage in in_order(self._turns):
            self._decide_one[stage](entry, step)
            step.records += 1
            if step.records >= STEP_RECORDS:
                break
        step.reached = self.position
        step.counts["looked_up"], self.memory.lookups = self.memory.lookups, 0
        return step

    def write(self, conversions: int, credits: int = 0) -> None:  # noqa: A002  (the topic's name)
        """Put what was remembered into the store, and let go of what nothing can need any more.

        Conversions and credits below these offsets are of records that are decided.
        """
        signals = self.tracks[SIGNALS.name].position if SIGNALS.name in self.tracks else None
        marks, decided = self.memory.marks, self.decided
        lines, returned = max(decided[PURCHASES.name], marks.lines), max(decided.get(RETURNS.name, 0), marks.returned)
        self.memory.write(Marks(self.clicks.position, signals, lines, conversions, returned, credits))
        needed = first_needed(self._next_append(), self._fold, self._windows)
        if needed is not None:
            orders = self._next_append() - self._settings.returns_ms
            self.memory.expire(needed - SPARE_MS, orders - SPARE_MS)

    def window(self) -> Window:
        """How much of the longest window the clicks cover, for the next purchase."""
        longest = self._windows.longest()
        return Window(self.memory.window_ms(self._next_append(), longest), longest)

    def _next_append(self) -> int:
        """No purchase, signal or return still to be decided has a smaller append time."""
        position, grace_ms = self.position, self._settings.grace_ms
        return max(position.clicks.append_time - grace_ms, position.purchases.append_time)

    def _remember(self, entry: Entry, step: Step) -> None:
        record = entry.record
        self.memory.begin(entry.time)
        if entry.forgets:
            self.memory.forget((record.key or b"").decode(errors="replace"))
        elif entry.event is not None:
            self.memory.add(entry.event.unit, click_record(entry.event, record.offset, entry.time))

    def _signal(self, entry: Entry, step: Step) -> None:
        """Credit a signal, unless its click has one of its kind already."""
        signal: Signal | None = self._event(SIGNALS, entry, step)
        if signal is None:
            return
        verdict, offset = "undeclared", entry.record.offset
        is_new = offset >= self.applied.signals.offset
        if self._kinds is None or offset >= self._kinds.get(signal.kind, sys.maxsize):
            memory = self._of_unit(signal, entry)
            verdict, click = self._verdict(signal, memory, offset)
            if click is not None:
                self.memory.add_signal(
                    signal.unit, SignalRecord(offset, entry.time, signal.occurred_at, signal.kind, click)
                )
            if click is not None and is_new:
                event = signal_credit(signal, entry.time, click, self._fold.currency)
                step.decisions.append(Decision(CREDITS, Source(SIGNALS.name, offset), event, entry.time))
        step.counts[f"signal_{verdict}"] += is_new

    def _verdict(self, signal: Signal, memory: UnitMemory, offset: int) -> tuple[str, ClickRecord | None]:
        """What becomes of a signal, and the click that it is credited to."""
        for match in matches(signal.item, signal.family):
            click = memory.latest(match)
            if click is not None:
                is_first = first_of_kind(memory.signals_of(click), signal.kind, click, offset)
                return ("credited", click) if is_first else ("repeated", None)
        return f"unattributed_{memory.miss(signal.item, signal.family)}", None

    def _purchase(self, entry: Entry, step: Step) -> None:
        """Decide a purchase, or dead-letter it, unless that was done before."""
        purchase: Purchase | None = self._event(PURCHASES, entry, step)
        if purchase is None:
            return
        memory, source = self._of_unit(purchase, entry), Source(PURCHASES.name, entry.record.offset)
        before = [line for line in self._lines_of(purchase, entry) if line.offset < source.offset]
        for number, line in enumerate(purchase.lines):
            if is_repeated(before, purchase.order_id, line.item, line.nth):
                step.counts["unattributed_" + REPEATED] += 1
                continue
            click = credited(memory, line.item, line.family, memory.criteria.purchase, self._rule)
            step.counts["decided"] += 1
            if click is None:
                step.counts["unattributed_" + memory.miss(line.item, line.family)] += 1
                continue
            step.counts[verdict_of(click, purchase)] += 1
            between = via(memory.signals_of(click), click, memory.criteria.purchase)
            stored = self.memory.earlier(purchase.unit, click, source.offset)
            earlier = still_known(stored, entry.time, self._settings.returns_ms)
            event = conversion(purchase, entry.time, number, click, between, earlier, self._fold.amount_cap)
            self.memory.add_line(purchase.unit, OrderLine(entry.record.offset, entry.time, event))
            step.decisions.append(Decision(CONVERSIONS, source, event, entry.time))

    def _return(self, entry: Entry, step: Step) -> None:
        """Credit the lines of a return to the clicks of their orders, or dead-letter it, unless that was done."""
        returned: Return | None = self._event(RETURNS, entry, step)
        if returned is None:
            return
        lines, source = self._lines_of(returned, entry), Source(RETURNS.name, entry.record.offset)
        stored = self.memory.returned_of(returned.unit, returned.order_id)
        lately = still_known(stored, entry.time, self._settings.returns_ms)
        before = [line for line in lately if line.offset < source.offset]
        for number, line in enumerate(returned.lines):
            if is_repeated(before, returned.return_id, line.item, line.nth):
                step.counts["returned_" + REPEATED] += 1
                continue
            order = order_of(lines, returned, number, entry.time, self._settings.grace_ms)
            step.counts["returned_credited" if order else "returned_unknown_order"] += 1
            if order is not None:
                event = return_credit(returned, number, order.conversion)
                self.memory.add_returned(returned.unit, ReturnedLine(source.offset, entry.time, event))
                step.decisions.append(Decision(CREDITS, source, event, entry.time))

    def _event(self, topic: Topic, entry: Entry, step: Step) -> Any:
        """The event of a record that is to be decided, None where that was done, or it does not count."""
        is_new = entry.record.offset >= self.applied.mark(topic.name).offset
        if not is_new and topic is not SIGNALS:
            return None
        event, rejected = entry.event, entry.rejected
        if event is not None and getattr(event, "currency", self._fold.currency) != self._fold.currency:
            event, rejected = None, foreign(entry.record, event, self._fold.currency)
        if is_new:
            name = "" if topic is PURCHASES else f"{topic.name} "
            if rejected is not None:
                returned = topic is PURCHASES and is_return(rejected)
                step.rejected.setdefault(topic, []).append(explained(rejected) if returned else rejected)
                step.counts[f"{name}invalid_{RETURN if returned else rejected.reason}"] += 1
            else:
                step.counts[name + ("applied" if event is not None else entry.skipped)] += 1
        return event

    def _lines_of(self, event: Purchase | Return, entry: Entry) -> list[OrderLine]:
        """The lines of its order that were credited, as far as they are known still."""
        lines = self.memory.lines_of(event.unit, event.order_id)
        return still_known(lines, entry.time, self._settings.returns_ms)

    def _of_unit(self, event: Purchase | Signal, entry: Entry) -> UnitMemory:
        criteria = Criteria(Moment(event.occurred_at, entry.time), self._rule, self._windows.longest())
        return self.memory.of_unit(event.unit, criteria)
