"""How far the broker's clock is from ours."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from reshelf.doctor.finding import Finding, clock, words
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.kafka.admin import answers, outcomes
from streams.kafka.clients import confluent_admin_config, confluent_producer_config
from streams.settings import KafkaSettings

TIMEOUT_S = 10.0


def broker_clock(settings: Settings) -> Finding:
    """By one record in a topic made for it."""
    try:
        skew_ms = _append_time_skew_ms(settings.kafka)
    except (KafkaException, BadSettings, BufferError) as error:
        remedy = "Checking needs the right to create and delete a topic; else compare the clocks by hand."
        return Finding("broker clock", "note", f"not checked: {words(error)}", remedy)
    if skew_ms is None:
        remedy = "Late events cannot be told from others here: good for trying out, not for operation."
        return Finding("broker clock", "note", "the broker stamps no append time", remedy)
    return clock("broker clock", skew_ms, settings.attribution.clock_skew_ms)


def _append_time_skew_ms(kafka: KafkaSettings) -> float | None:
    """Broker's append time minus our clock, by one record in a topic made for it; None where none is stamped."""
    admin = AdminClient(confluent_admin_config(kafka))
    name = f"{kafka.prefix}doctor-{uuid.uuid4().hex[:8]}"
    stamp = {"message.timestamp.type": "LogAppendTime"}
    answers(admin.create_topics, [NewTopic(name, 1, kafka.replication, config=stamp)], TIMEOUT_S)
    try:
        return _stamped_skew_ms(kafka, name)
    finally:
        outcomes(admin.delete_topics, [name], TIMEOUT_S)


def _stamped_skew_ms(kafka: KafkaSettings, topic: str) -> float | None:
    producer = Producer(confluent_producer_config(kafka) | {"linger.ms": 0, "message.timeout.ms": TIMEOUT_S * 1000})
    stamps: list[tuple[int, int]] = []
    failures: list[KafkaError] = []
    _send(producer, topic, stamps, failures)  # warms up: leader, connection
    before = time.time()
    _send(producer, topic, stamps, failures)
    middle = (before + time.time()) / 2
    if failures or len(stamps) < 2:
        raise KafkaException(failures[0] if failures else KafkaError(KafkaError._TIMED_OUT))
    kind, stamped = stamps[-1]
    return stamped - middle * 1000 if kind == TIMESTAMP_LOG_APPEND_TIME else None


def _send(producer: Producer, topic: str, stamps: list[tuple[int, int]], failures: list[KafkaError]) -> None:
    producer.produce(topic, b"clock", on_delivery=_on_delivery(stamps, failures))
    producer.flush(TIMEOUT_S)


def _on_delivery(
    stamps: list[tuple[int, int]], failures: list[KafkaError]
) -> Callable[[KafkaError | None, Message], None]:
    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is None:
            stamps.append(message.timestamp())
        else:
            failures.append(error)

    return on_delivery
