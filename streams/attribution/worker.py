"""One partition's attribution with its IO, in the order that survives a crash.

Invalid purchases become dead letters and decisions published, both acknowledged, before
the clicks on disk and the watermarks in Redis move past them.  What was published but not
yet moved past is found again in events-conversions and not published twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from schemas.topics import CLICKS, CONVERSIONS, PURCHASES, Topic
from streams.attribution.core import SPARE_MS, Decision, PartitionAttribution, Step, Windows, first_needed
from streams.attribution.order import AnotherLog
from streams.attribution.published import Published, Standing
from streams.cancellation import finish_in_thread
from streams.fold.judge import Rejected, SendDeadLetters
from streams.fold.window import reach_of
from streams.kafka.bounds import Bounds
from streams.kafka.records import Batch, TopicPartition
from streams.refusals import check_begin, check_end
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.memory import ClickMemory
from streams.state.clicks.progress import Applied, Position, Progress, Window
from streams.state.clicks.store import ClickStore
from streams.state.recent.window import window_start
from streams.state.watermark import Watermark

log = logging.getLogger("reshelf")
FirstSince = Callable[[str, int], Awaitable[int]]
"""The first offset of a topic's partition that was appended at a time or later."""


class Decisions(Protocol):
    """The partition of events-conversions; see `ConversionsLog`."""

    async def publish(self, decisions: Sequence[Decision]) -> list[int]: ...

    async def read(self, start: int) -> tuple[list[Standing], int]: ...


class Behind(Exception):
    """Redis lost writes, or the clicks on disk are of another log: open the partition again."""


class ClicksOnDisk(NamedTuple):
    """What a partition has of clicks: how many, in how many bytes; `to_reread` were read before, but are not here."""

    window: Window
    to_reread: int
    number: int
    size: int


class PartitionWorker:
    """Decides, publishes and remembers for one partition number.

    `open` first; after `Transient` from any call, call it again and work goes on
    in the middle of the step; after `Behind` throw the worker away.  Calls must
    not overlap.
    """

    def __init__(
        self,
        *,
        progress: Progress,
        store: ClickStore,
        decisions: Decisions,
        send_dead_letters: SendDeadLetters,
        first_since: FirstSince,
        windows: Windows,
        settings: AttributionSettings,
        fold: FoldSettings,
        accept_loss: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.clicks: ClicksOnDisk | None = None
        self.core: PartitionAttribution
        self.store = store
        self._published: Published
        self._progress = progress
        self._decisions = decisions
        self._send_dead_letters = send_dead_letters
        self._first_since = first_since
        self._windows = windows
        self._settings = settings
        self._fold = fold
        self._accept_loss = accept_loss
        self._step: Step | None = None
        self._unsure = False

    async def open(self, bounds: Bounds) -> dict[str, int]:
        """Take the partition up where Redis has it; from which offset to read each topic.

        Raises `StateAttention` where state and log do not fit together.
        """
        await self._progress.merge_groups()
        applied = await self._progress.load()
        self._check(CLICKS.name, applied.position.clicks, bounds)
        self._check(PURCHASES.name, applied.position.purchases, bounds)
        clicks = await self._stored_clicks(applied.position, bounds[CLICKS.name])
        read_from = {
            CLICKS.name: await self._warm_up(CLICKS, clicks, bounds),
            PURCHASES.name: await self._warm_up(PURCHASES, applied.position.purchases, bounds),
        }
        self._published = Published(applied.conversions)
        await self._catch_up()
        memory = ClickMemory(self.store, clicks)
        places = read_from[CLICKS.name], read_from[PURCHASES.name]
        self.core = PartitionAttribution(self._settings, self._fold, self._windows, memory, applied.position, places)
        return read_from

    def feed(self, batch: Batch) -> list[Rejected]:
        """Take in a batch; what of it is invalid.  `work` does something about it."""
        try:
            rejected = self.core.feed(batch)
            self.counts["overdue"] = sum(track.overdue for track in self.core.tracks.values())
            return rejected
        except AnotherLog as error:
            applied = self.core.applied
            if error.mark in (applied.clicks, applied.purchases):
                raise
            self.store.clear()
            raise Behind("the clicks on disk are those of another log") from None

    def ended(self, bounds: Bounds, time_ms: int) -> None:
        """Where the logs ended when every broker's clock was past `time_ms`."""
        for topic, track in self.core.tracks.items():
            track.ended(bounds[topic][1], time_ms)

    async def work(self) -> None:
        """Decide, publish and remember as far as the logs were read."""
        while True:
            if self._step is None:
                step = await finish_in_thread(self.core.decide)
                if not step.records:
                    return
                self._step = step
            await self._perform(self._step)
            self._step = None

    async def settle(self) -> None:
        """Finish what is in work, then move on to where the logs were read, and verify that Redis is there."""
        await self.work()
        if self._unsure:
            await self._catch_up()
        self._published.settle(self.core.purchases.next_offset)
        self._step = Step(self.core.position)
        await self._perform(self._step)
        self._step = None
        self.clicks = await finish_in_thread(self._clicks_on_disk)

    def _clicks_on_disk(self) -> ClicksOnDisk:
        return ClicksOnDisk(self.core.window(), self.core.behind_clicks, len(self.store), self.store.bytes_on_disk)

    async def _perform(self, step: Step) -> None:
        if step.rejected:
            tp = TopicPartition(PURCHASES.name, self._progress.partition)
            await self._send_dead_letters(tp, step.rejected)
            step.rejected = []
        if step.decisions:
            await self._publish(step)
        await finish_in_thread(self.core.write)
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
        applied = await self._progress.load()
        if applied.position.offsets != self.core.applied.offsets:
            await self._follow(step, applied)

    async def _move(self, step: Step) -> None:
        expected, after = self.core.applied, step.reached
        if after.before(expected):
            # Clicks that were read before are read again, or another worker is further.
            after = expected
        if await self._progress.move(expected, after, self._published.resume_at, self.core.window()):
            self.core.applied = after
        else:
            await self._follow(step, await self._progress.load())

    async def _follow(self, step: Step, applied: Applied) -> None:
        """Go on from where another worker has left the partition; raises `Behind` where Redis has lost writes."""
        self._unsure = True
        passed = applied.position.purchases.offset
        if passed < self.core.purchases.next_offset:
            raise Behind(f"Redis holds the purchases as decided up to {passed} only")
        self.core.applied = applied.position
        step.decisions = [decision for decision in step.decisions if decision.offset >= passed]
        await self._catch_up()

    async def _catch_up(self) -> None:
        decisions, end = await self._decisions.read(self._published.read_to)
        check_end(self._named("published decisions to", CONVERSIONS.name), self._published.read_to, end)
        self._published.note(decisions, end)
        self._unsure = False

    # Where to begin

    async def _stored_clicks(self, applied: Position, span: tuple[int, int]) -> Watermark:
        """Up to where the store has the clicks; it is emptied where it is of no use, to be filled from the log."""
        stored, (first, end) = self.store.position, span
        start, since = await self._begin(applied, span)
        fits = stored is not None and first <= max(stored.offset, stored.empty_to) and stored.offset <= end
        # A store that another machine has gone on without may be so old that nothing in it is needed.
        if stored is not None and fits and start <= stored.offset and not await self._log_has_more(applied):
            return stored
        log.info(
            "Attribution of partition %d reads clicks from offset %d on, to have the whole window.",
            self._progress.partition,
            start,
        )
        position = Watermark(start)
        self.store.begin(position, since)
        return position

    async def _log_has_more(self, applied: Position) -> bool:
        """Whether the log has clicks that are needed, from before those of the store."""
        since, needed = self.store.complete_since, self._needed(applied)
        if since is None or not since or (needed is not None and needed >= since):
            return False
        first = self._progress.starts.clicks
        return max(first, await self._clicks_since(needed or 0)) < max(first, await self._clicks_since(since))

    async def _begin(self, applied: Position, span: tuple[int, int]) -> tuple[int, int | None]:
        """The first offset to read for a new store, and since when clicks are complete then, where that is known."""
        first = max(span[0], self._progress.starts.clicks)
        needed = self._needed(applied)
        if needed is not None and self._fold.max_clock_skew_ms:
            since = needed - SPARE_MS - self._fold.max_clock_skew_ms
            start = min(await self._clicks_since(since), max(applied.clicks.offset, first))
            if since > 0 and start > first:
                return start, since
        return first, 0 if first == 0 else None

    def _needed(self, applied: Position) -> int | None:
        return first_needed(applied.purchases.append_time, self._fold, self._windows)

    async def _warm_up(self, topic: Topic, mark: Watermark, bounds: Bounds) -> int:
        """From where to read to know what is a duplicate."""
        since = partial(self._first_since, topic.name)
        return await window_start(reach_of(topic, self._fold), mark, bounds[topic.name][0], since)

    async def _clicks_since(self, time_ms: int) -> int:
        return await self._first_since(CLICKS.name, time_ms)

    def _check(self, topic: str, mark: Watermark, bounds: Bounds) -> None:
        first, end = bounds[topic]
        check_end(self._named("read", topic), mark.offset, end)
        check_begin(f"{topic}/{self._progress.partition}", max(mark.offset, mark.empty_to), first, self._accept_loss)

    def _named(self, done: str, topic: str) -> str:
        return f"attribution has {done} {topic}/{self._progress.partition}"
