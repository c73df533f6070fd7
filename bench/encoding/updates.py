"""A stream of item updates of which few change a text, through the encoder worker: what is encoded, and how fast.

A catalog is encoded first.  Then each item is updated many times: prices and stock
change, and once, at an update chosen by chance, its text.  What the worker published is
read back from the topic and compared with what had to be.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np

from bench.encoding.encode import product_texts
from encoders.encoder import Encoder
from encoders.log import VectorProducer, VectorReader
from encoders.text import content_hash, text_of
from encoders.worker import Worker
from reshelf.topics.publish import deliver
from schemas.codec import decoder, encode
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import KafkaSettings

QUIET = 5
"""Steps that find nothing before it is taken for the end; each waits a moment."""

Say = Callable[[str], None]
Versions = tuple[str, str]
"""Item and content hash."""


def measure(kafka: KafkaSettings, encoder: Encoder, updates: int, changed: int, say: Say) -> dict[str, Any]:
    """Encode `changed` items, update them `updates` times in all, each with one new text; what came of it."""
    run = time.time_ns()
    before, after = _catalog(run, changed, seed=1), _catalog(run, changed, seed=2)
    _publish(kafka, before)
    with _worker(kafka, encoder) as worker:
        _until_done(worker, say)
        first = worker.counts.encoded
        _publish(kafka, _updates(before, after, updates))
        spent, began = worker.counts.model_s, time.perf_counter()
        took = _until_done(worker, say) - began
        model_s = worker.counts.model_s - spent
        encoded = worker.counts.encoded - first
    expected = Counter(_version(item) for item in (*before, *after))
    with _worker(kafka, encoder) as again:
        published = _published(kafka, {item.item for item in before})
        _until_done(again, say)
    return {
        "updates": updates,
        "texts_changed": changed,
        "texts_encoded": encoded,
        "exactly_the_changed": published == expected,
        "missed": (expected - published).total(),
        "needless": (published - expected).total(),
        "encoded_again_by_a_new_worker": again.counts.encoded,
        "seconds": round(took, 1),
        "model_seconds": round(model_s, 1),
        "updates_a_second": round(updates / took),
        "updates_a_second_besides_the_model": round(updates / max(took - model_s, 1e-9)),
    }


def _catalog(run: int, count: int, seed: int) -> list[CatalogItem]:
    """Items of this run alone: the topics may hold those of others."""
    return [_item(f"{run}-{number}", text) for number, text in enumerate(product_texts(count, seed))]


def _item(name: str, text: str) -> CatalogItem:
    title, facts, description = text.split("\n", 2)
    category, brand = facts.split(" | ")
    return CatalogItem(name, title, description, category, brand)


def _updates(before: list[CatalogItem], after: list[CatalogItem], count: int) -> list[CatalogItem]:
    """`count` updates in an order by chance; of each item one, by chance too, is the first with its new text."""
    rng = np.random.default_rng(3)
    rows = np.append(np.arange(len(before)), rng.integers(0, len(before), count - len(before)))
    rng.shuffle(rows)
    left, counts = np.bincount(rows), np.zeros(len(before), dtype=np.int64)
    turns = rng.integers(0, left)
    updates = []
    for price, row in enumerate(rows.tolist()):
        now = after[row] if counts[row] >= turns[row] else before[row]
        counts[row] += 1
        updates.append(msgspec.structs.replace(now, price=price, available=price % 2 == 0))
    return updates


def _version(item: CatalogItem) -> Versions:
    return item.item, content_hash(text_of(item))


def _publish(kafka: KafkaSettings, items: list[CatalogItem]) -> None:
    deliver(kafka, CATALOG_ITEMS, [(item.item.encode(), encode(item)) for item in items])


@contextmanager
def _worker(kafka: KafkaSettings, encoder: Encoder) -> Iterator[Worker]:
    reader = VectorReader(confluent_consumer_config(kafka, f"{kafka.prefix}encoder"), kafka.prefix)
    try:
        worker = Worker(encoder, reader, VectorProducer(confluent_producer_config(kafka), kafka.prefix))
        worker.start()
        yield worker
    finally:
        reader.close()


def _until_done(worker: Worker, say: Say) -> float:
    """Until nothing waits and nothing comes any more; when the last step that did something ended."""
    last, quiet = time.perf_counter(), 0
    while quiet < QUIET:
        before = dataclasses.astuple(worker.counts)
        worker.step()
        quiet = quiet + 1 if before == dataclasses.astuple(worker.counts) and not worker.waiting else 0
        if not quiet:
            last = time.perf_counter()
            done, skipped = worker.counts.encoded, worker.counts.skipped
            say(f"{done:,} texts encoded, {worker.waiting:,} wait; {skipped:,} updates needed no encoding")
    return last


def _published(kafka: KafkaSettings, items: set[str]) -> Counter[Versions]:
    """How often each version of `items` was published."""
    reader, read = (
        VectorReader(confluent_consumer_config(kafka, f"{kafka.prefix}bench"), kafka.prefix),
        decoder(CatalogEmbedding),
    )
    try:
        values = [message.value() for message in reader.to_the_end(CATALOG_EMBEDDINGS)]
    finally:
        reader.close()
    embeddings = [read(value) for value in values if value is not None]
    return Counter((embedding.item, embedding.content_hash) for embedding in embeddings if embedding.item in items)
