"""Events and layouts of a test as a source, and as tables on disk."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from policy.assignment import unit_bin
from reshelf.evaluation.clock import Clock
from reshelf.evaluation.decision_log import Events
from reshelf.evaluation.evaluate import Evaluator
from reshelf.evaluation.tables.engine import workspace
from reshelf.evaluation.tables.events import joined
from reshelf.settings import Settings
from schemas.codec import encode
from schemas.messages.events import Click, Conversion, Impression
from schemas.messages.layouts import Layout
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS
from streams.catalog.view import CatalogView
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings

TOPICS: dict[type, str] = {Impression: IMPRESSIONS.name, Click: CLICKS.name, Conversion: CONVERSIONS.name}


@dataclass
class ListedSource:
    """A log in memory, of some partitions, that is read in runs cut by chance."""

    entries: Sequence[Any]
    layouts: Sequence[Layout]
    chance: random.Random
    partitions: int = 2

    def events(self, fold: FoldSettings, clock: Clock) -> Events:
        logs: dict[TopicPartition, list[Accepted]] = {}
        for event in self.entries:
            tp = TopicPartition(TOPICS[type(event)], unit_bin(event.unit) % self.partitions)
            log = logs.setdefault(tp, [])
            log.append(Accepted(3 * len(log), 0, event, False, False, False))
        for tp, log in logs.items():
            yield from ((tp, run) for run in self._cut(log))

    def history(self) -> Iterable[list[bytes]]:
        yield [b"no layout"]
        yield from self._cut([encode(layout) for layout in self.layouts])

    def _cut(self, entries: list[Any]) -> Iterator[list[Any]]:
        while entries:
            size = self.chance.randrange(1, len(entries) + 1)
            yield entries[:size]
            entries = entries[size:]


@contextmanager
def on_disk(
    events: Sequence[Any],
    layouts: Sequence[Layout],
    cap: int = 1_000_000,
    seed: int = 1,
    catalog: Callable[[], CatalogView] = CatalogView,
) -> Iterator[Evaluator]:
    """The log, joined; the settings are the default ones, and without a catalog nothing is known of items."""
    fold = FoldSettings(amount_cap=cap)
    with workspace(memory_mb=200) as connection:
        clock = Clock(fold)
        source = ListedSource(events, layouts, random.Random(seed))
        yield Evaluator(Settings(), joined(connection, source, fold, clock), clock, catalog)
