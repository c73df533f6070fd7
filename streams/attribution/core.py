"""One partition's attribution, without IO.

Fed with batches of both topics, `PartitionAttribution` takes their records in
the common order, keeps the memory of each group of units, and gives `Step`s:
what to publish, and what to write to Redis once that is acknowledged.  A group
that Redis holds at a later point than this worker ignores everything before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from policy.attribution import ClickRecord, attribute, click_record, conversion
from schemas.messages.events import Conversion, Purchase
from schemas.topics import CLICKS, PURCHASES
from streams.attribution.order import Entry, Track, in_order
from streams.fold.judge import Rejected
from streams.kafka.records import Batch, Record, TopicPartition
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.group import Change, GroupMemory, Position, group_of_unit
from streams.state.keys import home_group

STEP_RECORDS = 5_000


class Windows(Protocol):
    """How long before a purchase a click may have happened, milliseconds."""

    def of(self, page: str) -> int: ...

    def longest(self) -> int: ...


class Decision(NamedTuple):
    """A purchase line credited to a click, made at `offset` of the purchases, by when `appended_at` was the latest."""

    group: int
    offset: int
    event: Conversion
    appended_at: int


@dataclass(slots=True)
class Step:
    """The outcome of a run of records: publish, then dead-letter, then write the changes."""

    records: int = 0
    decisions: list[Decision] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class PartitionAttribution:
    """Decides the purchase lines of one partition number, `partition`.

    `memories` are the groups as Redis holds them; `read_from` is where each
    topic is read from, `duplicate_window` before the lowest position.
    """

    def __init__(
        self,
        partition: int,
        settings: AttributionSettings,
        fold: FoldSettings,
        windows: Windows,
        memories: Mapping[int, GroupMemory],
        read_from: Mapping[str, int],
    ) -> None:
        self._settings = settings
        self._fold = fold
        self._windows = windows
        self.memories = dict(memories)
        positions = [memory.position for memory in memories.values()]
        self.clicks = Track(CLICKS, fold, [each.clicks for each in positions], read_from[CLICKS.name])
        self.purchases = Track(PURCHASES, fold, [each.purchases for each in positions], read_from[PURCHASES.name])
        self._home = home_group(TopicPartition(PURCHASES.name, partition), len(memories))
        self._touched: set[int] = set()

    @property
    def tracks(self) -> dict[str, Track]:
        return {CLICKS.name: self.clicks, PURCHASES.name: self.purchases}

    @property
    def position(self) -> Position:
        """Up to where records were taken."""
        return Position(self.clicks.position, self.purchases.position)

    def feed(self, batch: Batch) -> list[Rejected]:
        """Take in a batch of either topic; what of it is invalid.  Raises `StateAttention` as `Track.feed`."""
        return self.tracks[batch.tp.topic].feed(batch)

    def decide(self) -> Step:
        """Take what can be taken, at most `STEP_RECORDS` records; an empty step when nothing can."""
        step = Step()
        for entry, is_click in in_order(self.clicks, self.purchases, self._settings.grace_ms):
            if is_click:
                self._remember(entry)
            else:
                self._purchase(entry, step)
            step.records += 1
            if step.records >= STEP_RECORDS:
                break
        step.changes = self._changes(self._touched)
        self._touched = set()
        return step

    def settle(self) -> list[Change]:
        """Changes that bring every group to where the records were taken up to, or verify that it is there."""
        return self._changes(self.memories)

    def written(self, change: Change) -> None:
        """Redis has taken the change over."""
        self.memories[change.group].position = change.after

    def replace(self, group: int, memory: GroupMemory) -> bool:
        """Take a group over as Redis holds it; False when it is behind, so that both logs must be read again."""
        self.memories[group] = memory
        return not memory.position.before(self.position)

    def _remember(self, entry: Entry) -> None:
        record = entry.record
        if entry.event is None and not entry.forgets:
            return
        unit = (record.key or b"").decode(errors="replace") if entry.forgets else entry.event.unit
        group = group_of_unit(unit, len(self.memories))
        memory = self.memories[group]
        if record.offset < memory.position.clicks.offset:
            return
        if entry.forgets:
            memory.forget(unit)
        else:
            memory.add(unit, click_record(entry.event, record.offset, entry.time))
        self._touched.add(group)

    def _purchase(self, entry: Entry, step: Step) -> None:
        """Decide a purchase, or dead-letter it: one that is invalid belongs to no unit, so to the home group."""
        purchase: Purchase | None = entry.event
        rejected = entry.rejected
        if purchase is not None and purchase.currency != self._fold.currency:
            rejected = _foreign(entry.record, purchase, self._fold.currency)
        home = self.memories[self._home]
        if purchase is not None and rejected is None:
            self._decide(purchase, entry, step)
        elif entry.record.offset < home.position.purchases.offset:
            return
        elif rejected is not None:
            self._touched.add(self._home)
            step.rejected.append(rejected)
            step.counts[f"invalid_{rejected.reason}"] += 1
        else:
            step.counts["duplicate"] += 1

    def _decide(self, purchase: Purchase, entry: Entry, step: Step) -> None:
        group = group_of_unit(purchase.unit, len(self.memories))
        memory = self.memories[group]
        offset = entry.record.offset
        if offset < memory.position.purchases.offset:
            return
        self._touched.add(group)
        step.counts["applied"] += 1
        floor = self.clicks.next_offset - self._settings.max_clicks
        clicks = [click for at, click in memory.of_unit(purchase.unit).items() if at >= floor]
        for number, line in enumerate(purchase.lines):
            cut = entry.time + self._settings.grace_ms
            click = attribute(line.item, purchase.occurred_at, clicks, self._windows.of, cut)
            step.counts["decided"] += 1
            if click is None:
                step.counts["unattributed_" + _why(line.item, clicks)] += 1
            else:
                step.counts["credited"] += 1
                step.decisions.append(Decision(group, offset, conversion(purchase, number, click), entry.time))

    def _changes(self, groups: Iterable[int]) -> list[Change]:
        reached = self.position
        floor, first_time = self._keep_from(reached)
        changes = []
        for group in sorted(groups):
            memory = self.memories[group]
            memory.expire(floor, first_time)
            after = memory.position if reached.before(memory.position) else reached
            changes.append(Change(group, memory.position, after, *memory.take_changes()))
        return changes

    def _keep_from(self, reached: Position) -> tuple[int, int]:
        """The lowest offset and event time of a click that a purchase still to be decided may take."""
        grace, late = self._settings.grace_ms, self._fold.allowed_lateness_ms
        floor = self.clicks.next_offset - self._settings.max_clicks
        if not late:
            return floor, 0
        next_append = max(reached.clicks.append_time - grace, reached.purchases.append_time)
        return floor, next_append - late - self._windows.longest()


def _why(item: str, clicks: Iterable[ClickRecord]) -> str:
    items = {click.item for click in clicks}
    if item in items:
        return "outside_window"
    return "other_item" if items else "no_click"


def _foreign(record: Record, purchase: Purchase, expected: str) -> Rejected:
    return Rejected(record, "currency", f"expected amounts in {expected}, got {purchase.currency}")
