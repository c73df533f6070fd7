"""Tables of counts summed over time buckets, aligned to a page's candidates and slots.

Weights by age are multiples of 2**-20 (`streams.catalog.weights`) and sums are kept as integers, so they
are exact in any order: a sum that is moved along with the tables that changed
equals one made anew, to the last bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from policy.arrays import Floats, Ints
from policy.model.posteriors import Remembered
from policy.model.priors import ArmPriors, Fitted, arm_priors
from policy.rules.compiled import CompiledRules
from policy.slates.sampling import stage_normals
from schemas.rules import FOR_EVER
from streams.catalog.candidates import CandidateSet
from streams.catalog.days.memory import Memory
from streams.catalog.item_features import ItemFeatures
from streams.catalog.page import Page
from streams.catalog.sales.stages import ROWS, StageSums
from streams.catalog.shelves.sums import ShelfSums
from streams.catalog.weights import ONE
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.state.arrays.adding import add_cells, add_weighted
from streams.state.arrays.changes import HeldTables
from streams.state.arrays.packed import converted_clicks
from streams.state.arrays.tables import Table

_ONE_COLUMN = np.zeros(1, dtype=np.intp)
_FITTED_BYTES = 24
"""What was fitted for a candidate."""


@dataclass(slots=True)
class WeightedCounts:
    """Weighted sums, A candidates and S slots: [A, S] of impressions and clicks, [A] of those converted."""

    candidates: CandidateSet
    slots: tuple[str, ...]
    impressions: dict[Traffic, Ints] = field(init=False)
    clicks: dict[Traffic, Ints] = field(init=False)
    conversions: dict[Traffic, Ints] = field(init=False)
    _drawn: tuple[tuple[str, str, int, int, bool], Floats] | None = field(init=False, default=None)
    _fitted: tuple[ItemFeatures, Fitted] | None = field(init=False, default=None)
    _bound: tuple[tuple[Hashable | Mapping[str, object], ...], int, CompiledRules] | None = field(
        init=False, default=None
    )
    _held: HeldTables[int] = field(init=False)
    _stages: StageSums | None = field(init=False, default=None)
    _shelf_sums: ShelfSums | None = field(init=False, default=None)
    _memory: Memory | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        arms, slots = len(self.candidates.items), len(self.slots)
        counted = (Traffic.LEARNED, Traffic.HOLDOUT)
        self._held = HeldTables(counted)
        self.impressions = {traffic: np.zeros((arms, slots), dtype=np.int64) for traffic in counted}
        self.clicks = {traffic: np.zeros((arms, slots), dtype=np.int64) for traffic in counted}
        self.conversions = {traffic: np.zeros(arms, dtype=np.int64) for traffic in counted}

    def move_to(self, tables: Sequence[Table], weight_of: Mapping[range, int]) -> None:
        """Hold exactly these tables: those that went are taken out, those that came or weigh anew are added.

        A segment whose tables are the same object, and weigh the same, costs nothing.  A table most often comes in
        the place of one with other counts of the same names.
        """
        for gone, came in self._held.move_to(tables, weight_of):
            if gone and came and gone.table is came.table:
                self._add(came.table, came.weight - gone.weight)
            elif gone and came and gone.weight == came.weight and _has_names_of(gone.table, came.table):
                self._add_difference(gone.table, *came)
            else:
                if gone:
                    self._add(gone.table, -gone.weight)
                if came:
                    self._add(*came)

    def _add(self, table: Table, weight: int) -> None:
        index = self.candidates.places(table.items, table.slots, self.slots)
        for name, sums in self._sums_of(table):
            add_weighted(table, name, *index, [(sums, weight)])
        conversions = self.conversions[table.traffic][:, None]
        for name, times in (("conversions", weight), ("repeats", -weight)):
            add_weighted(table, name, index.candidates, _ONE_COLUMN, [(conversions, times)])

    def _add_difference(self, before: Table, table: Table, weight: int) -> None:
        """Only the cells that changed, which are few where a table was read again."""
        index = self.candidates.places(table.items, table.slots, self.slots)
        for name, sums in self._sums_of(table):
            gained = table.counts[name] - before.counts[name]
            rows, columns = np.nonzero(gained)
            add_cells(*index, rows, columns, gained[rows, columns], [(sums, weight)])
        gained = converted_clicks(table) - converted_clicks(before)
        rows = np.flatnonzero((index.candidates >= 0) & (gained != 0))
        self.conversions[table.traffic][index.candidates[rows]] += weight * gained[rows]

    def _sums_of(self, table: Table) -> list[tuple[str, Ints]]:
        """Impressions and clicks, each with the sums [A, S] that the table's go into."""
        return [("impressions", self.impressions[table.traffic]), ("clicks", self.clicks[table.traffic])]

    @property
    def memory(self) -> Memory:
        """What is remembered of the candidates, where click rates are known to move."""
        if self._memory is None:
            self._memory = Memory(self.candidates, self.slots)
        return self._memory

    @property
    def stages(self) -> StageSums:
        """Sums of what followed the candidates' clicks, which are moved along by themselves, where they are needed."""
        if self._stages is None:
            self._stages = StageSums(self.candidates)
        return self._stages

    def shelf_sums(self, shelves: tuple[str, ...]) -> ShelfSums:
        """Sums by shelf, which are moved along by themselves, where a page has shelves."""
        if self._shelf_sums is None or self._shelf_sums.shelves != shelves:
            self._shelf_sums = ShelfSums(self.candidates, self.slots, shelves)
        return self._shelf_sums

    @property
    def views(self) -> float:
        """Weighted learned page views of the segment, as many as its slot that was seen most."""
        return float(self.impressions[Traffic.LEARNED].sum(axis=0).max(initial=0)) / ONE

    def normals(self, page: str, segment: str, variants: int, epoch: int, *, sales: bool = False) -> Floats:
        """The candidates' `policy.slates.sampling.stage_normals`: as long as the names are the same, so are they."""
        names = page, segment, variants, epoch, sales
        if self._drawn is None or self._drawn[0] != names:
            z = stage_normals(page, segment, self.candidates.hashes, variants, epoch, sales=sales)
            self._drawn = names, z
        return self._drawn[1]

    def fitted(self, item_features: ItemFeatures, segment: str) -> Fitted:
        """What was fitted for the candidates in the segment, cached until the item features change."""
        if self._fitted is None or self._fitted[0] is not item_features:
            self._fitted = item_features, item_features.fitted(segment, self.candidates)
        return self._fitted[1]

    def priors(self, item_features: ItemFeatures, segment: str, own: Remembered) -> ArmPriors:
        """The candidates' priors for the segment with these counts of its own."""
        arms = self.fitted(item_features, segment)
        return arm_priors(item_features.parameters, segment, arms, own.clicks, own.examined)

    def rules(self, page: Page, segment: str, now_ms: int) -> CompiledRules:
        """The page's rules bound to the candidates: as long as rules, items and moment are the same, so are they."""
        names = page.rules, page.revision, *page.rule_parameters
        binding = self._bound
        if binding is None or binding[0] != names or not binding[1] <= now_ms < self.changes_at:
            self._bound = binding = names, now_ms, page.bound(segment, now_ms)
        return binding[2]

    @property
    def changes_at(self) -> int:
        """When the rules bound last change by themselves, milliseconds."""
        return (self._bound[2].until if self._bound else None) or FOR_EVER

    @property
    def size(self) -> int:
        """Bytes, without the tables that are in the sums; it grows when they are composed from at first."""
        rows = 4 * len(self.slots) + 2 + (ROWS if self._stages else 0)
        sums = 8 * len(self.candidates.items) * rows
        fitted = _FITTED_BYTES * len(self.candidates.items) if self._fitted else 0
        sums += sum(part.size for part in (self._shelf_sums, self._memory) if part)
        return sums + fitted + (self._drawn[1].nbytes if self._drawn else 0)


def _has_names_of(before: Table, table: Table) -> bool:
    """Whether the counts of both go to the same cells."""
    return before.slots == table.slots and before.items == table.items


class WeightedCountsCache:
    """The weighted counts of keys that were used lately, up to `limit` bytes in all, which may vary."""

    def __init__(self, limit: Callable[[], int] = lambda: 128_000_000) -> None:
        self._limit = limit
        self._size = 0
        self._entries: OrderedDict[tuple[str, str], WeightedCounts] = OrderedDict()
        self._sizes: dict[tuple[str, str], int] = {}

    @property
    def size(self) -> int:
        """Bytes of all."""
        self._measure()
        return self._size

    def of(self, key: tuple[str, str], candidates: CandidateSet, slots: tuple[str, ...]) -> WeightedCounts:
        """The cached counts of a page and segment if they are for these candidates and slots, else empty ones."""
        self._measure()
        counts = self._entries.get(key)
        if counts is None or counts.candidates is not candidates or counts.slots != slots:
            counts = self._entries[key] = WeightedCounts(candidates, slots)
        self._entries.move_to_end(key)
        self._measure()
        while self._size > self._limit() and len(self._entries) > 1:
            self._remove(next(iter(self._entries)))
        return counts

    def forget(self, page: str, segment: str) -> None:
        """Let go of what the tables of a page and segment are in: its own sums and those of the page."""
        for key in {(page, segment), (page, WHOLE_PAGE)}:
            if key in self._entries:
                self._remove(key)

    def keep_pages(self, pages: Container[str]) -> None:
        """Let go of all pages but these, also of those of which no tables are held."""
        for key in [key for key in self._entries if key[0] not in pages]:
            self._remove(key)

    def _measure(self) -> None:
        """Count those that were used last again: they grow when they are composed from."""
        if self._entries:
            key = next(reversed(self._entries))
            size = self._entries[key].size
            self._size += size - self._sizes.get(key, 0)
            self._sizes[key] = size

    def _remove(self, key: tuple[str, str]) -> None:
        del self._entries[key]
        self._size -= self._sizes.pop(key)
