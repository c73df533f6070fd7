"""Which items a page may show, kept up to date while items come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np

from policy.arrays import Indices
from policy.hashes import arm_hashes
from policy.slates.candidates import candidates
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import Candidates

NO_LIMIT = 2**31
MAPS = 256

Names = tuple[str, ...]


class CellIndex(NamedTuple):
    """Where the counts of a table go: from its rows to candidates', from its flat cells to those of [A, S]."""

    rows: Indices
    candidates: Indices
    cells: Indices
    targets: Indices


class CandidateSet:
    """The items of a page by name, with what is costly to work out for them: hashes, and where tables' counts go."""

    def __init__(self, items: tuple[str, ...]) -> None:
        self.items = items
        self.hashes = arm_hashes(items)
        self._places = {item: place for place, item in enumerate(items)}
        self._maps: dict[tuple[Names, Names, Names], CellIndex] = {}

    def places(self, items: Names, columns: Names, slots: Names) -> CellIndex:
        """Where the counts of a table of `items` and `columns` go on a page with `slots`."""
        key = items, columns, slots
        index = self._maps.get(key)
        if index is None:
            index = self._maps[key] = self._located(items, columns, slots)
            if len(self._maps) > MAPS:
                del self._maps[next(iter(self._maps))]
        return index

    def rows(self, items: Names) -> tuple[Indices, Indices]:
        """Positions in `items` of those that are candidates, and their places here."""
        return _common(items, self._places)

    def _located(self, items: Names, columns: Names, slots: Names) -> CellIndex:
        rows, candidates = _common(items, self._places)
        from_columns, to_slots = _common(columns, {slot: place for place, slot in enumerate(slots)})
        cells = (rows[:, None] * len(columns) + from_columns).ravel()
        targets = (candidates[:, None] * len(slots) + to_slots).ravel()
        return CellIndex(rows, candidates, cells, targets)


def _common(names: Names, places: Mapping[str, int]) -> tuple[Indices, Indices]:
    """Positions in `names` of those that have a place, and these places."""
    positions = np.fromiter(map(places.get, names, repeat(-1)), dtype=np.intp, count=len(names))
    at = np.flatnonzero(positions >= 0)
    return at, positions[at]


def facts(item: CatalogItem | None) -> Any:
    """What of an item decides where it may be shown and what is expected of it; None where it may not be at all."""
    if item is None or not item.available:
        return None
    return (
        (item.category, item.brand, item.tags, item.created_at, item.complements),
        (item.price, item.margin, item.available_from, item.available_until),
    )


class CandidateIndex:
    """The candidates of one page, content blocks among them; `revision` grows with every change of an item.

    `interest` gives how likely visitors are to click on items: where more match than may be candidates, the
    likeliest are chosen.
    """

    def __init__(
        self,
        declared: Candidates,
        items: Mapping[str, CatalogItem],
        blocks: Sequence[str] = (),
        interest: Callable[[Names], Mapping[str, float]] = lambda names: {},
    ) -> None:
        self.revision = 0
        self._blocks = frozenset(blocks)
        self._declared = declared
        self._listed = frozenset(declared.items)
        self._filters = msgspec.structs.replace(declared, items=[], limit=NO_LIMIT)
        self._interest = interest
        self._set: CandidateSet | None = None
        self._stale = True
        among = [items[name] for name in declared.items if name in items] if declared.items else items.values()
        fitting = candidates(among, self._filters, {})
        self._items: dict[str, CatalogItem] = {name: items[name] for name in fitting}

    def replace(self, name: str, item: CatalogItem | None) -> bool:
        """Take over an item that changed; whether the page's candidates may have changed."""
        if item is not None and self._fits(item):
            self._items[name] = item
        elif self._items.pop(name, None) is None and name not in self._blocks:
            return False
        self.revision += 1
        self._stale = True
        return True

    def touch(self, name: str) -> bool:
        """What is known of an item changed beside its record; whether it may be shown on the page."""
        is_candidate = name in self._items or name in self._blocks
        self.revision += is_candidate
        self._stale |= is_candidate and self._crowded
        return is_candidate

    def candidates(self) -> CandidateSet:
        """The candidates now: the same object as long as they are the same items."""
        if self._set is None or self._stale:
            means = self._interest(tuple(self._items)) if self._crowded else {}
            selection = candidates(self._items.values(), self._declared, means)
            names = tuple(sorted({*selection, *self._blocks}))
            if self._set is None or self._set.items != names:
                self._set = CandidateSet(names)
            self._stale = False
        return self._set

    def rank(self) -> None:
        """Let the likeliest be chosen anew: what visitors are interested in changed."""
        self._stale |= self._crowded

    @property
    def _crowded(self) -> bool:
        return len(self._items) > self._declared.limit

    def _fits(self, item: CatalogItem) -> bool:
        if self._listed and item.item not in self._listed:
            return False
        return bool(candidates((item,), self._filters, {}))
