"""Lines of JSON to records of one topic: all are checked before the first is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.codec import decoder, encode_key
from schemas.errors import BadRecord, BadSettings, ReshelfError, Transient
from schemas.topics import CLICKS, Topic
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings

SHOWN = 10
SEND_TIMEOUT_MS = 30_000
METADATA_S = 10.0


class Line(NamedTuple):
    """A record to send; `value` is None for a tombstone."""

    number: int
    key: bytes
    value: bytes | None


class Tombstone(msgspec.Struct, forbid_unknown_fields=True):
    """How a null value is written in a line."""

    key: str | tuple[str, str]
    value: None


def check(lines: BinaryIO, topic: Topic, source: str) -> int:
    """Check all lines; gives how many there are.

    Raises `BadSettings` naming the first lines that do not fit and how many there are.
    """
    lines.seek(0)
    total, wrong = 0, []
    for number, text in _numbered(lines):
        try:
            record(number, text, topic)
        except BadRecord as error:
            wrong.append(f"{source}, line {number}: {error.detail}")
        total += 1
    if wrong:
        more = f"\n(and {len(wrong) - SHOWN} more)" if len(wrong) > SHOWN else ""
        raise BadSettings("\n".join(["nothing was published", *wrong[:SHOWN]]) + more)
    return total


def record(number: int, text: bytes, topic: Topic) -> Line:
    """The record of one line; raises `BadRecord`."""
    assert topic.message is not None
    key = _tombstone(text)
    if key is None:
        return Line(number, _key(topic, decoder(topic.message)(text)), text)
    if not topic.tombstone:
        raise BadRecord("tombstone", f"expected a message: a null value means nothing in {topic.name}")
    if not all(key) or (len(key) == 2) != (topic.key == "page, segment"):
        raise BadRecord("key", f"expected {topic.key}, got {json.dumps(key)} - at `$.key`")
    return Line(number, encode_key(topic, *key), None)


def send(lines: BinaryIO, topic: Topic, kafka: KafkaSettings, source: str) -> None:
    """Publish lines that were checked, and wait until all are acknowledged.

    Raises `ReshelfError` naming the lines that were refused.
    """
    lines.seek(0)
    producer = Producer(confluent_producer_config(kafka) | {"message.timeout.ms": SEND_TIMEOUT_MS})
    _require(producer, kafka, topic)
    refused: list[str] = []
    for number, text in _numbered(lines):
        _produce(producer, kafka.prefix + topic.name, record(number, text, topic), refused)
        if len(refused) >= SHOWN:
            producer.purge()
            break
    while producer.flush(1.0):
        pass
    if refused:
        named = [f"{source}, {line}" for line in refused[:SHOWN]]
        raise ReshelfError("\n".join(["not all was published", *named]))


def deliver(kafka: KafkaSettings, topic: Topic, records: Sequence[tuple[bytes, bytes]]) -> None:
    """Publish (key, value) pairs and wait until all are acknowledged; raises `ReshelfError` when one is not."""
    producer = Producer(confluent_producer_config(kafka) | {"message.timeout.ms": SEND_TIMEOUT_MS})
    _require(producer, kafka, topic)
    refused: list[str] = []
    for number, (key, value) in enumerate(records, 1):
        _produce(producer, kafka.prefix + topic.name, Line(number, key, value), refused)
    while producer.flush(1.0):
        pass
    if refused:
        raise ReshelfError("\n".join([f"not all was published to {topic.name}", *refused[:SHOWN]]))


def forget(units: Sequence[str], kafka: KafkaSettings) -> None:
    """Ask attribution to drop the clicks of units.

    Raises `BadSettings` for a name no event can have, `ReshelfError` when not all was published.
    """
    lines = BytesIO(b"\n".join(msgspec.json.encode({"key": unit, "value": None}) for unit in units))
    check(lines, CLICKS, "UNIT")
    send(lines, CLICKS, kafka, "UNIT")


def _require(producer: Producer, kafka: KafkaSettings, topic: Topic) -> None:
    """The topic is there: brokers exist that would create it without its settings."""
    name = kafka.prefix + topic.name
    try:
        existing = producer.list_topics(timeout=METADATA_S).topics
    except KafkaException as error:
        raise Transient(
            f"Kafka at {kafka.bootstrap} does not answer: {error.args[0].str()}. "
            "Check kafka.bootstrap and that the brokers run; nothing was published."
        ) from None
    if name not in existing:
        raise ReshelfError(f"topic {name} is not there; run `reshelf topics apply`, or check kafka.prefix")


def _produce(producer: Producer, topic: str, line: Line, refused: list[str]) -> None:
    delivered = _delivered(line.number, refused)
    while True:
        try:
            producer.produce(topic, line.value, line.key, on_delivery=delivered)
            producer.poll(0)
        except BufferError:
            producer.poll(0.5)
        except KafkaException as error:
            refused.append(f"line {line.number}: {error.args[0].str()}")
            return
        else:
            return


def _delivered(number: int, refused: list[str]) -> Callable[[KafkaError | None, Message], None]:
    def on_delivery(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(f"line {number}: {error.str()}")

    return on_delivery


def _numbered(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, 1):
        if text := line.strip():
            yield number, text


def _tombstone(text: bytes) -> tuple[str, ...] | None:
    try:
        key = msgspec.json.decode(text, type=Tombstone).key
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return (key,) if isinstance(key, str) else key


def _key(topic: Topic, message: Any) -> bytes:
    """Keys are named after the fields that hold them."""
    return encode_key(topic, *(getattr(message, field) for field in topic.key.split(", ")))
