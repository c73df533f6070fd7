"""What is expected of the items that fit a page which more fit than it may have, kept while they change.

Items are in order of name and each has its scores whatever the others are, so the
same items have the same candidates in whatever order and steps they changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.priors import Scores, interest_of
from policy.slates.candidates import best

REBUILD_SHARE = 0.1
"""Where more of the items than this changed, all are scored anew: putting each into its place would cost more."""


class Columns(NamedTuple):
    """When items were created and their scores, float64[A] each; `basis` is what scores have to be compared by."""

    basis: Any
    created: Floats
    scores: Scores


class Ranking:
    """The scores of a page's fitting items; `columns_of` gives those of some of them."""

    def __init__(self, columns_of: Callable[[tuple[str, ...]], Columns]) -> None:
        self._columns_of = columns_of
        self._names: list[str] = []
        self._columns: Floats = np.zeros((4, 0))
        self._basis: Any = None
        self._changed: set[str] = set()

    def forget(self, name: str) -> None:
        """Score an item again: it changed, came or went."""
        if self._names:
            self._changed.add(name)

    def forget_all(self) -> None:
        """Score all items again."""
        self._names, self._columns = [], np.zeros((4, 0))
        self._changed.clear()

    def best(self, items: AbstractSet[str], limit: int, reserve: int) -> list[str]:
        """At most `limit` of `items`, `reserve` of them for their age, by name."""
        if not self._names or len(self._changed) > REBUILD_SHARE * len(items) or not self._update(items):
            self._rebuild(items)
        self._changed.clear()
        created, *scores = self._columns
        return [self._names[row] for row in best(interest_of(Scores(*scores)), created, limit, reserve).tolist()]

    def _rebuild(self, items: AbstractSet[str]) -> None:
        self._names = sorted(items)
        self._basis, self._columns = self._read(self._names)

    def _update(self, items: AbstractSet[str]) -> bool:
        """Put the items that changed into their places; False where the others' scores do not hold any more."""
        came = sorted(self._changed & items)
        basis, columns = self._read(came)
        if basis != self._basis:
            return False
        gone = [at for name in sorted(self._changed) if (at := self._at(name)) is not None]
        self._columns = np.delete(self._columns, gone, axis=1)
        for at in reversed(gone):
            del self._names[at]
        places = [bisect_left(self._names, name) for name in came]
        self._columns = np.insert(self._columns, places, columns, axis=1)
        for at, name in zip(reversed(places), reversed(came), strict=True):
            self._names.insert(at, name)
        return True

    def _read(self, names: list[str]) -> tuple[Any, Floats]:
        columns = self._columns_of(tuple(names))
        return columns.basis, np.stack([columns.created, *columns.scores])

    def _at(self, name: str) -> int | None:
        at = bisect_left(self._names, name)
        return at if at < len(self._names) and self._names[at] == name else None
