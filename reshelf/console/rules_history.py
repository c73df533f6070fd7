"""All versions of all pages' rules, read once and then as they come."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.pages import PageRules
from schemas.topics import PAGE_RULES_HISTORY
from streams.kafka.bounds import watermarks
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.reader import partitions
from streams.settings import KafkaSettings

AT_A_TIME = 1_000
TIMEOUT_S = 5.0
MOST_VERSIONS = 200
"""Versions of a page that are kept to look at, the newest; `reshelf rules history` has all."""
MOST_PAGES = 1_000
"""Pages whose versions are kept: those published last."""

_decode = decoder(PageRules)
Row = dict[str, Any]


class RulesHistory:
    """Follows the history of rules; what is told of a version is worked out once."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._consumer: Consumer | None = None
        self._versions: OrderedDict[str, dict[int, PageRules]] = OrderedDict()
        self._rows: dict[tuple[str, int, int], Row] = {}
        self._lock = threading.Lock()

    def read(self) -> None:
        """Take over what came; blocks for a moment.  A broker that is away is tried again the next time."""
        with self._lock:
            try:
                consumer = self._opened()
                while messages := consumer.consume(AT_A_TIME, timeout=0.05):
                    for message in messages:
                        if message.error() is None and (value := message.value()):
                            self.take(value)
            except KafkaException:
                return

    def take(self, value: bytes) -> None:
        """Keep a version: of a number that two wrote the first counts.  What is no page is skipped."""
        try:
            rules: PageRules = _decode(value)
        except BadRecord:
            return
        versions = self._versions.setdefault(rules.page, {})
        self._versions.move_to_end(rules.page)
        versions.setdefault(rules.version, rules)
        if len(versions) > MOST_VERSIONS:
            del versions[min(versions)]
        if len(self._versions) > MOST_PAGES:
            self._versions.popitem(last=False)

    def versions(self, current: PageRules) -> list[PageRules]:
        """Versions of a page that are kept, oldest first, with the one in force."""
        versions = dict(self._versions.get(current.page, {})) | {current.version: current}
        return [versions[version] for version in sorted(versions)]

    def row(self, rules: PageRules, before: PageRules | None, make: Callable[[], Row]) -> Row:
        """What is told of a version beside the one before; `make` is called the first time."""
        key = rules.page, rules.version, before.version if before else 0
        if key not in self._rows:
            if len(self._rows) > 10 * MOST_VERSIONS:
                self._rows.clear()
            self._rows[key] = make()
        return self._rows[key]

    def close(self) -> None:
        """Leave the broker."""
        if self._consumer is not None:
            self._consumer.close()

    def _opened(self) -> Consumer:
        if self._consumer is None:
            consumer = Consumer(confluent_consumer_config(self._kafka, f"{self._kafka.prefix}console"))
            try:
                places = partitions(consumer, self._kafka.prefix + PAGE_RULES_HISTORY.name)
                starts = [(place, watermarks(consumer, place, TIMEOUT_S)[0]) for place in places]
                consumer.assign([TopicPartition(place.topic, place.partition, first) for place, first in starts])
            except BaseException:
                consumer.close()
                raise
            self._consumer = consumer
        return self._consumer
