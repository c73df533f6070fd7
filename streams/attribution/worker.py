"""One partition's attribution with its IO, in the order that survives a crash.

Invalid purchases become dead letters and decisions published, both acknowledged, before
the memory in Redis moves past their purchases.  What was published but not yet
moved past is found again in events-conversions and not published twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from schemas.errors import StateAttention
from schemas.topics import CLICKS, CONVERSIONS, PURCHASES
from streams.attribution.core import Decision, PartitionAttribution, Step, Windows
from streams.attribution.published import Published, Standing
from streams.fold.judge import Rejected, SendDeadLetters
from streams.kafka.bounds import Bounds
from streams.kafka.records import Batch, TopicPartition
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.group import Position
from streams.state.clicks.memory import ClickMemory
from streams.state.watermark import Watermark


class Decisions(Protocol):
    """The partition of events-conversions; see `ConversionsLog`."""

    async def publish(self, decisions: Sequence[Decision]) -> list[int]: ...

    async def read(self, start: int) -> tuple[list[Standing], int]: ...


class Behind(Exception):
    """Redis lost writes: open the partition again and read from where it stands."""


class PartitionWorker:
    """Decides, publishes and remembers for one partition number.

    `open` first; after `Transient` from any call, call it again and work goes on
    in the middle of the step; after `Behind` throw the worker away.  Calls must
    not overlap.
    """

    def __init__(
        self,
        memory: ClickMemory,
        decisions: Decisions,
        send_dead_letters: SendDeadLetters,
        windows: Windows,
        settings: AttributionSettings,
        fold: FoldSettings,
        accept_loss: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.core: PartitionAttribution
        self._published: Published
        self._dead_lettered: int
        self._memory = memory
        self._decisions = decisions
        self._send_dead_letters = send_dead_letters
        self._windows = windows
        self._settings = settings
        self._fold = fold
        self._accept_loss = accept_loss
        self._step: Step | None = None
        self._unsure = False

    async def open(self, bounds: Bounds) -> dict[str, int]:
        """Take the memory up where Redis has it; from which offset to read each topic.

        Raises `StateAttention` where memory and log contradict each other.
        """
        self._dead_lettered = await self._memory.dead_lettered()
        loaded = await self._memory.load(range(self._memory.groups))
        lowest = _lowest([each.memory.position for each in loaded.values()])
        read_from = {
            CLICKS.name: self._start(CLICKS.name, lowest.clicks, bounds),
            PURCHASES.name: self._start(PURCHASES.name, lowest.purchases, bounds),
        }
        self._published = Published(min(each.conversions for each in loaded.values()))
        await self._catch_up()
        memories = {group: each.memory for group, each in loaded.items()}
        partition = self._memory.partition
        self.core = PartitionAttribution(partition, self._settings, self._fold, self._windows, memories, read_from)
        return read_from

    def feed(self, batch: Batch) -> list[Rejected]:
        """Take in a batch; what of it is invalid.  `work` does something about it."""
        return self.core.feed(batch)

    def ended(self, bounds: Bounds, time_ms: int) -> None:
        """Where the logs ended when every broker's clock was past `time_ms`."""
        for topic, track in self.core.tracks.items():
            track.ended(bounds[topic][1], time_ms)

    async def work(self) -> None:
        """Decide, publish and remember as far as the logs were read."""
        while True:
            if self._step is None:
                step = self.core.decide()
                if not step.records:
                    return
                self._step = step
            await self._perform(self._step)
            self._step = None

    async def settle(self) -> None:
        """Finish what is in work, then bring all groups to one position and verify that Redis holds them there."""
        await self.work()
        if self._unsure:
            await self._catch_up()
        self._published.settle(self.core.purchases.next_offset)
        self._step = Step(changes=self.core.settle())
        await self._perform(self._step)
        self._step = None

    async def _perform(self, step: Step) -> None:
        if step.rejected:
            tp = TopicPartition(PURCHASES.name, self._memory.partition)
            await self._send_dead_letters(
                tp, [rejection for rejection in step.rejected if rejection.record.offset >= self._dead_lettered]
            )
            step.rejected = []
        if step.decisions:
            await self._publish(step)
        await self._move(step)
        self.counts.update(step.counts)
        step.counts = Counter()

    async def _publish(self, step: Step) -> None:
        if self._unsure:
            await self._catch_up()
        if self._fresh(step):
            await self._heed_others(step)
        fresh = self._fresh(step)
        if fresh:
            self._unsure = True
            offsets = await self._decisions.publish(fresh)
            self._unsure = not self._published.acknowledged(offsets)
        self.counts.update(published=len(fresh), skipped=len(step.decisions) - len(fresh))
        self._published.settle(self.core.purchases.next_offset)
        step.decisions = []

    def _fresh(self, step: Step) -> list[Decision]:
        return [
            decision
            for decision in step.decisions
            if not self._published.stands(decision.event.event_id, decision.offset)
        ]

    async def _heed_others(self, step: Step) -> None:
        """Before publishing: leave alone what another worker has moved past in the meantime."""
        expected = {change.group: change.expected.offsets for change in step.changes}
        stands = await self._memory.stand(sorted(expected))
        moved = [group for group, offsets in stands.items() if offsets != expected[group]]
        if moved:
            await self._reload(step, moved)

    async def _move(self, step: Step) -> None:
        changes = step.changes
        if not changes:
            return
        done = await self._memory.move(changes, self._published.resume_at)
        for change, written in zip(changes, done, strict=True):
            if written:
                self.core.written(change)
        refused = [change.group for change, written in zip(changes, done, strict=True) if not written]
        if refused:
            await self._reload(step, refused)

    async def _reload(self, step: Step, groups: Sequence[int]) -> None:
        """Take groups over as others left them; raises `Behind` where Redis has lost writes."""
        self._unsure = True
        for group, loaded in (await self._memory.load(groups)).items():
            if not self.core.replace(group, loaded.memory):
                raise Behind(f"the click memory of group {group} stands before what was read")
            passed = loaded.memory.position.purchases.offset
            step.decisions = [
                decision for decision in step.decisions if decision.group != group or decision.offset >= passed
            ]
        step.changes = [change for change in step.changes if change.group not in groups]
        await self._catch_up()

    async def _catch_up(self) -> None:
        decisions, end = await self._decisions.read(self._published.read_to)
        if end < self._published.read_to:
            raise StateAttention(
                f"{CONVERSIONS.name}/{self._memory.partition} ends at {end}, but decisions were published up to "
                f"{self._published.read_to}: the topic was deleted and made again, or this is another cluster. "
                "Point kafka.bootstrap at the right cluster, or set redis.namespace to a new name."
            )
        self._published.note(decisions, end)
        self._unsure = False

    def _start(self, topic: str, mark: Watermark, bounds: Bounds) -> int:
        offset, (first, end) = mark.offset, bounds[topic]
        where = f"{topic}/{self._memory.partition}"
        if offset > end:
            raise StateAttention(
                f"the click memory has read {where} up to offset {offset}, but the log ends at {end}: the topic was "
                "deleted and made again, or this is another cluster. Point kafka.bootstrap at the right cluster, "
                "or set redis.namespace to a new name."
            )
        unread = max(offset, mark.empty_to)
        if unread < first and not self._accept_loss:
            raise StateAttention(
                f"{first - unread} offsets of {where} were deleted before they were read (expected them from {unread}, "
                f"the log begins at {first}). Set learner.accept_loss = true to go on without them."
            )
        return max(first, offset - self._fold.duplicate_window)


def _lowest(positions: Iterable[Position]) -> Position:
    """The earliest of positions that are all in one order."""
    ordered = sorted(positions, key=lambda each: each.offsets)
    for earlier, later in pairwise(ordered):
        if later.before(earlier):
            raise StateAttention(
                f"the click memory is torn: one group stands at clicks {earlier.clicks.offset} and purchases "
                f"{earlier.purchases.offset}, another at {later.clicks.offset} and {later.purchases.offset}, which no "
                "reading of the log gives (attribution.grace_ms was changed?). Set redis.namespace to a new name."
            )
    return ordered[0]
