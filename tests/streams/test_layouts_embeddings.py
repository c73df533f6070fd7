"""Vectors of one generation in one matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogEmbedding
from streams.catalog.embeddings import Embeddings, Generation, filled

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
    vectors, known = embeddings.matrix(ITEMS[:8], embeddings.generation)
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
    vectors, known = embeddings.matrix(ITEMS, embeddings.generation)
    assert vectors.dtype == np.float32
    assert vectors.shape == (100, 2)
    assert vectors.flags["C_CONTIGUOUS"]
    assert np.flatnonzero(~known).tolist() == [3]
    assert vectors[4:, 0].tolist() == [number / 2 for number in range(4, 100)]


def test_what_has_no_vector_is_taken_for_the_average_of_the_others() -> None:
    embeddings = Embeddings()
    assert filled(*embeddings.matrix(ITEMS[:3], embeddings.generation)) is None
    for item, number in (("i0", 2), ("i2", 6)):
        embeddings.take(item, message(item, "1", number))
    found = filled(*embeddings.matrix(ITEMS[:3], embeddings.generation))
    assert found is not None and found.tolist() == [[1.0, 0.5], [2.0, 0.5], [3.0, 0.5]]


def test_a_generation_is_found_by_the_name_that_parameters_have_for_it() -> None:
    embeddings, long = Embeddings(), ("folder/" * 60)[-256:]
    assert embeddings.take("a", CatalogEmbedding("a", long, "h", [1.0], "r1")) == {Generation(long, "r1", 1).name}
    named = embeddings.named(Generation(long, "r1", 1).name)
    assert named is not None and named.revision == "r1"
    assert embeddings.named(Generation(long, "r2", 1).name) is None
    assert embeddings.take("a", CatalogEmbedding("a", "m", "h", [1.0], "r2")) == {named.name, "m@r2"}


@pytest.mark.parametrize(("number", "scale"), [(1e39, 1.0), (-1e39, 1.0), (1e30, 1e9), (1e5, 1.0)])
def test_a_vector_that_would_drown_all_others_is_refused_and_the_old_one_stays(number: float, scale: float) -> None:
    embeddings = Embeddings()
    embeddings.take("i0", message("i0", "1", 4))
    with pytest.raises(BadRecord, match="expected a vector of length 10000 at most"):
        embeddings.take("i0", CatalogEmbedding("i0", "m", "h", [number, 1.0], "1", scale))
    vectors, known = embeddings.matrix(["i0"], embeddings.generation)
    assert known.all() and vectors.tolist() == [[2.0, 0.5]]


numbers = st.one_of(st.integers(-127, 127).map(float), st.floats(-300.0, 300.0, width=32))


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(numbers, min_size=2, max_size=2)), max_size=12))
def test_vectors_are_the_encoders_numbers_times_their_scale_to_the_bit(history: list[tuple[int, list[float]]]) -> None:
    """Whole numbers take a byte each, until one comes that does not fit."""
    embeddings = Embeddings()
    for at, vector in history:
        embeddings.take(ITEMS[at], CatalogEmbedding(ITEMS[at], "m", "h", vector, "r", 0.0137))
    vectors, has = embeddings.matrix(ITEMS[:6], embeddings.generation)
    for at, vector in dict(history).items():
        assert has[at] and vectors[at].tolist() == (np.array(vector, np.float32) * np.float32(0.0137)).tolist()
