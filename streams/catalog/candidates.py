"""Which items a page may show, kept up to date while items come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from policy.arrays import Indices
from policy.hashes import arm_hashes
from policy.items import ItemFacts
from policy.rules.compiled import CompiledRules
from policy.slates.candidates import fitting
from schemas.messages.pages import Candidates
from schemas.rules import FOR_EVER
from streams.catalog.ranking import Columns, Ranking
from streams.state.arrays.packed import CodedNames, NameList

Names = tuple[str, ...]


class CellIndex(NamedTuple):
    """Where the counts of a table go: which candidate each of its rows is, and which slot each column, -1 for none."""

    candidates: Indices
    slots: Indices


class Bindings:
    """A page's rules bound to its candidates, for the segments that the same of them are for."""

    def __init__(self) -> None:
        self._names: tuple[object, ...] = ()
        self._bound: dict[tuple[bool, ...], tuple[int, CompiledRules]] = {}

    def of(
        self, names: tuple[object, ...], those: tuple[bool, ...], now_ms: int, bind: Callable[[], CompiledRules]
    ) -> CompiledRules:
        """What `those` rules were bound to, as long as `names` are the same and nothing changes by itself."""
        if self._names != names:
            self._names, self._bound = names, {}
        since, rules = self._bound.get(those, (now_ms, None))
        if rules is None or not since <= now_ms < (rules.until or FOR_EVER):
            rules = bind()
            self._bound[those] = now_ms, rules
        return rules


class CandidateSet:
    """The items of a page by name, with what is costly to work out for them: hashes, and where tables' counts go."""

    def __init__(self, items: Names) -> None:
        self.items = items
        self.hashes = arm_hashes(items)
        self.bindings = Bindings()
        self._places = {item: place for place, item in enumerate(items)}
        self._coded: tuple[NameList, Indices] | None = None

    def places(self, items: Sequence[str], columns: Names, slots: Names) -> CellIndex:
        """Where the counts of a table of `items` and `columns` go on a page with `slots`."""
        if columns == slots:
            return CellIndex(self._positions(items), np.arange(len(slots)))
        return CellIndex(self._positions(items), places_in(columns, {slot: place for place, slot in enumerate(slots)}))

    def rows(self, items: Sequence[str]) -> tuple[Indices, Indices]:
        """Positions in `items` of those that are candidates, and their places here."""
        positions = self._positions(items)
        at = np.flatnonzero(positions >= 0)
        return at, positions[at]

    def _positions(self, items: Sequence[str]) -> Indices:
        """The places of items here, -1 where they have none."""
        if isinstance(items, CodedNames):
            positions: Indices = self._places_of(items.list)[items.codes]
            return positions
        return places_in(items, self._places)

    def _places_of(self, names: NameList) -> Indices:
        """The places here of all names of a list, -1 where there is none; worked out once for each name."""
        places = self._coded[1] if self._coded and self._coded[0] is names else np.empty(0, dtype=np.intp)
        if len(places) < len(names.names):
            more = names.names[len(places) :]
            places = np.concatenate([places, places_in(more, self._places)])
            self._coded = names, places
        return places


def places_in(names: Sequence[str], places: Mapping[str, int]) -> Indices:
    """The places of names, -1 where they have none."""
    return np.fromiter(map(places.get, names, repeat(-1)), dtype=np.intp, count=len(names))


class CandidateIndex:
    """The candidates of one page, content blocks among them; `revision` grows with every change of an item.

    `items` are those that may fit what is declared, and `columns_of` says what is expected of some that do:
    where more fit than may be candidates, the likeliest are chosen.
    """

    def __init__(
        self,
        declared: Candidates,
        items: Iterable[ItemFacts],
        blocks: Sequence[str],
        columns_of: Callable[[Names], Columns],
    ) -> None:
        self.revision = 0
        self._blocks = frozenset(blocks)
        self._declared = declared
        self._fits = fitting(declared)
        self._set: CandidateSet | None = None
        self._stale = True
        self._items = {item.item for item in items if self._fits(item)}
        self._ranking = Ranking(columns_of)

    def replace(self, name: str, item: ItemFacts | None) -> bool:
        """Take over an item that changed; whether the page's candidates may have changed."""
        if item is not None and self._fits(item):
            self._items.add(item.item)
        elif name in self._items:
            self._items.remove(name)
        elif name not in self._blocks:
            return False
        self.revision += 1
        self._stale = True
        self._ranking.forget(name)
        return True

    def touch(self, name: str) -> bool:
        """What is known of an item changed beside its record; whether it may be shown on the page."""
        is_candidate = name in self._items or name in self._blocks
        if is_candidate:
            self.revision += 1
            self._stale |= self._crowded
            self._ranking.forget(name)
        return is_candidate

    def candidates(self) -> CandidateSet:
        """The candidates now: the same object as long as they are the same items."""
        if self._set is None or self._stale:
            selection: Iterable[str] = self._items
            if self._crowded:
                selection = self._ranking.best(self._items, self._declared.limit, self._declared.reserve)
            else:
                self._ranking.forget_all()
            names = tuple(sorted({*selection, *self._blocks}))
            if self._set is None or self._set.items != names:
                self._set = CandidateSet(names)
            self._stale = False
        return self._set

    def rank(self) -> None:
        """Let the likeliest be chosen anew: what visitors are interested in changed."""
        self._stale |= self._crowded
        self._ranking.forget_all()

    @property
    def _crowded(self) -> bool:
        return len(self._items) > self._declared.limit
