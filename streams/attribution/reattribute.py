"""Conversions and credits decided anew from what shops reported, in place of those that were published.

The decisions are attribution's own (`PartitionAttribution`), over all its logs from
their beginnings.  They stand in the order of their sources and are numbered from
0 in each topic: that is the offset of a conversion here.  It counts as appended when its purchase was.
The same logs, settings and windows give the same numbers, so that a replay of
them goes on after a kill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import Any

from schemas.codec import encode
from schemas.topics import BY_NAME, CONVERSIONS, CREDITS, PURCHASES
from streams.attribution.core import PartitionAttribution
from streams.attribution.step import Decision, Remembered, Windows
from streams.fold.window import reach_of
from streams.kafka.log_source import Runs, Source, Span
from streams.kafka.records import Batch, Logged, TopicPartition
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.folder import ClickFolder
from streams.state.clicks.memory import ClickMemory
from streams.state.clicks.progress import READ, Position
from streams.state.clicks.store import ClickStore, Marks
from streams.state.watermark import Watermark

RUN = 5_000
ANEW = frozenset({CONVERSIONS.name, CREDITS.name})
"""What is decided anew."""
LEAST_MB = 16
"""Of memory for the clicks of a partition."""
EVER = 2**62
"""A time (ms) that nothing is appended after."""


def settled_after_s(settings: AttributionSettings) -> float:
    """How long after a purchase was appended no click can be appended that it would be credited to, by any clock."""
    return (settings.grace_ms + settings.clock_skew_ms) / 1000


def _ignore(count: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How purchases are attributed."""

    settings: AttributionSettings
    fold: FoldSettings
    windows: Windows


class Reattributed:
    """A source like `source`, whose conversions and credits are decided anew for what is in these spans.

    All clicks that any of these purchases may be credited to are in the log by now: where it is appended to,
    its clicks are read up to where they end `settled_after_s` later than the purchases do.

    `begin` is called with how many records are looked at to learn how many conversions
    there are, and returns what is called with how many of them each step looked at.
    """

    def __init__(
        self,
        source: Source,
        rule: Rule,
        decided: Mapping[TopicPartition, Span],
        begin: Callable[[int], Callable[[int], None]] | None = None,
    ) -> None:
        self.grows = source.grows
        self._source = source
        self._rule = rule
        self._decided_spans = decided
        self._begin = begin
        # They are read once: what is appended meanwhile would change the numbers.
        self._logs = source.bounds([topic.name for topic in READ])

    def __getstate__(self) -> dict[str, Any]:
        """For another process: the numbers of conversions hold there, too; nobody watches."""
        return {**self.__dict__, "_begin": None}

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        others = [topic for topic in topics if topic not in ANEW]
        spans = self._source.bounds(others) if others else {}
        if set(topics) & ANEW:
            spans = spans | {tp: span for tp, span in self._spans.items() if tp.topic in topics}
        return spans

    def at_time(self, topics: Sequence[str], time_ms: int) -> dict[TopicPartition, int]:
        return self._source.at_time([topic for topic in topics if topic not in ANEW], time_ms)

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        for tp, span in spans.items():
            if tp.topic in ANEW:
                yield from ((tp, run) for run in self._anew(tp, span))
            else:
                yield from self._source.records({tp: span})

    @cached_property
    def _spans(self) -> dict[TopicPartition, Span]:
        """All are decided to count them, and again when they are read: there may be too many to keep."""
        total = sum(end - at for tp in self._logs for at, end in [self._reach(tp)])
        report = self._begin(total) if self._begin else _ignore
        spans: dict[TopicPartition, Span] = {}
        for tp in self._logs:
            if tp.topic == PURCHASES.name:
                counts = Counter(decision.topic.name for decision in self._decisions(tp.partition, report))
                spans |= {TopicPartition(topic, tp.partition): (0, counts[topic]) for topic in sorted(ANEW)}
        return spans

    def _anew(self, tp: TopicPartition, span: Span) -> Iterator[list[Logged]]:
        first, end = span
        run: list[Logged] = []
        of_topic = (decision for decision in self._decisions(tp.partition) if decision.topic.name == tp.topic)
        for offset, decision in enumerate(of_topic):
            if first <= offset < end:
                run.append(Logged(offset, decision.appended_at, decision.event.unit.encode(), encode(decision.event)))
            if len(run) == RUN:
                yield run
                run = []
        if run:
            yield run

    def _decisions(self, number: int, report: Callable[[int], None] = _ignore) -> Iterator[Decision]:
        """All decisions of a partition number, in the common order of their sources."""
        with TemporaryDirectory(prefix="reshelf-clicks-") as path:
            # Partitions may be decided at once.
            memory = max(LEAST_MB, self._rule.settings.memory_mb // max(1, len(self._logs) // len(READ)))
            folder = ClickFolder(self._rule.settings.changed(folder=path, memory_mb=memory))
            locked = folder.open("reattribute", number)
            try:
                yield from self._decided(number, self._core(number, locked.store), report)
            finally:
                locked.close()

    def _decided(self, number: int, core: PartitionAttribution, report: Callable[[int], None]) -> Iterator[Decision]:
        feeds = {topic: self._runs(TopicPartition(topic, number)) for topic in core.tracks}
        while feeds:
            behind = min(feeds, key=lambda topic: core.tracks[topic].horizon)
            batch = next(feeds[behind], None)
            if batch is None:
                del feeds[behind]
                core.tracks[behind].ended(core.tracks[behind].read_to, EVER)
            else:
                core.feed(batch)
                report(batch.end - batch.start)
            while (step := core.decide()).records:
                yield from step.decisions
                core.write(0)

    def _core(self, number: int, store: ClickStore) -> PartitionAttribution:
        """Nothing is known of clicks before the log begins, nor decided of others before the span."""
        rule, tps = self._rule, [TopicPartition(topic.name, number) for topic in READ]
        read_from = {tp.topic: self._reach(tp)[0] for tp in tps if tp in self._logs}
        begin = {tp.topic: self._decided_spans.get(tp, (read_from.get(tp.topic, 0), 0))[0] for tp in tps}
        applied = Position.of({topic: Watermark(offset) for topic, offset in begin.items()})
        memory = ClickMemory(store, Marks(applied.clicks, applied.signals))
        return PartitionAttribution(rule.settings, rule.fold, rule.windows, Remembered(memory, read_from), applied)

    def _reach(self, tp: TopicPartition) -> Span:
        """All clicks, and of other topics the span after those that show which are duplicates."""
        first, end = self._logs[tp]
        if tp in self._decided_spans:
            begin, end = self._decided_spans[tp]
            reach = reach_of(BY_NAME[tp.topic], self._rule.fold)
            first = max(first, reach.begin(begin - reach.changes[0][1]))
        return first, end

    def _runs(self, tp: TopicPartition) -> Iterator[Batch]:
        """Batches without a gap between them."""
        at, end = self._reach(tp)
        for _, run in self._source.records({tp: (at, end)}):
            yield Batch(tp, at, run[-1].offset + 1, 0, run)
            at = run[-1].offset + 1
        if at < end:
            yield Batch(tp, at, end, 0, [])
