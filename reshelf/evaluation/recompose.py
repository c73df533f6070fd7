"""The layouts that another policy, or other settings, would have made from what was known at the time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from reshelf.evaluation.clock import Clock, Watermarks, next_offset
from schemas.messages.layouts import Layout
from schemas.messages.pages import PolicyChoice
from schemas.messages.parameters import PolicyParameters
from schemas.topics import BY_NAME
from streams.catalog.candidates import CandidateSet
from streams.catalog.item_features import ItemFeatures
from streams.catalog.layouts.arranged import PublishedRows
from streams.catalog.view import CatalogView
from streams.catalog.weighted_counts import WeightedCounts
from streams.fold.buckets import is_span_expired, span_of
from streams.fold.deltas import Folder, TableDelta, TableKey
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition
from streams.layouts.compose import compose
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table, table_of
from streams.state.reader import KeyState

Key = tuple[str, str]
Choice = Callable[[PolicyChoice], PolicyChoice]
Stretch = tuple[int, int]
"""The first offset of a stretch of a partition's log, and the one behind it."""
FEATURES = 100
"""Fits whose item features are remembered."""


@dataclass(slots=True)
class _Counts:
    """The counts of one table up to now; `table` is built again only after they changed."""

    amounts: dict[str, Counter[Any]] = field(default_factory=lambda: defaultdict(Counter))
    _table: Table | None = None

    def add(self, delta: TableDelta) -> None:
        self._table = None
        for measure, cells in delta.amounts.items():
            self.amounts[measure].update(cells)

    def table(self, key: TableKey, span: range) -> Table:
        if self._table is None or self._table.buckets != span:
            self._table = replace(table_of(key, self.amounts), buckets=span)
        return self._table


class KeyLog(Protocol):
    """The events of one layout's key that the learner accepts."""

    @property
    def partitions(self) -> Sequence[TopicPartition]:
        """Of all partitions that have events; those of other keys are allowed."""

    def between(self, stretches: Mapping[TopicPartition, Stretch]) -> Iterable[tuple[str, Sequence[Accepted]]]:
        """The events of these stretches, some of one topic at a time."""


class PastLog(Protocol):
    """The events of a log by page and segment."""

    def of(self, page: str, segment: str) -> KeyLog:
        """Those of one key; '*' is all segments of the page."""


class Past:
    """The state of one layout's key as it was at a position of the log; asked in the order of the log."""

    def __init__(self, events: KeyLog, fold: FoldSettings, clock: Clock) -> None:
        self._events = events
        self._fold = fold
        self._clock = clock
        self._folders: dict[str, Folder] = {}
        self._counts: dict[TableKey, _Counts] = {}
        self._reached: dict[TopicPartition, int] = {}

    def at(self, watermarks: Watermarks) -> KeyState:
        """The tables that hold what lies before the watermarks, without those beyond their life by then."""
        ends = {tp: next_offset(watermarks, tp) for tp in self._events.partitions}
        if any(end < self._reached.get(tp, 0) for tp, end in ends.items()):
            self._counts, self._reached = {}, {}
        stretches = {tp: (self._reached.get(tp, 0), end) for tp, end in ends.items()}
        for topic, events in self._events.between(stretches):
            for group in self._folder(topic).fold(events).values():
                for key, delta in group.tables.items():
                    self._counts.setdefault(key, _Counts()).add(delta)
        self._reached = ends
        now = self._clock.at(watermarks)
        unexpired = (key for key in sorted(self._counts) if not is_span_expired(key.bucket, now, self._fold))
        tables = tuple(self._counts[key].table(key, span_of(key.bucket, now, self._fold)) for key in unexpired)
        offsets_of = {topic: list(offsets) for topic, offsets in watermarks.items()}
        return KeyState(tables, offsets_of, self._fold.signals)

    def _folder(self, topic: str) -> Folder:
        if topic not in self._folders:
            self._folders[topic] = Folder(BY_NAME[topic], self._fold, lambda page, segment: 0)
        return self._folders[topic]


@dataclass(slots=True)
class Recomposer:
    """Composes layouts of the history again, each from the counts that it was made from.

    Rules, items and their vectors are those of `catalog`, the newest.  `parameters` are all that can
    be read of each page; a layout gets those that it was made with, or the newest
    before, never later ones: these were fitted to what the policy is to be judged by.
    `chosen` turns a page's policy into the one that is asked about.  With the page's own, shelves that had been
    decided in an earlier version stand as the layout has them, unless they are asked for in another `template`.
    Where a segment has the baseline of the whole page, it has that again.
    """

    log: PastLog
    clock: Clock
    catalog: CatalogView
    parameters: Mapping[str, Sequence[PolicyParameters]]
    fold: FoldSettings
    settings: LayoutSettings
    chosen: Choice
    _key: Key | None = None
    _past: tuple[Past, WeightedCounts] | None = None
    _features: dict[tuple[str, int], ItemFeatures] = field(default_factory=dict)

    def knows(self, page: str) -> bool:
        """Whether the page is still declared."""
        return page in self.catalog.rules

    def again(self, layout: Layout, template: str | None = None) -> Layout:
        """The layout with the chosen policy, in another of the page's templates where one is named.

        Ask about one segment after the other, each in the order of versions, so that the log is read once.
        """
        key = layout.page, layout.segment
        declared = self.catalog.page(layout.page)
        candidates = declared.candidates
        served = declared.rules.policy
        filled = template or declared.rules.template
        rules = msgspec.structs.replace(declared.rules, policy=self.chosen(served), branches=[], template=filled)
        if self._past is None or key != self._key:
            past = Past(self.log.of(*key), self.fold, self.clock)
            self._key, self._past = key, (past, WeightedCounts(candidates, tuple(rules.slots)))
        past, weighted_counts = self._past
        page = replace(declared, rules=rules, item_features=self._fitted(layout, candidates))
        same = _unwatched(rules.policy) == _unwatched(served) and template in (None, layout.template)
        standing = standing_rows(layout) if same else None
        state, when = past.at(layout.watermarks), layout.decided_at or layout.produced_at
        inputs = self.settings, layout.epoch, weighted_counts, when, standing, borrowed_from(layout)
        return compose(layout.segment, state, page, *inputs)

    def _fitted(self, layout: Layout, candidates: CandidateSet) -> ItemFeatures | None:
        """What was known of the candidates with the layout's parameters, or the newest before them."""
        fits = [fit for fit in self.parameters.get(layout.page, ()) if fit.version <= layout.parameters_version]
        if not fits:
            return None
        newest = max(fits, key=lambda fit: fit.version)
        key = layout.page, newest.version
        if key not in self._features:
            if len(self._features) >= FEATURES:
                del self._features[next(iter(self._features))]
            self._features[key] = self.catalog.features_of(newest, candidates)
        return self._features[key]


def standing_rows(layout: Layout) -> PublishedRows | None:
    """The rows that stood already when the layout was made; None where it decided them itself, or has none."""
    if layout.arranged is UNSET or layout.arranged.version == layout.version:
        return None
    return PublishedRows.of(layout)


def borrowed_from(layout: Layout) -> Layout | None:
    """What the layout took from that of its whole page, as it has it; None where it took nothing."""
    if layout.whole_version is UNSET:
        return None
    return msgspec.structs.replace(layout, version=layout.whole_version)


def _unwatched(policy: PolicyChoice) -> PolicyChoice:
    """The policy without what is only watched beside it."""
    return msgspec.structs.replace(policy, shadow="")
