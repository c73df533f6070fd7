"""Vectors of one generation in one matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.messages import CatalogEmbedding
from streams.layouts.embeddings import Embeddings

ITEMS = [f"i{number}" for number in range(100)]
told = st.tuples(st.sampled_from(ITEMS[:8]), st.sampled_from(["", "1", "2"]), st.integers(1, 9))


def message(item: str, revision: str, number: float) -> CatalogEmbedding:
    return CatalogEmbedding(item, "m", "h", [number, 1.0], revision, 0.5)


@given(st.lists(told, max_size=30))
def test_old_and_new_vectors_are_never_mixed(history: list[tuple[str, str, int]]) -> None:
    embeddings, newest = Embeddings(), dict[str, tuple[str, int]]()
    for item, revision, number in history:
        newest.pop(item, None)
        embeddings.take(item, message(item, revision, number) if revision else None)
        if revision:
            newest[item] = revision, number
    sizes = {revision: sum(of == revision for of, _ in newest.values()) for revision in ("1", "2")}
    used = max(sizes, key=lambda revision: (sizes[revision], revision))
    vectors, known = embeddings.matrix(ITEMS[:8])
    assert [item for item, has in zip(ITEMS, known, strict=False) if has] == [
        item for item in ITEMS[:8] if newest.get(item, ("", 0))[0] == used
    ]
    for item, has, vector in zip(ITEMS, known, vectors, strict=False):
        assert vector.tolist() == ([newest[item][1] / 2, 0.5] if has else [0.0] * len(vector))


def test_the_matrix_grows_and_stays_whole() -> None:
    embeddings = Embeddings()
    for number, item in enumerate(ITEMS):
        embeddings.take(item, message(item, "1", number))
    embeddings.take(ITEMS[3], None)
    vectors, known = embeddings.matrix(ITEMS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (100, 2)
    assert vectors.flags["C_CONTIGUOUS"]
    assert np.flatnonzero(~known).tolist() == [3]
    assert vectors[4:, 0].tolist() == [number / 2 for number in range(4, 100)]
