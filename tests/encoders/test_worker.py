"""The worker between its two topics: on real Kafka, and killed at any point."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from reshelf.cli.main import run
from reshelf.topics.publish import deliver
from schemas import dead_letters
from schemas.codec import decoder, encode
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.topic import Topic
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, DEAD_LETTERS
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import KafkaSettings
from tests.deadline import Deadline
from tests.encoders.conftest import NO_TORCH
from tests.streams.test_learner import read_all

torch = pytest.importorskip("torch", reason=NO_TORCH)

from encoders.encoder import Encoder  # noqa: E402
from encoders.log import VectorProducer, VectorReader  # noqa: E402
from encoders.model import TextModel, load  # noqa: E402
from encoders.text import content_hash, text_of  # noqa: E402
from encoders.worker import Worker  # noqa: E402

NAMES = (CATALOG_ITEMS.name, CATALOG_EMBEDDINGS.name, DEAD_LETTERS.name)
MakeWorker = Callable[[], Worker]


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    make_topics(kafka, partitions=2, names=NAMES)
    return KafkaSettings(bootstrap=kafka, prefix=prefix)


@pytest.fixture
def make_worker(settings: KafkaSettings, model: TextModel) -> Iterator[MakeWorker]:
    """A worker that has started, as a new process would be."""
    readers: list[VectorReader] = []

    def make(of: TextModel = model) -> Worker:
        readers.append(VectorReader(confluent_consumer_config(settings, f"{settings.prefix}encoder"), settings.prefix))
        producer = VectorProducer(confluent_producer_config(settings), settings.prefix)
        worker = Worker(Encoder(of), readers[-1], producer, batch=8, per_s=1e6)
        worker.start()
        return worker

    yield make
    for reader in readers:
        reader.close()


def publish(kafka: KafkaSettings, items: list[CatalogItem]) -> None:
    deliver(kafka, CATALOG_ITEMS, [(item.item.encode(), encode(item)) for item in items])


def delete(kafka: KafkaSettings, *keys: bytes) -> None:
    producer = VectorProducer(confluent_producer_config(kafka), kafka.prefix)
    for key in keys:
        producer.send(CATALOG_ITEMS, key, None)
    producer.flush()


def until_success(worker: Worker) -> None:
    """Until nothing came for a while and nothing waits."""
    quiet = 0
    while quiet < 2:
        before = dataclasses.astuple(worker.counts)
        worker.step()
        quiet = quiet + 1 if before == dataclasses.astuple(worker.counts) and not worker.waiting else 0


def records(kafka: KafkaSettings, topic: Topic) -> list[tuple[str, bytes | None]]:
    found = read_all(kafka, (topic.name,)).values()
    return [((one.key or b"").decode(), one.value) for part in found for one in part]


def vectors(kafka: KafkaSettings) -> list[tuple[str, str]]:
    """Item and hash of every vector that was ever published."""
    read = decoder(CatalogEmbedding)
    return [(item, read(value).content_hash) for item, value in records(kafka, CATALOG_EMBEDDINGS) if value]


def hashed(item: CatalogItem) -> tuple[str, str]:
    return item.item, content_hash(text_of(item))


def test_only_changed_texts_are_encoded_and_deleted_items_lose_their_vector(
    settings: KafkaSettings, make_worker: MakeWorker
) -> None:
    items = [CatalogItem(f"i{number}", f"Coat {number}") for number in range(20)]
    publish(settings, items)
    worker = make_worker()
    until_success(worker)
    publish(settings, [msgspec.structs.replace(item, price=7, available=False) for item in items])
    changed = [CatalogItem("i3", "Lamp 3")]
    publish(settings, changed)
    delete(settings, b"i4", b"i5")
    until_success(worker)
    assert sorted(vectors(settings)) == sorted(map(hashed, [*items, *changed]))
    assert [item for item, value in records(settings, CATALOG_EMBEDDINGS) if value is None] in (
        ["i4", "i5"],
        ["i5", "i4"],
    )
    again = make_worker()
    until_success(again)
    assert (again.counts.encoded, again.counts.deleted) == (0, 0)


def test_what_is_invalid_is_dead_lettered_once_and_stops_nothing(
    settings: KafkaSettings, make_worker: MakeWorker
) -> None:
    surrogate = encode(CatalogItem("b", "X")).replace(b"X", b"\\ud800")
    deliver(settings, CATALOG_ITEMS, [(b"a", b"{no json"), (b"b", surrogate)])
    publish(settings, [CatalogItem("c", "Coat")])
    for _ in range(2):
        until_success(make_worker())
    assert [item for item, _ in vectors(settings)] == ["c"]
    found = read_all(settings, (DEAD_LETTERS.name,)).values()
    letters = [dead_letters.read(one.headers, one.key, one.value) for part in found for one in part]
    assert Counter(letter.key for letter in letters) == {b"a": 1, b"b": 1}
    assert all(letter.append_time > 0 for letter in letters)


def test_a_text_that_the_model_refuses_is_put_aside_once_though_its_price_changes(
    settings: KafkaSettings, make_worker: MakeWorker, model: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, poison = TextModel.forward, int(model.tokenizer.convert_tokens_to_ids("poison"))

    def picky(self: TextModel, ids: Any, mask: Any) -> Any:
        if (ids == poison).any():
            raise RuntimeError("device-side assert")
        return forward(self, ids, mask)

    monkeypatch.setattr(TextModel, "forward", picky)
    worker = make_worker()
    for price in range(4):
        publish(settings, [CatalogItem("a", "poison", price=price), CatalogItem("b", "Coat", price=price)])
        until_success(worker)
    assert (worker.counts.failed, worker.counts.encoded, worker.counts.skipped) == (1, 1, 6)
    publish(settings, [CatalogItem("a", "Lamp")])
    until_success(worker)
    assert sorted(item for item, _ in vectors(settings)) == ["a", "b"]


def test_another_revision_encodes_all_again(
    settings: KafkaSettings, make_worker: Callable[..., Worker], model: TextModel
) -> None:
    publish(settings, [CatalogItem(f"i{number}", f"Coat {number}") for number in range(20)])
    until_success(make_worker())
    until_success(make_worker(dataclasses.replace(model, revision="next")))
    read = decoder(CatalogEmbedding)
    revisions = [read(value).revision for _, value in records(settings, CATALOG_EMBEDDINGS) if value]
    assert Counter(revisions) == {model.revision: 20, "next": 20}


def serve(kafka: KafkaSettings) -> None:
    """A worker in a process of its own, until it is killed."""
    reader = VectorReader(confluent_consumer_config(kafka, f"{kafka.prefix}encoder"), kafka.prefix)
    producer = VectorProducer(confluent_producer_config(kafka), kafka.prefix)
    worker = Worker(Encoder(load(device="cpu", dtype="float32")), reader, producer, batch=8)
    worker.start()
    while True:
        worker.step()


def test_nothing_is_encoded_twice_or_missed_when_it_is_killed(settings: KafkaSettings, make_worker: MakeWorker) -> None:
    items = [CatalogItem(f"i{number}", f"Coat {number}", "warm and dry " * 20) for number in range(400)]
    publish(settings, items)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["encoders.worker", "encoders.model"])
    done = 0
    for wanted in (1, 100):
        worker = processes.Process(target=serve, args=(settings,))
        worker.start()
        until = Deadline(60)
        while len(records(settings, CATALOG_EMBEDDINGS)) < done + wanted and until.ahead:
            time.sleep(0.02)
        worker.kill()
        worker.join()
        before, done = done, len(vectors(settings))
        assert worker.exitcode == -signal.SIGKILL
        assert before + wanted <= done < len(items), "it was not killed in the middle"
    until_success(make_worker())
    assert sorted(vectors(settings)) == sorted(map(hashed, items))


def test_the_command_encodes_what_is_there(
    broker: str,
    prefix: str,
    make_topics: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_topics(broker, partitions=1, names=NAMES)
    publish(KafkaSettings(bootstrap=broker, prefix=prefix), [CatalogItem("a", "Coat"), CatalogItem("b", "Lamp")])
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", broker)
    monkeypatch.setenv("RESHELF_KAFKA__PREFIX", prefix)
    told = []
    for _ in range(2):
        assert run(["encoder", "--once", "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out)["encoded"])
    assert told == [2, 0]
