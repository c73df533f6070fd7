"""A thread that keeps a shelf as the topics `layouts`, `layout-lives`, `segments` and `unit-segments` are."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka.admin import AdminClient

from reshelf.edge.layout_cache import LayoutCache
from schemas.errors import Transient
from schemas.topics import LAYOUT_LIVES, LAYOUTS, SEGMENTS, UNIT_SEGMENTS
from streams.kafka.clients import confluent_admin_config
from streams.kafka.identity import GONE, Identity, identity_of
from streams.kafka.reader import METADATA_S, partitions, partitions_if_any, reader
from streams.settings import KafkaSettings

BATCH = 500
WAIT_S = 0.1
LOOK_S = 5.0
"""How often it is made sure that the topic is still the same."""

Place = tuple[str, int]
"""Topic and partition."""

log = logging.getLogger(__name__)


class Feed:
    """Reads while its block runs; `ready` once the topics were read to their ends.

    Where one was deleted and made again, or got further partitions, all are read from their beginning:
    the consumer would go on behind its end, or not at all, without an error.  Where there is no
    `layout-lives`, as before an upgrade, layouts are good until their own end; without `segments` there is no model.
    `unit-segments` is read where `units` is set.

    Entering raises Transient where `layouts` cannot be reached.
    """

    def __init__(self, kafka: KafkaSettings, cache: LayoutCache, *, units: bool = False) -> None:
        self._stop = Event()
        self._kafka = kafka
        self._consumer: Consumer | None = None
        self._reading = contextlib.ExitStack()
        self._cache = cache
        takes = {LAYOUTS: cache.take, LAYOUT_LIVES: cache.take_life, SEGMENTS: cache.take_segments}
        takes |= {UNIT_SEGMENTS: cache.take_unit_segment} if units else {}
        self._takes: dict[str | None, Callable[[Message], None]] = {
            kafka.prefix + topic.name: take for topic, take in takes.items()
        }
        self._names = tuple(kafka.prefix + topic.name for topic in takes)
        self._name = self._names[0]
        self._admin = AdminClient(confluent_admin_config(kafka))
        self._identities = self._unseen
        self._unread: set[Place] = set()
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
        self._begin()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._reading.close()

    def _run(self) -> None:
        look_at = time.monotonic() + LOOK_S
        while not self._stop.is_set():
            if self._consumer is None:
                self._stop.wait(WAIT_S)
            else:
                for message in self._consumer.consume(BATCH, timeout=WAIT_S):
                    self._take(message)
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + LOOK_S

    def _look(self) -> None:
        """Begin again where the topic is another one; a broker that is away says nothing of it."""
        with contextlib.suppress(KafkaException, Transient):
            before, now = self._identities, self._identify()
            if now == before:
                return
            name = next(name for name, *both in zip(self._names, before, now, strict=True) if both[0] != both[1])
            self._consumer, self._unread = None, {("", -1)}
            self._reading.close()
            self._identities = self._unseen
            if now[0] == GONE:
                log.warning("Topic %s is gone: create it with `reshelf topics apply`.", self._name)
                return
            log.warning("Topic %s was made again or has further partitions: it is read from its beginning.", name)
            self._begin()

    @property
    def _unseen(self) -> tuple[Identity, ...]:
        """What the topics are before they were looked at."""
        return (GONE,) * len(self._names)

    def _identify(self) -> tuple[Identity, ...]:
        """What the topics are; one that may not exist is not asked for by its name: that ends some clients."""
        there = self._admin.list_topics(timeout=METADATA_S).topics
        later = [identity_of(self._admin, name) if name in there else GONE for name in self._names[1:]]
        return identity_of(self._admin, self._name), *later

    def _begin(self) -> None:
        """Read from the beginning, by a consumer of its own: that of the topic before knows its place there."""
        with contextlib.ExitStack() as reading:
            consumer = reading.enter_context(reader(self._kafka))
            places = partitions(consumer, self._name)
            places += [place for name in self._names[1:] for place in partitions_if_any(consumer, name)]
            identities = self._identify()
            consumer.assign(places)
            self._reading = reading.pop_all()
        self._cache.begin_unit_segments()
        self._consumer, self._identities = consumer, identities
        self._unread = {(place.topic, place.partition) for place in places}

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is None:
            self._takes[message.topic()](message)
        elif error.code() == KafkaError._PARTITION_EOF:
            self._unread.discard((message.topic() or "", message.partition() or 0))
