"""A thread that keeps a shelf as the `layouts` topic is."""

from __future__ import annotations

from threading import Event, Thread
from typing import Self

from confluent_kafka import KafkaError, Message

from reshelf.edge.layout_cache import LayoutCache
from schemas.topics import LAYOUTS
from streams.kafka.reader import partitions, reader
from streams.settings import KafkaSettings

BATCH = 500
WAIT_S = 0.1


class Feed:
    """Reads while its block runs; `ready` once the topic was read to its end.

    Entering raises Transient where the topic cannot be reached.
    """

    def __init__(self, kafka: KafkaSettings, cache: LayoutCache) -> None:
        self._cache = cache
        self._stop = Event()
        self._reader = reader(kafka)
        self._name = kafka.prefix + LAYOUTS.name
        self._unread: set[int] = set()
        self._thread = Thread(target=self._run, name="layouts", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether all partitions were read to their end once."""
        return self.live and not self._unread

    @property
    def live(self) -> bool:
        """Whether the thread still reads."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        self._consumer = self._reader.__enter__()
        try:
            places = partitions(self._consumer, self._name)
        except BaseException:
            self._consumer.close()
            raise
        self._unread = {place.partition for place in places}
        self._consumer.assign(places)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(BATCH, timeout=WAIT_S):
                self._take(message)

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is None:
            self._cache.take(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            self._unread.discard(message.partition() or 0)
