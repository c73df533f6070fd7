"""A page renderer that notes when each layout reached it, and when each was asked for after a click."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
from confluent_kafka import Consumer, Message

from bench.latency.delays import Asked, Decision, Deferral, Observations, Sighting
from bench.threads import beside
from schemas.codec import decode_key, decoder
from schemas.errors import ReshelfError
from schemas.messages.layouts import LayoutRequest
from schemas.topics import CLICKS, LAYOUT_REQUESTS, LAYOUTS
from streams.catalog.page import Key
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.reader import partitions
from streams.settings import KafkaSettings

POLL_S = 0.1


class _Reflected(msgspec.Struct, frozen=True):
    version: int
    watermarks: dict[str, list[int]]


_decode = decoder(_Reflected)
_decode_request = decoder(LayoutRequest)


class View:
    """What the renderer saw, by page and segment; layouts older than one it has are ignored, as the contract says."""

    def __init__(self, consumer: Consumer) -> None:
        self.sightings: dict[Key, list[Sighting]] = {}
        self._asked: dict[Key, list[Asked]] = {}
        self._clicks: Counter[Key] = Counter()
        self._decisions: dict[Key, list[Decision]] = {}
        self._deferred: dict[Key, set[int]] = {}
        self._consumer = consumer
        self._stopping = threading.Event()
        self._failed: Exception | None = None

    def decided(self, some: Iterable[tuple[Key, Decision | Deferral]]) -> None:
        """Note what the layout worker decided since, in its order."""
        for key, decision in some:
            if isinstance(decision, Deferral):
                self._deferred.setdefault(key, set()).add(decision.request)
            else:
                self._decisions.setdefault(key, []).append(decision)

    def observations(self) -> dict[Key, Observations]:
        """All that was noted so far, as it is now."""
        return {
            key: Observations(
                tuple(self._asked.get(key, ())),
                tuple(self._decisions.get(key, ())),
                tuple(self.sightings.get(key, ())),
                frozenset(self._deferred.get(key, ())),
            )
            for key in self._decisions.keys() | self._asked.keys()
        }

    def decided_between(self, begin: float, end: float) -> int:
        """How many layouts were composed in that time."""
        return sum(begin <= decision.done_at < end for decisions in self._decisions.values() for decision in decisions)

    def forget(self) -> None:
        """Keep the newest layout of each page and segment only."""
        for sightings in self.sightings.values():
            del sightings[:-1]
        self._asked.clear()
        self._decisions.clear()
        self._deferred.clear()

    def count_anew(self) -> None:
        """Number the clicks of requests from here on: all that were sent before have been asked for."""
        self._clicks.clear()
        self._asked.clear()

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
        except Exception as error:  # noqa: BLE001  whatever it was, `check` reports it
            self._failed = error

    def stop(self) -> None:
        self._stopping.set()

    def _take(self, message: Message, received_at: float) -> None:
        error, value = message.error(), message.value()
        if error is not None:
            if error.fatal():
                raise ReshelfError(str(error))
        elif value is not None and (message.topic() or "").endswith(LAYOUT_REQUESTS.name):
            request = _decode_request(value)
            if request.clicked:
                key = Key(request.page, request.segment)
                self._clicks[key] += request.clicks
                self._asked.setdefault(key, []).append(Asked(received_at, message.offset() or 0, self._clicks[key]))
        elif value is not None:
            layout = _decode(value)
            sightings = self.sightings.setdefault(Key(*decode_key(LAYOUTS, message.key())), [])
            if not sightings or layout.version > sightings[-1].version:
                sightings.append(Sighting(received_at, layout.version, layout.watermarks.get(CLICKS.name, [])))


@contextlib.contextmanager
def rendering(kafka: KafkaSettings) -> Iterator[View]:
    """A renderer that follows the layouts from their beginning until the block is left."""
    consumer = Consumer(confluent_consumer_config(kafka, f"{kafka.prefix}renderer"))
    try:
        topics = LAYOUTS, LAYOUT_REQUESTS
        consumer.assign(
            [partition for topic in topics for partition in partitions(consumer, kafka.prefix + topic.name)]
        )
        view = View(consumer)
        with beside(view.run, view.stop):
            yield view
    finally:
        consumer.close()
