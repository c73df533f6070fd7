"""The producer that workers publish with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from streams.kafka import producer
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.settings import KafkaSettings
from tests.streams.transport_worker import until


class Message:
    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7


class Client:
    """A client whose deliveries come in the third poll after a record."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.polls = 0
        self._lock = threading.Lock()
        self._waiting: list[list[Any]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def produce(self, topic: str, *, on_delivery: Callable[[None, Message], None], **_: Any) -> None:
        with self._lock:
            self._waiting.append([3, on_delivery])

    def poll(self, timeout: float) -> int:
        self.polls += 1
        with self._lock:
            for place in self._waiting:
                place[0] -= 1
            due = [place for place in self._waiting if place[0] <= 0]
            self._waiting = [place for place in self._waiting if place[0] > 0]
        for _, on_delivery in due:
            on_delivery(None, Message())
        return len(due)

    def flush(self, timeout: float) -> int:
        return 0


def test_a_producer_at_rest_does_nothing_and_one_with_records_hears_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "Producer", Client)

    async def publish() -> list[int]:
        log = LogProducer(KafkaSettings())
        client: Any = log._producer
        polls = []
        for count in (0, 1, 5):
            records = [OutgoingRecord("layouts", None, b"layout")] * count
            assert await log.publish(records) == [(0, 7)] * count
            await until(lambda: not len(client))
            polls.append(client.polls)
        await log.close()
        assert not log._poller.is_alive()
        return polls

    none, first, both = asyncio.run(publish())
    assert none == 0
    assert first == 3
    assert both <= first + 3 * 5
