"""Vectors of item texts, by item, as one matrix.

Vectors of two models or revisions cannot be compared, so one generation is in use
at a time: the one that most vectors are of.  Until an item's vector is renewed it
has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.messages import CatalogEmbedding

Vectors = NDArray[np.float32]
NOTHING = 0
FIRST_ROWS = 64


class Generation(NamedTuple):
    """Vectors that can be compared with each other: `size` is their number of dimensions."""

    model: str
    revision: str
    size: int


class Embeddings:
    """The newest vector of each item; the same records in any cut give the same contents."""

    def __init__(self) -> None:
        self._tables: dict[Generation, _Table] = {}
        self._held: dict[str, Generation] = {}

    @property
    def generation(self) -> Generation | None:
        """The one that most items have, the last by name among equals; None without vectors."""
        return max(self._tables, key=lambda one: (len(self._tables[one].rows), one), default=None)

    def take(self, item: str, told: CatalogEmbedding | None) -> None:
        """Take over an item's vector; None deletes it."""
        before = self._held.pop(item, None)
        if before is not None:
            self._tables[before].remove(item)
            if not self._tables[before].rows:
                del self._tables[before]
        if told is not None:
            generation = Generation(told.model, told.revision, len(told.vector))
            table = self._tables.setdefault(generation, _Table(generation.size))
            table.put(item, np.array(told.vector, dtype=np.float32) * np.float32(told.scale))
            self._held[item] = generation

    def matrix(self, items: Sequence[str]) -> tuple[Vectors, NDArray[np.bool_]]:
        """Vectors float32[A, D] of `items` and which have one, bool[A]; those without have 0 everywhere."""
        generation = self.generation
        table = _Table(0) if generation is None else self._tables[generation]
        at = np.array([table.rows.get(item, NOTHING) for item in items], dtype=np.intp)
        return table.vectors[at], at != NOTHING


class _Table:
    """Vectors of one generation in one contiguous matrix that doubles when it is full; its first row stays 0."""

    def __init__(self, size: int) -> None:
        self.vectors: Vectors = np.zeros((FIRST_ROWS, size), dtype=np.float32)
        self.rows: dict[str, int] = {}
        self._free = list(range(1, FIRST_ROWS))

    def put(self, item: str, vector: Vectors) -> None:
        if not self._free:
            rows = len(self.vectors)
            self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)])
            self._free = list(range(rows, 2 * rows))
        row = self.rows[item] = self._free.pop()
        self.vectors[row] = vector

    def remove(self, item: str) -> None:
        self._free.append(self.rows.pop(item))
