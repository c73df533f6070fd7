"""Attribution windows from page-rules: the newest of each page counts from when it is read.

A decision stands once it is published, so a window that changes later does not
change it; decisions still to be made take the new one.  A page whose rules are
missing or invalid, or leave the window out, has the default.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from msgspec import UNSET

from schemas.codec import decoder
from schemas.errors import BadRecord, BadSettings, Transient
from schemas.messages.pages import PageRules
from schemas.topics import PAGE_RULES
from streams.kafka.clients import confluent_consumer_config, ends_partition
from streams.settings import KafkaSettings

_TIMEOUT_S = 4.0
_decode = decoder(PageRules)


class PageWindows:
    """How long before a purchase a click on a page may have happened."""

    def __init__(self, default_ms: int) -> None:
        self._default = default_ms
        self._declared: dict[bytes, int] = {}
        self._longest = default_ms

    def of(self, page: str) -> int:
        return self._declared.get(page.encode(), self._default)

    def declared(self) -> dict[str, int]:
        """Those that pages declare."""
        return {page.decode(): window for page, window in sorted(self._declared.items())}

    def longest(self) -> int:
        """The longest window of any page."""
        return self._longest

    def take(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Keys and values of page-rules, in order; an invalid value leaves what was there."""
        for key, value in records:
            if value is None:
                self._declared.pop(key or b"", None)
                continue
            try:
                rules = _decode(value)
            except BadRecord:
                continue
            if rules.attribution_window is UNSET:
                self._declared.pop(rules.page.encode(), None)
            else:
                self._declared[rules.page.encode()] = rules.attribution_window
        self._longest = max((self._default, *self._declared.values()))


class RulesReader:
    """Keeps windows in step with the topic; a reader of its own, in no group.  Calls may raise `Transient`."""

    def __init__(self, kafka: KafkaSettings, windows: PageWindows) -> None:
        self._topic = kafka.prefix + PAGE_RULES.name
        self._windows = windows
        config = confluent_consumer_config(kafka, f"{kafka.prefix}attribution-rules") | {"enable.partition.eof": True}
        self._consumer = Consumer(dict(config))
        self._unread: set[int] = set()
        self._lock = threading.Lock()

    async def start(self) -> None:
        """Read all rules that there are; raises `BadSettings` when the topic does not exist."""
        await asyncio.to_thread(self._start)
        while self._unread:
            await self.follow(_TIMEOUT_S)

    async def follow(self, wait_s: float = 0.2) -> None:
        """Take in what is new, waiting for `wait_s` at most."""
        self._windows.take(await asyncio.to_thread(self._read, wait_s))

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _start(self) -> None:
        try:
            listed = self._consumer.list_topics(self._topic, timeout=_TIMEOUT_S).topics[self._topic]
        except KafkaException as error:
            raise Transient(f"Kafka does not answer: {error.args[0].str()}") from None
        if not listed.partitions:
            raise BadSettings(
                f"topic {self._topic!r} does not exist. Check kafka.prefix, or create the topics with "
                "`reshelf topics apply`."
            )
        self._unread = set(listed.partitions)
        self._consumer.assign([TopicPartition(self._topic, p, OFFSET_BEGINNING) for p in self._unread])

    def _read(self, wait_s: float) -> list[tuple[bytes | None, bytes | None]]:
        with self._lock:
            first = self._consumer.poll(wait_s)
            messages = [first, *self._consumer.consume(1_000, timeout=0)] if first else []
        records = [(message.key(), message.value()) for message in messages if message.error() is None]
        failures = [
            message for message in messages if message.error() is not None and not ends_partition(message, self._unread)
        ]
        if failures and not records:
            raise Transient(f"page-rules cannot be read: {failures[0].error()}")
        return records

    def _close(self) -> None:
        with self._lock:
            self._consumer.close()
