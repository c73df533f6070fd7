"""Vectors of item texts, by item, as one matrix.

Vectors of two models or revisions cannot be compared, so one generation is in use
at a time: a page is fitted to the one that most vectors are of, and its layouts keep
to the one that its parameters name.  Until an item's vector is renewed it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Vectors
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogEmbedding

NOTHING = 0
FIRST_ROWS = 64
LONGEST_NAME = 256
LONGEST = 1e4
"""Encoders' vectors are about 1 long; one beyond this is broken, and would leave the others no say."""


class Generation(NamedTuple):
    """Vectors that can be compared with each other: `size` is their number of dimensions."""

    model: str
    revision: str
    size: int

    @property
    def name(self) -> str:
        """How parameters name it; of a very long one the end, which holds the revision."""
        return f"{self.model}@{self.revision}"[-LONGEST_NAME:]


class Embeddings:
    """The newest vector of each item; the same records in any cut give the same contents."""

    def __init__(self) -> None:
        self._tables: dict[Generation, _Table] = {}
        self._held: dict[str, Generation] = {}

    @property
    def generation(self) -> Generation | None:
        """The one that most items have, the last by name among equals; None without vectors."""
        return max(self._tables, key=lambda each: (len(self._tables[each].rows), each), default=None)

    def named(self, name: str) -> Generation | None:
        """The one that parameters name; None where no item has a vector of it."""
        return max(
            (generation for generation in self._tables if generation.name == name),
            key=lambda generation: len(self._tables[generation].rows),
            default=None,
        )

    def take(self, item: str, embedding: CatalogEmbedding | None) -> set[str]:
        """Take over an item's vector; None deletes it.  Names the generations that this changes.

        Raises `BadRecord` for a vector that would drown all others.
        """
        vector = None if embedding is None else _checked(embedding)
        before = self._held.pop(item, None)
        changed = set() if before is None else {before.name}
        if before is not None:
            self._tables[before].remove(item)
            if not self._tables[before].rows:
                del self._tables[before]
        if embedding is not None and vector is not None:
            generation = Generation(embedding.model, embedding.revision, len(embedding.vector))
            table = self._tables.setdefault(generation, _Table(generation.size))
            table.put(item, vector)
            self._held[item] = generation
            changed.add(generation.name)
        return changed

    def matrix(self, items: Sequence[str], generation: Generation | None) -> tuple[Vectors, NDArray[np.bool_]]:
        """Vectors float32[A, D] of `items` and which have one, bool[A]; those without have 0 everywhere."""
        table = _Table(0) if generation is None else self._tables[generation]
        at = np.array([table.rows.get(item, NOTHING) for item in items], dtype=np.intp)
        return table.vectors[at], at != NOTHING


def filled(vectors: Vectors, has: NDArray[np.bool_]) -> Floats | None:
    """Vectors float64[A, D], with the mean of the others for items that have none; None where no item has one.

    So what says nothing of itself, a content block or an item not yet encoded, is
    taken for the average of the items beside it.
    """
    if not has.any():
        return None
    exact = vectors.astype(np.float64)
    exact[~has] = exact[has].mean(axis=0)
    return exact


def _checked(embedding: CatalogEmbedding) -> Vectors:
    """The vector, float32[D]."""
    with np.errstate(over="ignore", invalid="ignore"):
        vector: Vectors = np.array(embedding.vector, dtype=np.float32) * np.float32(embedding.scale)
        length = float(np.linalg.norm(vector))
    if not length <= LONGEST:
        raise BadRecord("invalid", f"expected a vector of length {LONGEST:g} at most, got {length:g}: see its encoder")
    return vector


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
