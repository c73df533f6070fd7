"""The encoder worker: reads the catalog, encodes what changed, publishes vectors.

Pictures come beside texts, which never wait for them (`encoders.pictures.parts`).
It keeps nothing of its own.  On start it reads the published vectors, then the
catalog, both to their ends, and only then encodes what differs: so a text is not
encoded again after a crash once its vector is on the topic, and none is missed.
One worker is enough; of two, both would publish the same vectors.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import Message
from msgspec import UNSET

from encoders.changes import Changes, Origin, Task
from encoders.encoder import Encoded, Encoder
from encoders.log import VectorProducer, VectorReader
from encoders.pictures.parts import PictureParts
from encoders.wire import embedding
from schemas.codec import decode_key, decoder, encode
from schemas.dead_letters import DeadLetter, headers_of
from schemas.errors import BadRecord
from schemas.foreign_content import key_of
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS

IDLE_S = 0.2

log = logging.getLogger("reshelf")


@dataclass(slots=True)
class Counts:
    """What the worker did since it started; `skipped` records had a text that was encoded or refused already."""

    encoded: int = 0
    skipped: int = 0
    deleted: int = 0
    truncated: int = 0
    failed: int = 0
    model_s: float = 0.0


class Worker:
    """`batch` texts at most go to the model at once, and of another model's vectors `per_s` a second are renewed."""

    def __init__(
        self,
        encoder: Encoder,
        reader: VectorReader,
        producer: VectorProducer,
        batch: int = 256,
        per_s: float = 200.0,
        clock: Callable[[], float] = time.monotonic,
        pictures: PictureParts | None = None,
    ) -> None:
        self.counts = Counts()
        self._encoder, self._reader, self._producer, self.pictures = encoder, reader, producer, pictures
        self._changes = Changes(encoder.model.name, encoder.model.revision)
        self._batch, self._per_s, self._clock = batch, per_s, clock
        self._allowed, self._looked = 0.0, clock()
        self._committed: dict[int, int] = {}
        self._dirty = False

    @property
    def waiting(self) -> int:
        """Texts that are still to be encoded."""
        return len(self._changes.changed) + len(self._changes.outdated)

    @property
    def waiting_pictures(self) -> int:
        """Pictures that are still to be fetched or encoded."""
        return self.pictures.lane.waiting if self.pictures else 0

    def start(self) -> None:
        """Read both topics to their ends; raises `Transient` where one is missing."""
        for message in self._reader.to_the_end(CATALOG_EMBEDDINGS):
            self._take_vector(message)
        self._committed = self._reader.committed(CATALOG_ITEMS)
        for message in self._reader.to_the_end(CATALOG_ITEMS):
            self._take_item(message)
        for item in self._changes.orphans():
            self._delete(item)
            if self.pictures:
                self.pictures.take_record(item, None)
        log.info("%d vectors are there, %d texts to encode.", len(self._changes.published), self.waiting)

    def step(self) -> None:
        """Take over what came, encode a batch, publish it; waits for records only where nothing is to be done."""
        busy = self.waiting or self.waiting_pictures
        for message in self._reader.more(0.0 if self._changes.changed else 0.01 if busy else IDLE_S):
            self._take_item(message)
        tasks = self._changes.next(self._batch, self._allowance())
        if tasks:
            self._publish(tasks, self._encode(tasks))
        if self.pictures:
            for record in self.pictures.step(self._batch):
                self._send(record)
        if self._dirty:
            self._producer.flush()
            self._dirty = self.waiting > 0
            if not self._dirty:
                self._reader.commit()

    def _encode(self, tasks: Sequence[Task]) -> Encoded:
        began = time.perf_counter()
        result = self._encoder.encode([task.text for task in tasks])
        self.counts.model_s += time.perf_counter() - began
        self.counts.truncated += result.truncated
        return result

    def _publish(self, tasks: Sequence[Task], result: Encoded) -> None:
        self._dirty = True
        model = self._encoder.model
        for row, (task, vector) in enumerate(zip(tasks, result.vectors, strict=True)):
            if row in result.failed:
                self._refuse(task, result.failed[row])
                continue
            picture = self.pictures.picture(task.item) if self.pictures else UNSET
            message = embedding(task.item, model.name, model.revision, task.content_hash, vector, picture)
            if self.pictures:
                self.pictures.take_text(message)
            self._send(message)
            self._changes.done(task)
            self.counts.encoded += 1

    def _send(self, record: CatalogEmbedding) -> None:
        self._dirty = True
        self._producer.send(CATALOG_EMBEDDINGS, record.item.encode(), encode(record))

    def _refuse(self, task: Task, reason: str) -> None:
        """The item gets no vector, and loses that of its former text."""
        if self.pictures:
            self.pictures.drop_text(task.item)
        if self._changes.refuse(task):
            self._delete(task.item)
        key, at = task.item.encode(), (task.partition, task.offset)
        letter = DeadLetter(CATALOG_ITEMS.name, *at, "invalid", reason, key, append_time=task.append_time)
        self._send_dead_letters(letter)

    def _delete(self, item: str) -> None:
        self._dirty = True
        self.counts.deleted += 1
        self._producer.send(CATALOG_EMBEDDINGS, item.encode(), None)

    def _send_dead_letters(self, letter: DeadLetter) -> None:
        """Send a dead letter, once: a worker before this one reported those before its position."""
        self._dirty = True
        self.counts.failed += 1
        if letter.offset >= self._committed.get(letter.partition, 0):
            self._producer.dead_letter(letter)

    def _take_vector(self, message: Message) -> None:
        value = message.value()
        try:
            (item,) = decode_key(CATALOG_EMBEDDINGS, message.key())
            content = None if value is None else decoder(CatalogEmbedding)(value)
        except BadRecord as error:
            log.warning("A vector on %s cannot be read and will be encoded again: %s", message.topic(), error)
            return
        if self.pictures:
            self.pictures.take_record(item, content)
        self._changes.set_origin(item, content and Origin(content.model, content.revision, content.content_hash))

    def _take_item(self, message: Message) -> None:
        partition, offset, append_time = message.partition() or 0, message.offset() or 0, message.timestamp()[1]
        key, value, before = message.key(), message.value(), self._changes.skipped
        try:
            (item,) = decode_key(CATALOG_ITEMS, key)
            content = None if value is None else decoder(CatalogItem)(value)
            if content is not None and content.item != item:
                said = f"; the key {named}" if (named := key_of(key)) else ""
                raise BadRecord("key", f"expected `item` to be the record's key {item!r}, got {content.item!r}{said}")
        except BadRecord as error:
            at, why = (partition, offset), (error.reason, error.detail)
            letter = DeadLetter(CATALOG_ITEMS.name, *at, *why, key, value, headers_of(message), append_time)
            self._send_dead_letters(letter)
            return
        self._dirty = True
        if self._changes.take(item, content, partition, offset, append_time):
            self._delete(item)
        if self.pictures and (record := self.pictures.take_item(item, content)):
            self._send(record)
        self.counts.skipped += self._changes.skipped - before

    def _allowance(self) -> int:
        """How many vectors of another model may be renewed now."""
        now = self._clock()
        self._allowed = min(self._allowed + (now - self._looked) * self._per_s, max(self._per_s, 1.0))
        self._looked = now
        count = min(int(self._allowed), self._batch, len(self._changes.outdated))
        self._allowed -= count
        return count
