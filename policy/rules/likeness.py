"""Which arms a visitor would take for the same: variants of one family, or pictures that are nearly the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from policy.arrays import Bools, Codes, Indices, Vectors

NO_CODE = -1
BLOCK = 1_024
PicturesOf = Callable[[Sequence[str]], tuple[Vectors, Bools]]
"""Vectors of pictures, float32[A, D], of items by name, and which of them have one, bool[A]."""


def no_pictures(names: Sequence[str]) -> tuple[Vectors, Bools]:
    """Where nothing is known of pictures."""
    return np.zeros((len(names), 0), dtype=np.float32), np.zeros(len(names), dtype=np.bool_)


def alike_codes(families: Sequence[str], vectors: Vectors, has: Bools, similarity: float) -> Codes:
    """A number for each group of arms that are alike, int32[A], -1 for arms that are like no other.

    Arms are alike where they have one family, or pictures whose cosine is at least `similarity`; and so are those that
    are both like a third one.
    """
    pairs = [*_of_families(families), *near_pairs(vectors, has, similarity)]
    codes = np.full(len(families), NO_CODE, dtype=np.int32)
    if pairs:
        left, right = np.concatenate(pairs, axis=1)
        graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(families),) * 2)
        _, groups = connected_components(graph, directed=False)
        members = np.bincount(groups)[groups] > 1
        codes[members] = groups[members]
    return codes


def near_pairs(vectors: Vectors, has: Bools, similarity: float) -> Iterator[Indices]:
    """Pairs of rows, int[2, P], the first below the second, whose vectors have a cosine of at least `similarity`."""
    rows = np.flatnonzero(has)
    some = vectors[rows]
    some = some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-12)
    for start in range(0, len(rows), BLOCK):
        left, right = np.nonzero(some[start : start + BLOCK] @ some[start:].T >= similarity)
        later = right > left
        yield np.stack([rows[start + left[later]], rows[start + right[later]]])


def _of_families(families: Sequence[str]) -> Iterator[Indices]:
    """Each arm of a family with the first of it."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(name, at), at) for at, name in enumerate(families) if name]
    if pairs:
        yield np.array(pairs, dtype=np.intp).T
