"""A page renderer that notes when each layout reached it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import msgspec
from confluent_kafka import Consumer, Message

from bench.latency_delays import SentClick, Sighting
from reshelf.reading import partitions
from schemas.codec import decode_key, decoder
from schemas.errors import ReshelfError
from schemas.topics import CLICKS, LAYOUTS
from streams.clients import confluent_consumer_config
from streams.layouts.schedule import Key
from streams.settings import KafkaSettings

POLL_S = 0.1


class _Reflected(msgspec.Struct, frozen=True):
    version: int
    watermarks: dict[str, list[int]]


_decode = decoder(_Reflected)


class View:
    """What the renderer saw, by page and segment; layouts older than one it has are ignored, as the contract says."""

    def __init__(self, consumer: Consumer) -> None:
        self.sightings: dict[Key, list[Sighting]] = {}
        self._consumer = consumer
        self._stopping = threading.Event()
        self._failed: Exception | None = None

    def reflects(self, click: SentClick) -> bool:
        """Whether the newest layout of the click's page and segment has it."""
        seen = self.sightings.get(click.key)
        return seen is not None and seen[-1].reflects(click)

    def forget(self) -> None:
        """Keep the newest of each page and segment only."""
        for seen in self.sightings.values():
            del seen[:-1]

    def check(self) -> None:
        """Raise what ended the reading, if anything did."""
        if self._failed is not None:
            raise ReshelfError(f"reading layouts failed: {self._failed}") from self._failed

    def run(self) -> None:
        """Read until `stop`, in a thread of its own."""
        try:
            while not self._stopping.is_set():
                # `consume` would wait for a whole batch; one record at a time comes at once.
                message = self._consumer.poll(POLL_S)
                if message is not None:
                    self._take(message, time.perf_counter())
        except Exception as error:  # noqa: BLE001  whatever it was, `check` tells
            self._failed = error

    def stop(self) -> None:
        self._stopping.set()

    def _take(self, message: Message, received_at: float) -> None:
        error, value = message.error(), message.value()
        if error is not None:
            if error.fatal():
                raise ReshelfError(str(error))
        elif value is not None:
            layout = _decode(value)
            seen = self.sightings.setdefault(Key(*decode_key(LAYOUTS, message.key())), [])
            if not seen or layout.version > seen[-1].version:
                seen.append(Sighting(received_at, layout.version, layout.watermarks.get(CLICKS.name, [])))


@contextlib.contextmanager
def rendering(kafka: KafkaSettings) -> Iterator[View]:
    """A renderer that follows the layouts from their beginning until the block is left."""
    consumer = Consumer(confluent_consumer_config(kafka, f"{kafka.prefix}renderer"))
    try:
        consumer.assign(partitions(consumer, kafka.prefix + LAYOUTS.name))
        view = View(consumer)
        thread = threading.Thread(target=view.run, name="renderer", daemon=True)
        thread.start()
        try:
            yield view
        finally:
            view.stop()
            thread.join()
    finally:
        consumer.close()
