"""Settings to client libraries of Kafka (Faust, aiokafka and librdkafka), and how connections of aiokafka end.

Every client of a room is configured here, so that partitioner, durability and
security are the same wherever a record is written or read.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, Message

from schemas.errors import BadSettings
from streams.cancellation import cancel_all
from streams.settings import KafkaSettings

_SECRETS = frozenset({"sasl.password", "ssl.key.password"})
REPEAT_S = 60.0
_librdkafka_log = logging.getLogger("reshelf.librdkafka")


class RepeatFilter(logging.Filter):
    """Lets messages that differ in numbers only pass once in REPEAT_S: librdkafka repeats itself at each attempt.

    What it says in brackets of an attempt (how long it took, how many it has not told of) makes no other message.
    """

    def __init__(self) -> None:
        super().__init__()
        self._logged_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, text = time.monotonic(), re.sub(r"\d+|\(after .*\)", "", record.getMessage())
        if now - self._logged_at.get(text, -REPEAT_S) < REPEAT_S:
            return False
        self._logged_at[text] = now
        return True


_librdkafka_log.addFilter(RepeatFilter())


class ClientConfig(dict[str, Any]):
    """Settings for librdkafka, by its own names; a repr shows no secret."""

    def __repr__(self) -> str:
        return repr({name: "***" if name in _SECRETS else value for name, value in self.items()})

    def __or__(self, other: Mapping[str, Any]) -> ClientConfig:  # type: ignore[override]
        return ClientConfig({**self, **other})


def confluent_producer_config(kafka: KafkaSettings) -> ClientConfig:
    """Settings of every confluent-kafka producer.

    The murmur2 partitioner is that of Java and aiokafka clients: a key must go to
    the same partition whoever writes it.  `acks=all` with idempotence keeps the order
    of a partition and writes a record once, however often it is sent.
    """
    return _confluent(kafka) | {
        "partitioner": "murmur2_random",
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "batch.size": 512 * 1024,
        "compression.type": "lz4",
    }


def confluent_consumer_config(kafka: KafkaSettings, group: str) -> ClientConfig:
    """Settings of every confluent-kafka consumer: committed records only, nothing committed by itself.

    A position outside the log is an error (`auto.offset.reset=error`), never a silent
    reset; readers that have no position yet seek to one.
    """
    return _confluent(kafka) | {
        "group.id": group,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "session.timeout.ms": round(kafka.session_timeout_s * 1000),
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 10,
    }


def ends_partition(message: Message, unread: set[int]) -> bool:
    """Whether a message marks the end of a partition, which then leaves `unread`."""
    error = message.error()
    if error is None or error.code() != KafkaError._PARTITION_EOF:
        return False
    unread.discard(message.partition() or 0)
    return True


def confluent_admin_config(kafka: KafkaSettings) -> ClientConfig:
    """Settings of confluent-kafka's admin client."""
    return _confluent(kafka)


def _confluent(kafka: KafkaSettings) -> ClientConfig:
    _check_security(kafka)
    config = ClientConfig(
        {
            "bootstrap.servers": kafka.bootstrap,
            "security.protocol": kafka.security_protocol,
            "client.id": "reshelf",
            "log.connection.close": False,
            "reconnect.backoff.max.ms": 2_000,
            "log_level": 3,
            "logger": _librdkafka_log,
        }
    )
    if kafka.security_protocol.startswith("SASL_"):
        config["sasl.mechanism"] = kafka.sasl_mechanism
        config["sasl.username"] = kafka.username
        config["sasl.password"] = kafka.password.get_secret_value()
    files = {
        "ssl.ca.location": kafka.ca_file,
        "ssl.certificate.location": kafka.cert_file,
        "ssl.key.location": kafka.key_file,
    }
    return config | {name: path for name, path in files.items() if path}


def _check_security(kafka: KafkaSettings) -> None:
    """Raise BadSettings for what librdkafka would refuse in words of its own."""
    needed = {"kafka.username": kafka.username, "kafka.password": kafka.password.get_secret_value()}
    missing = [name for name, value in needed.items() if not value]
    if kafka.security_protocol.startswith("SASL_") and missing:
        raise BadSettings(
            f"kafka.security_protocol is {kafka.security_protocol}: expected kafka.username and kafka.password, "
            f"got no {' and no '.join(missing)}. Set them, or another kafka.security_protocol."
        )
    files = {"kafka.ca_file": kafka.ca_file, "kafka.cert_file": kafka.cert_file, "kafka.key_file": kafka.key_file}
    for name, path in files.items():
        if path and not os.access(path, os.R_OK):
            raise BadSettings(f"{name}: expected a PEM file that can be read, got {path!r}, which cannot. Check it.")


def aiokafka_consumer_config(kafka: KafkaSettings) -> dict[str, Any]:
    """Arguments of an aiokafka consumer that reads committed records and never moves on its own.

    Raises BadSettings when a certificate file cannot be read.
    """
    return {
        "bootstrap_servers": bootstrap_servers(kafka),
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        **_aiokafka_security(kafka),
    }


def _aiokafka_security(kafka: KafkaSettings) -> dict[str, Any]:
    """The security arguments of aiokafka's clients; raises BadSettings when a certificate file cannot be read."""
    arguments: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.security_protocol in ("SSL", "SASL_SSL"):
        arguments["ssl_context"] = _ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL_"):
        arguments["sasl_mechanism"] = kafka.sasl_mechanism
        arguments["sasl_plain_username"] = kafka.username
        arguments["sasl_plain_password"] = kafka.password.get_secret_value()
    return arguments


def bootstrap_servers(kafka: KafkaSettings) -> list[str]:
    """The brokers, one "host:port" each; the port is 9092 where none is given."""
    servers = [part.strip() for part in kafka.bootstrap.split(",") if part.strip()]
    if not servers:
        raise BadSettings(f"No broker is named: expected host:port, got {kafka.bootstrap!r}. Set kafka.bootstrap.")
    return [server if server.rpartition(":")[2].isdigit() else f"{server}:9092" for server in servers]


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file or None)
        if kafka.cert_file:
            context.load_cert_chain(kafka.cert_file, kafka.key_file or None)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(path for path in (kafka.ca_file, kafka.cert_file, kafka.key_file) if path)
        raise BadSettings(
            f"Kafka's certificate files cannot be used: {error}. Expected readable PEM files, got: {files}. "
            "Check kafka.ca_file, kafka.cert_file and kafka.key_file."
        ) from None
    return context


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a record's key, as Java's default partitioner and every producer here choose it."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions


def quiet_loggers(names: Sequence[str] = ("aiokafka", "kafka", "faust", "mode", "streams.transport")) -> None:
    """Let client libraries speak up for errors only; ours say what matters to an operator."""
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it, also while a fetch rests before its next try: aiokafka would raise the cancellation of that."""
    fetcher = consumer._fetcher
    if fetcher is not None:
        await cancel_all([fetcher._fetch_task, *fetcher._pending_tasks])
        fetcher._pending_tasks.clear()
    await consumer.stop()


def _lost_where_closed(send: Callable[..., Any]) -> Callable[..., Any]:
    """Writing to a connection that is closed already loses it, as it does by asyncio's own loop.

    uvloop says so by a RuntimeError, which aiokafka takes for a fault of the program: the worker would end for it.
    """

    @wraps(send)
    def sent(connection: AIOKafkaConnection, *arguments: Any, **named: Any) -> Any:
        try:
            return send(connection, *arguments, **named)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} broken: {error}") from error

    return sent


for _name in ("send", "_send_sasl_token"):
    setattr(AIOKafkaConnection, _name, _lost_where_closed(getattr(AIOKafkaConnection, _name)))
