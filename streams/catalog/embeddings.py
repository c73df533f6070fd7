"""Vectors of item texts, or of their pictures, by item, as one matrix.

Vectors of two models or revisions cannot be compared, so one generation is in use
at a time: a page is fitted to the one that most vectors are of, and its layouts keep
to the one that its parameters name.  Until an item's vector is renewed it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Indices, Vectors
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogEmbedding, PictureEmbedding

NOTHING = 0
FIRST_ROWS = 64
LONGEST_NAME = 256
LARGEST_BYTE = 127
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


class Encoded(NamedTuple):
    """A vector as encoders send it: `scale` times the numbers, float32[D]."""

    numbers: Vectors
    scale: np.float32


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

    def take(self, item: str, embedding: CatalogEmbedding | PictureEmbedding | None) -> set[str]:
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
            generation = Generation(embedding.model, embedding.revision, len(vector.numbers))
            table = self._tables.setdefault(generation, _Table(generation.size))
            table.put(item, vector)
            self._held[item] = generation
            changed.add(generation.name)
        return changed

    def matrix(self, items: Sequence[str], generation: Generation | None) -> tuple[Vectors, NDArray[np.bool_]]:
        """Vectors float32[A, D] of `items` and which have one, bool[A]; those without have 0 everywhere."""
        table = _Table(0) if generation is None else self._tables[generation]
        at = np.array([table.rows.get(item, NOTHING) for item in items], dtype=np.intp)
        return table.read(at), at != NOTHING


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


def _checked(embedding: CatalogEmbedding | PictureEmbedding) -> Encoded:
    with np.errstate(over="ignore", invalid="ignore"):
        encoded = Encoded(_numbers(embedding), np.float32(embedding.scale))
        length = float(np.linalg.norm(encoded.numbers * encoded.scale))
    if not length <= LONGEST:
        raise BadRecord("invalid", f"expected a vector of length {LONGEST:g} at most, got {length:g}: see its encoder")
    return encoded


def _numbers(embedding: CatalogEmbedding | PictureEmbedding) -> Vectors:
    if isinstance(embedding, PictureEmbedding):
        return np.frombuffer(embedding.numbers, dtype=np.int8).astype(np.float32)
    return np.array(embedding.vector, dtype=np.float32)


class _Table:
    """Vectors of one generation, contiguous, in arrays that double when they are full; the first row stays 0.

    Numbers are kept in a byte each as long as all of them fit into one, as those of encoders do.
    """

    def __init__(self, size: int) -> None:
        self.rows: dict[str, int] = {}
        self._numbers: NDArray[np.int8] | Vectors = np.zeros((FIRST_ROWS, size), dtype=np.int8)
        self._scales: NDArray[np.float32] = np.zeros(FIRST_ROWS, dtype=np.float32)
        self._free: list[int] = []
        self._used = 1

    def read(self, at: Indices) -> Vectors:
        """The vectors in these rows, float32[A, D]."""
        return self._numbers[at].astype(np.float32) * self._scales[at, None]

    def put(self, item: str, vector: Encoded) -> None:
        if self._numbers.dtype == np.int8 and not _fits_bytes(vector.numbers):
            self._numbers = self._numbers.astype(np.float32)
        row = self._free.pop() if self._free else self._new_row()
        self.rows[item] = row
        self._numbers[row], self._scales[row] = vector.numbers, vector.scale

    def remove(self, item: str) -> None:
        self._free.append(self.rows.pop(item))

    def _new_row(self) -> int:
        if self._used == len(self._scales):
            self._numbers, self._scales = _doubled(self._numbers), _doubled(self._scales)
        self._used += 1
        return self._used - 1


def _fits_bytes(numbers: Vectors) -> bool:
    """Whether they are whole and small, so that a byte has all of each."""
    return bool(np.abs(numbers).max() <= LARGEST_BYTE and (numbers == np.rint(numbers)).all())


def _doubled(rows: NDArray[Any]) -> NDArray[Any]:
    """Only what is written to takes memory, so there is never more than the old and their copy."""
    larger = np.zeros((2 * len(rows), *rows.shape[1:]), dtype=rows.dtype)
    larger[: len(rows)] = rows
    return larger
