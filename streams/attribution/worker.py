"""One partition's attribution with its IO, in the order that survives a crash.

Invalid records become dead letters and decisions published, both acknowledged, before
what is remembered on disk and the watermarks in Redis move past them.  What was published but not
yet moved past is found again in events-conversions and events-credits and not published twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from schemas.topic import Topic
from schemas.topics import BY_NAME, CLICKS, PURCHASES, RETURNS, SIGNALS
from streams.attribution.core import PartitionAttribution
from streams.attribution.opening import Decisions, FirstSince, Opening
from streams.attribution.order import AnotherLog
from streams.attribution.published import Published
from streams.attribution.step import Decision, Remembered, Step, Windows
from streams.cancellation import finish_in_thread
from streams.fold.judge import Rejected, SendDeadLetters
from streams.fold.window import reach_of
from streams.kafka.bounds import Bounds
from streams.kafka.records import Batch, TopicPartition
from streams.refusals import check_begin, check_end
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.memory import ClickMemory
from streams.state.clicks.progress import Applied, Progress, Window
from streams.state.clicks.store import ClickStore
from streams.state.recent.window import window_start
from streams.state.watermark import Watermark

log = logging.getLogger("reshelf")


class Behind(Exception):
    """Redis lost writes, another worker went on, or the clicks on disk are of another log: open the partition again."""


class ClicksOnDisk(NamedTuple):
    """What a partition has of clicks: how many, in how many bytes; `to_reread` were read before, but are not here."""

    window: Window
    to_reread: int
    number: int
    size: int


class PartitionWorker:
    """Decides, publishes and remembers for one partition number.

    `decisions` are the topics that it writes, and `kinds` the kinds of signals that count, each with its first offset.
    `open` first; after `Transient` from any call, call it again and work goes on in the middle of the
    step; after `Behind` throw the worker away.  Calls must not overlap.
    """

    def __init__(
        self,
        *,
        progress: Progress,
        store: ClickStore,
        decisions: Mapping[str, Decisions],
        send_dead_letters: SendDeadLetters,
        first_since: FirstSince,
        windows: Windows,
        settings: AttributionSettings,
        fold: FoldSettings,
        accept_loss: bool = False,
        kinds: Mapping[str, int] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.clicks: ClicksOnDisk | None = None
        self.core: PartitionAttribution
        self.store = store
        self._published: dict[str, Published]
        self._progress = progress
        self._decisions = decisions
        self._send_dead_letters = send_dead_letters
        self._first_since = first_since
        self._windows = windows
        self._settings = settings
        self._fold = fold
        self._accept_loss = accept_loss
        self._kinds = kinds
        self._opening = Opening(store, progress, first_since, windows, fold)
        self._step: Step | None = None
        self._applied: Applied | None = None
        self._unsure = False

    async def load(self) -> Applied:
        """Where Redis has the partition: to be asked before where the logs end, as others may go on meanwhile."""
        await self._progress.merge_groups()
        self._applied = await self._progress.load()
        return self._applied

    async def open(self, bounds: Bounds) -> dict[str, int]:
        """Take the partition up where Redis has it; from which offset to read each topic.

        Raises `StateAttention` where state and log do not fit together.
        """
        applied = self._applied or await self.load()
        self._applied = None
        for topic in self._topics:
            self._check(topic, applied.position.mark(topic), bounds)
        marks = await self._opening.marks(applied.position, bounds)
        begin = {**{topic: applied.position.mark(topic) for topic in self._topics}, CLICKS.name: marks.clicks}
        if marks.signals is not None:
            begin[SIGNALS.name] = marks.signals
        read_from = {topic: await self._warm_up(BY_NAME[topic], begin[topic], bounds) for topic in self._topics}
        self._published = {topic: Published(place) for topic, place in applied.published.items()}
        await self._catch_up()
        for topic, decisions in self._decisions.items():
            await self._opening.restore_lines(applied, topic, decisions)
        remembered = Remembered(ClickMemory(self.store, self.store.marks or marks), read_from)
        self.core = PartitionAttribution(
            self._settings, self._fold, self._windows, remembered, applied.position, self._kinds
        )
        return read_from

    @property
    def _topics(self) -> Iterable[str]:
        """Those that are read."""
        return self._progress.starts.read

    def feed(self, batch: Batch) -> list[Rejected]:
        """Take in a batch; what of it is invalid.  `work` does something about it."""
        try:
            rejected = self.core.feed(batch)
            self.counts["overdue"] = sum(track.overdue for track in self.core.tracks.values())
            return rejected
        except AnotherLog as error:
            applied = self.core.applied
            if error.mark in applied:
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
        self._settle_published()
        self._step = Step(self.core.position)
        await self._perform(self._step)
        self._step = None
        self.clicks = await finish_in_thread(self._clicks_on_disk)

    def _clicks_on_disk(self) -> ClicksOnDisk:
        return ClicksOnDisk(self.core.window(), self.core.behind_clicks, len(self.store), self.store.bytes_on_disk)

    async def _perform(self, step: Step) -> None:
        for topic in list(step.rejected):
            tp = TopicPartition(topic.name, self._progress.partition)
            await self._send_dead_letters(tp, step.rejected[topic])
            del step.rejected[topic]
        if step.decisions:
            await self._publish(step)
        places = (self._published[topic].resume_at for topic in self._progress.starts.written)
        await finish_in_thread(partial(self.core.write, *places))
        await self._move(step)
        self.counts.update(step.counts)
        step.counts = Counter()

    async def _publish(self, step: Step) -> None:
        if self._unsure:
            await self._catch_up()
        if any(self._fresh(step).values()):
            await self._heed_others(step)
        fresh = self._fresh(step)
        for topic in self._published:
            decisions, of_topic = fresh.get(topic, []), [each for each in step.decisions if each.topic.name == topic]
            if decisions:
                await self._publish_to(topic, decisions)
            self.counts.update(published=len(decisions), skipped=len(of_topic) - len(decisions))
            # What is acknowledged is not to be published again where the next topic fails.
            step.decisions = [each for each in step.decisions if each.topic.name != topic]
        self._settle_published()

    async def _publish_to(self, topic: str, decisions: Sequence[Decision]) -> None:
        self._unsure = True
        offsets = await self._decisions[topic].publish(decisions)
        if not self._published[topic].acknowledged(offsets):
            await self._catch_up()
        self._unsure = False

    def _fresh(self, step: Step) -> dict[str, list[Decision]]:
        """The decisions that do not stand yet, by topic."""
        fresh: dict[str, list[Decision]] = {}
        for decision in step.decisions:
            if not self._published[decision.topic.name].stands(decision.event.event_id, decision.source):
                fresh.setdefault(decision.topic.name, []).append(decision)
        return fresh

    def _settle_published(self) -> None:
        for published in self._published.values():
            published.settle(self.core.decided)

    async def _heed_others(self, step: Step) -> None:
        """Before publishing: leave alone what another worker has moved past in the meantime."""
        applied = await self._progress.load()
        if applied.position.offsets != self.core.applied.offsets:
            await self._follow(step, applied)

    async def _move(self, step: Step) -> None:
        expected, after = self.core.applied, step.reached
        if after.before(expected):
            # What was read before is read again, or another worker is further.
            after = expected
        places = {topic: published.resume_at for topic, published in self._published.items()}
        if await self._progress.move(expected, after, places, self.core.window()):
            self.core.applied = after
        else:
            await self._follow(step, await self._progress.load())

    async def _follow(self, step: Step, applied: Applied) -> None:
        """Go on from where another worker has left the partition; raises `Behind` where Redis has lost writes."""
        self._unsure = True
        for topic in self._topics:
            passed = applied.position.mark(topic).offset
            if topic != CLICKS.name and passed < self.core.decided[topic]:
                raise Behind(f"Redis holds {topic} as decided up to {passed} only")
            if topic in (PURCHASES.name, RETURNS.name) and passed > self.core.decided[topic]:
                # Opening takes the lines that the other one has decided, which later returns are about.
                raise Behind(f"another worker has decided {topic} up to {passed}")
        self.core.applied = applied.position
        step.decisions = [
            decision
            for decision in step.decisions
            if decision.source.offset >= applied.position.mark(decision.source.topic).offset
        ]
        await self._catch_up()

    async def _catch_up(self) -> None:
        for topic, published in self._published.items():
            decisions, end = await self._decisions[topic].read(published.read_to)
            check_end(self._named("published decisions to", topic), published.read_to, end)
            published.note(decisions, end)
        self._unsure = False

    async def _warm_up(self, topic: Topic, mark: Watermark, bounds: Bounds) -> int:
        """From where to read to know what is a duplicate."""
        since = partial(self._first_since, topic.name)
        return await window_start(reach_of(topic, self._fold), mark, bounds[topic.name][0], since)

    def _check(self, topic: str, mark: Watermark, bounds: Bounds) -> None:
        first, end = bounds[topic]
        check_end(self._named("read", topic), mark.offset, end)
        check_begin(f"{topic}/{self._progress.partition}", max(mark.offset, mark.empty_to), first, self._accept_loss)

    def _named(self, done: str, topic: str) -> str:
        return f"attribution has {done} {topic}/{self._progress.partition}"
