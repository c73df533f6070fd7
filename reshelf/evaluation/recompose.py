"""The layouts that another policy, or other settings, would have made from what was known at the time."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from reshelf.evaluation.clock import Clock, Watermarks, next_offset
from reshelf.evaluation.decision_log import Log
from schemas.messages.layouts import Layout
from schemas.messages.pages import PolicyChoice
from schemas.messages.parameters import PolicyParameters
from schemas.topics import BY_NAME
from streams.catalog.candidates import CandidateSet
from streams.catalog.item_features import ItemFeatures
from streams.catalog.view import CatalogView
from streams.catalog.weighted_counts import WeightedCounts
from streams.fold.buckets import is_span_expired, span_of
from streams.fold.deltas import WHOLE_PAGE, Folder, TableDelta, TableKey
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition
from streams.layouts.compose import compose
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table, table_of
from streams.state.reader import KeyState

Key = tuple[str, str]
Choice = Callable[[PolicyChoice], PolicyChoice]


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


class Past:
    """The state of one layout's key as it was at a position of the log; asked in the order of the log."""

    def __init__(self, events: Mapping[TopicPartition, Sequence[Accepted]], fold: FoldSettings, clock: Clock) -> None:
        self._events = events
        self._fold = fold
        self._clock = clock
        self._offsets = {tp: [entry.offset for entry in accepted] for tp, accepted in events.items()}
        self._folders = {tp: Folder(BY_NAME[tp.topic], fold, lambda page, segment: 0) for tp in events}
        self._counts: dict[TableKey, _Counts] = {}
        self._reached: dict[TopicPartition, int] = {}

    def at(self, watermarks: Watermarks) -> KeyState:
        """The tables that hold what lies before the watermarks, without those beyond their life by then."""
        ends = {tp: bisect_left(self._offsets[tp], next_offset(watermarks, tp)) for tp in self._events}
        if any(end < self._reached.get(tp, 0) for tp, end in ends.items()):
            self._counts, self._reached = {}, {}
        for tp, end in ends.items():
            for group in self._folders[tp].fold(self._events[tp][self._reached.get(tp, 0) : end]).values():
                for key, delta in group.tables.items():
                    self._counts.setdefault(key, _Counts()).add(delta)
        self._reached = ends
        now = self._clock.at(watermarks)
        unexpired = (key for key in sorted(self._counts) if not is_span_expired(key.bucket, now, self._fold))
        tables = tuple(self._counts[key].table(key, span_of(key.bucket, now, self._fold)) for key in unexpired)
        return KeyState(tables, {topic: list(offsets) for topic, offsets in watermarks.items()})


@dataclass(slots=True)
class Recomposer:
    """Composes layouts of the history again, each from the counts that it was made from.

    Rules, items and their vectors are those of `catalog`, the newest.  `parameters` are all that can
    be read of each page; a layout gets those that it was made with, or the newest
    before, never later ones: these were fitted to what the policy is to be judged by.
    `chosen` turns a page's policy into the one that is asked about.
    """

    log: Log
    clock: Clock
    catalog: CatalogView
    parameters: Mapping[str, Sequence[PolicyParameters]]
    fold: FoldSettings
    settings: LayoutSettings
    chosen: Choice
    _pasts: dict[Key, tuple[Past, WeightedCounts]] = field(default_factory=dict)
    _features: dict[tuple[str, int], ItemFeatures] = field(default_factory=dict)

    def knows(self, page: str) -> bool:
        """Whether the page is still declared."""
        return page in self.catalog.rules

    def again(self, layout: Layout) -> Layout:
        """The layout with the chosen policy; ask in the order of versions, so that the log is read once."""
        key = layout.page, layout.segment
        declared = self.catalog.page(layout.page)
        candidates = declared.candidates
        rules = msgspec.structs.replace(declared.rules, policy=self.chosen(declared.rules.policy), branches=[])
        if key not in self._pasts:
            self._pasts[key] = (
                Past(self._of(key), self.fold, self.clock),
                WeightedCounts(candidates, tuple(rules.slots)),
            )
        past, weighted_counts = self._pasts[key]
        page = replace(declared, rules=rules, item_features=self._fitted(layout, candidates))
        state, when = past.at(layout.watermarks), layout.decided_at or layout.produced_at
        return compose(layout.segment, state, page, self.settings, layout.epoch, weighted_counts, when)

    def _fitted(self, layout: Layout, candidates: CandidateSet) -> ItemFeatures | None:
        """What was known of the candidates with the layout's parameters, or the newest before them."""
        fits = [fit for fit in self.parameters.get(layout.page, ()) if fit.version <= layout.parameters_version]
        if not fits:
            return None
        newest = max(fits, key=lambda fit: fit.version)
        key = layout.page, newest.version
        if key not in self._features:
            self._features[key] = self.catalog.features_of(newest, candidates)
        return self._features[key]

    def _of(self, key: Key) -> Log:
        page, segment = key
        return {
            tp: [
                entry
                for entry in accepted
                if entry.event.page == page and (segment == WHOLE_PAGE or entry.event.segment == segment)
            ]
            for tp, accepted in self.log.items()
        }
