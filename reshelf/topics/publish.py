"""Lines of JSON to records of one topic: all are checked before the first is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from reshelf.topics.lines import Line, LineCheck, Shop, numbered, record
from schemas.errors import BadRecord, BadSettings, ReshelfError, Transient
from schemas.foreign_content import content_of, encoding_of
from schemas.topic import Topic
from schemas.topics import CLICKS
from streams.kafka.clients import ClientConfig, confluent_producer_config
from streams.settings import KafkaSettings

SHOWN = 10
SEND_TIMEOUT_MS = 30_000
METADATA_S = 10.0
HEAD = 65_536
ANY_SHOP = Shop()


class Checked(NamedTuple):
    """How many lines there are, and what can only be a mistake in them; `warned` may be more than is said."""

    total: int
    warned: int = 0
    warnings: Sequence[str] = ()


def check(lines: BinaryIO, topic: Topic, source: str, shop: Shop = ANY_SHOP, each: str = "line") -> Checked:
    """Check all lines; `each` says what one is called.

    Raises `BadSettings` naming the first lines that do not fit and how many there are.
    """
    lines.seek(0)
    _require_lines(lines, source)
    total, wrong, checks = 0, 0, LineCheck(topic, shop, each)
    first = list[str]()
    for number, text in numbered(lines):
        try:
            checks.check(number, text)
        except BadRecord as error:
            wrong += 1
            if wrong <= SHOWN:
                first.append(f"{source}, {each} {number}: {error.detail}")
        total += 1
    if wrong:
        more = f"\n(and {wrong - SHOWN} more)" if wrong > SHOWN else ""
        raise BadSettings("\n".join(["nothing was published", *first]) + more)
    return Checked(total, checks.warned, [f"{source}, {said}" for said in checks.warnings])


def _require_lines(lines: BinaryIO, source: str) -> None:
    """A file that is no lines of JSON is named as a whole, not line by line; `BadSettings`."""
    head = lines.read(HEAD)
    lines.seek(0)
    first = head.lstrip()[:1]
    said = encoding_of(head) if first in (b"{", b"") else content_of(head.split(b"\n", 1)[0] or head)
    if first == b"[":
        said = "begins a list: write each of its elements in a line of its own (jq -c '.[]' FILE)"
    if said:
        raise BadSettings(f"nothing was published: expected lines of JSON, {source} {said}")


def warnings_in_words(checked: Checked) -> list[str]:
    """The first warnings, and how many more there are."""
    more = checked.warned - SHOWN
    return [f"warning: {said}" for said in checked.warnings[:SHOWN]] + (
        [f"(and {more} more warnings)"] if more > 0 else []
    )


def send(lines: BinaryIO, topic: Topic, kafka: KafkaSettings, source: str, shop: Shop = ANY_SHOP) -> None:
    """Publish lines that were checked, and wait until all are acknowledged.

    Raises `ReshelfError` naming the lines that were refused.
    """
    lines.seek(0)
    producer = Producer(_producer_config(kafka))
    _require(producer, kafka, topic)
    refused: list[str] = []
    for number, text in numbered(lines):
        _produce(producer, kafka.prefix + topic.name, record(number, text, topic, shop), refused)
        if len(refused) >= SHOWN:
            producer.purge()
            break
    while producer.flush(1.0):
        pass
    if refused:
        named = [f"{source}, {line}" for line in refused[:SHOWN]]
        raise ReshelfError("\n".join(["not all was published", *named]))


def deliver(kafka: KafkaSettings, topic: Topic, records: Sequence[tuple[bytes, bytes | None]]) -> None:
    """Publish (key, value) pairs and wait until all are acknowledged; raises `ReshelfError` when one is not."""
    producer = _kept_producer(tuple(_producer_config(kafka).items()))
    _require(producer, kafka, topic)
    refused: list[str] = []
    for number, (key, value) in enumerate(records, 1):
        _produce(producer, kafka.prefix + topic.name, Line(number, key, value), refused)
    while producer.flush(1.0):
        pass
    if refused:
        _kept_producer.cache_clear()
        raise ReshelfError("\n".join([f"not all was published to {topic.name}", *refused[:SHOWN]]))


def forget(units: Sequence[str], kafka: KafkaSettings) -> None:
    """Ask attribution to drop the clicks of units.

    Raises `BadSettings` for a name no event can have, `ReshelfError` when not all was published.
    """
    lines = BytesIO(b"\n".join(msgspec.json.encode({"key": unit, "value": None}) for unit in units))
    check(lines, CLICKS, "UNIT")
    send(lines, CLICKS, kafka, "UNIT")


def _producer_config(kafka: KafkaSettings) -> ClientConfig:
    return confluent_producer_config(kafka) | {"message.timeout.ms": SEND_TIMEOUT_MS}


@lru_cache(maxsize=1)
def _kept_producer(config: tuple[tuple[str, Any], ...]) -> Producer:
    """The producer of a process: a new one waits up to half a second for its number from the brokers."""
    return Producer(dict(config))


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
