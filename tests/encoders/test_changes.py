"""What has to be encoded, and what an item's text is."""

from __future__ import annotations

import unicodedata

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from encoders.batches import batches
from encoders.changes import Changes, Origin
from encoders.text import content_hash, text_of
from encoders.wire import embedding
from schemas.codec import decoder, encode
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from streams.catalog.embeddings import Embeddings

ITEMS = ["a", "b", "c"]
items = st.builds(
    CatalogItem,
    st.sampled_from(ITEMS),
    st.sampled_from(["Coat", "Lamp"]),
    description=st.sampled_from(["", "warm"]),
    price=st.integers(0, 2),
)
steps = st.lists(items | st.sampled_from(ITEMS) | st.just(None), max_size=25)


def all_done(changes: Changes) -> list[str]:
    tasks = changes.next(1_000, 1_000)
    for task in tasks:
        changes.done(task)
    return [task.item for task in tasks]


@given(steps)
def test_after_any_history_the_vectors_are_those_of_the_newest_texts(history: list[CatalogItem | str | None]) -> None:
    """None: the worker does all it knows of; a name: that item is deleted."""
    changes, newest, vectors = Changes("m", "1"), dict[str, CatalogItem](), dict[str, str]()
    for offset, step in enumerate([*history, None]):
        if step is None:
            for task in changes.next(1_000, 1_000):
                assert vectors.get(task.item) != task.content_hash, "the same text was encoded twice"
                vectors[task.item] = task.content_hash
                changes.done(task)
        elif isinstance(step, str):
            newest.pop(step, None)
            assert changes.take(step, None, 0, offset) == (vectors.pop(step, None) is not None)
        else:
            newest[step.item] = step
            assert not changes.take(step.item, step, 0, offset)
    assert vectors == {name: content_hash(text_of(item)) for name, item in newest.items()}


@given(steps)
def test_a_refused_text_is_tried_once_however_often_the_item_changes(history: list[CatalogItem | str | None]) -> None:
    """The model refuses all that is warm."""
    changes, tried, texts = Changes("m", "1"), dict[str, str](), dict[str, str]()
    for offset, step in enumerate([*history, None]):
        if step is None:
            for task in changes.next(1_000, 1_000):
                assert tried.get(task.item) != task.content_hash
                tried[task.item] = task.content_hash
                changes.refuse(task) if "warm" in task.text else changes.done(task)
        elif isinstance(step, str):
            changes.take(step, None, 0, offset)
            tried.pop(step, None)
            texts.pop(step, None)
        else:
            changes.take(step.item, step, 0, offset)
            texts[step.item] = text_of(step)
    assert changes.published.keys() == {name for name, text in texts.items() if "warm" not in text}


def test_another_revision_renews_the_newest_first_and_after_changed_texts() -> None:
    coats = [CatalogItem(name, "Coat") for name in "abc"]
    changes = Changes("m", "2")
    for coat in coats:
        changes.set_origin(coat.item, Origin("m", "1", content_hash(text_of(coat))))
    for offset, coat in enumerate(coats):
        changes.take(coat.item, coat, 0, offset)
    changes.take("d", CatalogItem("d", "Lamp"), 0, 3)
    assert [task.item for task in changes.next(10, 0)] == ["d"]
    assert [task.item for task in changes.next(2, 5)] == ["c", "b"]
    assert [task.item for task in changes.next(10, 5)] == ["a"]


def test_vectors_of_items_that_are_gone_are_found() -> None:
    changes = Changes("m", "1")
    changes.set_origin("gone", Origin("m", "1", "x"))
    changes.take("a", CatalogItem("a", "Coat"), 0, 0)
    assert changes.orphans() == ["gone"]
    assert changes.orphans() == []


def test_text_fields_alone_make_the_hash() -> None:
    item = CatalogItem("a", "Coat", "warm", "clothes", "Nord", 100, tags=["new"], attributes={"b": "2", "a": "1"})
    assert text_of(item) == "Coat\nclothes | Nord | new | a: 1, b: 2\nwarm"
    same = msgspec.structs.replace(item, price=5, available=False, margin=0.1, attributes={"a": "1", "b": "2"})
    assert text_of(same) == text_of(item)


@given(st.text(max_size=50))
def test_both_spellings_of_a_letter_are_one_text(title: str) -> None:
    texts = {text_of(CatalogItem("a", unicodedata.normalize(form, title))) for form in ("NFC", "NFD")}
    assert len(texts) == 1
    assert len({content_hash(text) for text in texts}) == 1


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200))
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    cut = list(batches(lengths, budget))
    assert sorted(row for batch in cut for row in batch.tolist()) == list(range(len(lengths)))
    for batch in cut:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget
    longest = [max(lengths[row] for row in batch) for batch in cut]
    assert longest == sorted(longest, reverse=True)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=64).filter(any), st.floats(1e-3, 1e3))
def test_a_vector_is_read_as_it_was_published(numbers: list[float], size: float) -> None:
    vector = (np.array(numbers) * size).astype(np.float32)
    if not vector.any() or np.abs(vector).max() < 1e-30:
        return
    sent = embedding("a", "m", "1", "h", vector)
    embeddings = Embeddings()
    embeddings.take("a", decoder(CatalogEmbedding)(encode(sent)))
    found, known = embeddings.matrix(["b", "a"], embeddings.generation)
    assert known.tolist() == [False, True]
    assert not found[0].any()
    assert np.abs(found[1] - vector).max() <= sent.scale * 0.5001 + 1e-6 * np.abs(vector).max()


def test_a_vector_of_384_numbers_takes_less_than_two_kilobytes() -> None:
    vector = np.random.default_rng(1).normal(size=384).astype(np.float32)
    assert len(encode(embedding("sku-1", "model", "daca12e92c6a", "0" * 32, vector))) < 2_000
