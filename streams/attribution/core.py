"""One partition's attribution, without IO but the look into the clicks on disk.

Fed with batches of both topics, `PartitionAttribution` takes their records in
the common order, remembers clicks, and gives `Step`s: what to publish before the
clicks are written and the partition moves along.  Purchases that Redis holds as
decided are left alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from policy.attribution import attribute, click_record, conversion
from schemas.messages.events import Conversion, Purchase
from schemas.topics import CLICKS, PURCHASES
from streams.attribution.order import Entry, Track, in_order
from streams.fold.judge import Rejected
from streams.kafka.records import Batch, Record
from streams.settings import HOUR_MS, AttributionSettings, FoldSettings
from streams.state.clicks.memory import ClickMemory, Criteria
from streams.state.clicks.progress import Position, Window

STEP_RECORDS = 5_000
SPARE_MS = HOUR_MS
"""Clicks are kept for longer than they are needed, so that a Redis that lost some writes finds them still."""


class Windows(Protocol):
    """How long before a purchase a click may have happened, milliseconds."""

    def of(self, page: str) -> int: ...

    def longest(self) -> int: ...


class Decision(NamedTuple):
    """A purchase line credited to a click, made at `offset` of the purchases, by when `appended_at` was the latest."""

    offset: int
    event: Conversion
    appended_at: int


@dataclass(slots=True)
class Step:
    """The outcome of a run of records up to `reached`: publish, dead-letter, then write clicks and move along."""

    reached: Position
    records: int = 0
    decisions: list[Decision] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class PartitionAttribution:
    """Decides the purchase lines of one partition number.

    `memory` has the clicks up to its position.  `applied` is up to where Redis holds the
    partition as decided; `read_from` is where each topic is read from, before these as far
    as duplicates are recognised.
    """

    def __init__(
        self,
        settings: AttributionSettings,
        fold: FoldSettings,
        windows: Windows,
        memory: ClickMemory,
        applied: Position,
        read_from: tuple[int, int],
    ) -> None:
        self._settings = settings
        self._fold = fold
        self._windows = windows
        self.memory = memory
        self.applied = applied
        self.clicks = Track(CLICKS, fold, memory.position, read_from[0], [applied.clicks])
        self.purchases = Track(PURCHASES, fold, applied.purchases, read_from[1])

    @property
    def tracks(self) -> dict[str, Track]:
        return {CLICKS.name: self.clicks, PURCHASES.name: self.purchases}

    @property
    def position(self) -> Position:
        """Up to where records were taken."""
        return Position(self.clicks.position, self.purchases.position)

    @property
    def behind_clicks(self) -> int:
        """Offsets of clicks that were read before, and are read again because the store lacks them."""
        return max(0, self.applied.clicks.offset - self.clicks.next_offset)

    def feed(self, batch: Batch) -> list[Rejected]:
        """Take in a batch of either topic; what of it is invalid.  Raises `AnotherLog` as `Track.feed`."""
        return self.tracks[batch.tp.topic].feed(batch)

    def decide(self) -> Step:
        """Take what can be taken, at most `STEP_RECORDS` records; an empty step when nothing can."""
        step = Step(self.applied)
        for entry, is_click in in_order(self.clicks, self.purchases, self._settings.grace_ms):
            if is_click:
                self._remember(entry)
            else:
                self._purchase(entry, step)
            step.records += 1
            if step.records >= STEP_RECORDS:
                break
        step.reached = self.position
        return step

    def write(self) -> None:
        """Put what was remembered into the store, and let go of days that no purchase can need."""
        self.memory.write(self.clicks.position)
        needed = first_needed(self._next_append(), self._fold, self._windows)
        if needed is not None:
            self.memory.expire(needed - SPARE_MS)

    def window(self) -> Window:
        """How much of the longest window the clicks cover, for the next purchase."""
        longest = self._windows.longest()
        return Window(self.memory.window_ms(self._next_append(), longest), longest)

    def _next_append(self) -> int:
        """No purchase still to be decided has a smaller append time."""
        clicks, purchases = self.position
        return max(clicks.append_time - self._settings.grace_ms, purchases.append_time)

    def _remember(self, entry: Entry) -> None:
        record = entry.record
        self.memory.begin(entry.time)
        if entry.forgets:
            self.memory.forget((record.key or b"").decode(errors="replace"))
        elif entry.event is not None:
            self.memory.add(entry.event.unit, click_record(entry.event, record.offset, entry.time))

    def _purchase(self, entry: Entry, step: Step) -> None:
        """Decide a purchase, or dead-letter it, unless that was done before."""
        if entry.record.offset < self.applied.purchases.offset:
            return
        purchase: Purchase | None = entry.event
        rejected = entry.rejected
        if purchase is not None and purchase.currency != self._fold.currency:
            rejected = _foreign(entry.record, purchase, self._fold.currency)
        if rejected is not None:
            step.rejected.append(rejected)
            step.counts[f"invalid_{rejected.reason}"] += 1
        elif purchase is not None:
            self._decide(purchase, entry, step)
        else:
            step.counts[entry.skipped] += 1

    def _decide(self, purchase: Purchase, entry: Entry, step: Step) -> None:
        step.counts["applied"] += 1
        cut = entry.time + self._settings.grace_ms
        criteria = Criteria(purchase.occurred_at, self._windows.of, self._windows.longest(), cut)
        clicks = self.memory.of_unit(purchase.unit)
        for number, line in enumerate(purchase.lines):
            candidates = clicks.candidates(line.item, criteria)
            click = attribute(line.item, purchase.occurred_at, candidates, self._windows.of, cut)
            step.counts["decided"] += 1
            if click is None:
                step.counts["unattributed_" + clicks.miss(line.item)] += 1
            else:
                step.counts["credited"] += 1
                step.decisions.append(Decision(entry.record.offset, conversion(purchase, number, click), entry.time))


def first_needed(append_time: int, fold: FoldSettings, windows: Windows) -> int | None:
    """The event time of the first click that purchases appended at a time or later may take; None: any time."""
    if not fold.allowed_lateness_ms:
        return None
    return append_time - fold.allowed_lateness_ms - windows.longest()


def _foreign(record: Record, purchase: Purchase, expected: str) -> Rejected:
    return Rejected(record, "currency", f"expected amounts in {expected}, got {purchase.currency}")
