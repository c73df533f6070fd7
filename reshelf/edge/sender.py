"""Records to Kafka, acknowledged, from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from reshelf.edge.intake import Record, Refusal
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings

SEND_TIMEOUT_MS = 10_000
POLL_S = 0.1


class Sender:
    """An idempotent producer with the murmur2 partitioner; a thread collects the acknowledgements."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._prefix = kafka.prefix
        self._producer = Producer(confluent_producer_config(kafka) | {"message.timeout.ms": SEND_TIMEOUT_MS})
        self._stop = Event()
        self._thread = Thread(target=self._collect, name="acknowledgements", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(SEND_TIMEOUT_MS / 1000)
        self._stop.set()
        self._thread.join()

    async def send(self, records: Sequence[Record]) -> list[Refusal]:
        """Send all and wait until each is acknowledged or given up; gives those that were not published."""
        answers = [self._produce(record) for record in records]
        failed = await asyncio.gather(*answers)
        return [
            Refusal(record.number, "broker", why, retry=True)
            for record, why in zip(records, failed, strict=True)
            if why is not None
        ]

    def _produce(self, record: Record) -> asyncio.Future[str | None]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()
        on_delivery = _on_delivery(loop, answer)
        try:
            self._producer.produce(self._prefix + record.topic.name, record.value, record.key, on_delivery=on_delivery)
        except BufferError:
            answer.set_result("too much is waiting to be sent")
        except KafkaException as error:
            answer.set_result(error.args[0].str())
        return answer

    def _collect(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(POLL_S)


def _on_delivery(
    loop: asyncio.AbstractEventLoop, answer: asyncio.Future[str | None]
) -> Callable[[KafkaError | None, Message], None]:
    def settle(why: str | None) -> None:
        if not answer.done():
            answer.set_result(why)

    def on_delivery(error: KafkaError | None, _: Message) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, None if error is None else error.str())

    return on_delivery
