"""What is wrong with an installation, and what to do about it."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import redis
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from reshelf.settings import Settings
from reshelf.topics import states
from schemas.errors import BadSettings, ReshelfError
from schemas.topics import CONVERSIONS, EVENT_TOPICS, PURCHASES, Topic
from streams.clients import confluent_admin_config, confluent_producer_config, redis_servers
from streams.namespace import log_bounds
from streams.settings import KafkaSettings

TIMEOUT_S = 10.0
OLDEST = {"redis": 7, "valkey": 8}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do unless all is well."""

    about: str
    state: Literal["ok", "note", "bad"]
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:<4}  {self.about}: {self.found}" + (f"\n      {self.remedy}" if self.remedy else "")


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at brokers, topics, Redis and clocks.  What cannot be reached is a finding, never an error."""
    try:
        yield from _topics(settings)
        yield _broker_clock(settings)
    except ReshelfError as error:
        yield Finding("broker", "bad", str(error))
    try:
        with redis_servers(settings.redis) as servers:
            for name, client in servers.items():
                skew_ms = _redis_skew_ms(client)
                yield from redis_findings(client.info(), skew_ms, settings.attribution.clock_skew_ms, name)
    except (redis.RedisError, OSError) as error:
        yield Finding("Redis", "bad", str(error), "Check redis.url, user and password, and that the server runs.")


def redis_findings(info: Mapping[str, Any], skew_ms: float, allowed_ms: int, name: str = "Redis") -> Iterator[Finding]:
    """Findings from what INFO answers and from the difference of the clocks."""
    kind = "valkey" if "valkey_version" in info else "redis"
    version = str(info[f"{kind}_version"])
    if int(version.partition(".")[0]) < OLDEST[kind]:
        yield Finding(name, "bad", f"{kind} {version}", f"Use Redis 7 or Valkey 8, or newer; this is {version}.")
    else:
        yield Finding(name, "ok", f"{kind} {version}")
    yield _eviction(name, str(info.get("maxmemory_policy", "unknown")))
    yield _persistence(name, bool(info.get("aof_enabled")))
    yield _clock(f"{name} clock", skew_ms, allowed_ms)


def _eviction(name: str, policy: str) -> Finding:
    if policy == "noeviction":
        return Finding(f"{name} eviction", "ok", policy)
    remedy = "Set maxmemory-policy noeviction: a server that drops keys when full loses parts of the state."
    return Finding(f"{name} eviction", "bad", policy, remedy)


def _persistence(name: str, appends: bool) -> Finding:
    if appends:
        return Finding(f"{name} persistence", "ok", "append-only file")
    remedy = "Set appendonly yes: without it a restart reads the log again from where the last snapshot was."
    return Finding(f"{name} persistence", "note", "no append-only file", remedy)


def _topics(settings: Settings) -> Iterator[Finding]:
    found = states(settings.kafka)
    yield Finding("broker", "ok", f"{settings.kafka.bootstrap} answers")
    missing = [state.name for state in found if not state.exists]
    if missing:
        yield Finding("topics", "bad", f"missing: {', '.join(missing)}", "Run `reshelf topics apply`.")
    else:
        bounds = log_bounds(settings.kafka, [topic.name for topic in EVENT_TOPICS])
        yield from window_findings(bounds, settings.fold.duplicate_window)
    differing = [f"{state.name}: {text}" for state in found if state.exists for text in state.differences]
    if differing:
        remedy = "Change the topics with your broker's tools, or the settings to what is meant."
        yield Finding("topics", "bad", "; ".join(differing), remedy)
    if not missing and not differing:
        yield Finding("topics", "ok", f"all {len(found)} are there")
    yield from retention_findings({state.topic: state.config for state in found})
    if any(state.exists and not state.config for state in found):
        yield Finding("topic configuration", "note", "the broker tells none", "Check cleanup and retention by hand.")


def retention_findings(configs: Mapping[Topic, Mapping[str, str]]) -> Iterator[Finding]:
    """Whether decisions are there as long as any purchase of theirs: Kafka deletes purchases by whole segments."""
    purchases, conversions = configs[PURCHASES], configs[CONVERSIONS]
    if not {"retention.ms", "segment.ms"} <= purchases.keys() or "retention.ms" not in conversions:
        return
    kept, bought = int(conversions["retention.ms"]), int(purchases["retention.ms"])
    least = bought + int(purchases["segment.ms"])
    if kept >= 0 and (bought < 0 or kept < least):
        wanted = str(least) if bought >= 0 else "-1"
        remedy = (
            f"Set retention.ms of {CONVERSIONS.name} to {wanted}, if not longer: "
            "a new namespace publishes decisions again that it does not find."
        )
        found = f"kept for {kept} ms, purchases for {bought} ms and a segment of {purchases['segment.ms']} ms"
        yield Finding("conversions", "bad", found, remedy)


def window_findings(bounds: Mapping[str, Sequence[tuple[int, int]]], window: int) -> Iterator[Finding]:
    """Whether a worker that starts finds the window in which it knows repetitions, or all that there ever was."""
    short = [
        f"{topic}/{partition} has {end - first:,}"
        for topic, pairs in bounds.items()
        for partition, (first, end) in enumerate(pairs)
        if first > 0 and end - first < window
    ]
    if short:
        remedy = (
            "Keep event topics longer: a worker that starts knows no unit, page view or event_id of before them, "
            "so `units` of experiments depend a little on restarts."
        )
        more = f" and {len(short) - 1} others have fewer" if short[1:] else ""
        found = f"{short[0]} records{more}, fold.duplicate_window is {window:,}"
        yield Finding("duplicate window", "note", found, remedy)


def _broker_clock(settings: Settings) -> Finding:
    try:
        skew_ms = _append_time_skew_ms(settings.kafka)
    except (KafkaException, BadSettings, BufferError) as error:
        remedy = "Checking needs the right to create and delete a topic; else compare the clocks by hand."
        return Finding("broker clock", "note", f"not checked: {error}", remedy)
    if skew_ms is None:
        remedy = "Late events cannot be told here: good for trying out, not for operation."
        return Finding("broker clock", "note", "the broker stamps no append time", remedy)
    return _clock("broker clock", skew_ms, settings.attribution.clock_skew_ms)


def _clock(about: str, skew_ms: float, allowed_ms: int) -> Finding:
    found = f"{skew_ms:+.0f} ms against this machine"
    if abs(skew_ms) <= allowed_ms:
        return Finding(about, "ok", found)
    return Finding(about, "bad", found, f"Let NTP set both clocks: at most {allowed_ms} ms are allowed for.")


def _redis_skew_ms(client: redis.Redis) -> float:
    before = time.time()
    seconds, micros = client.time()
    middle = (before + time.time()) / 2
    return (float(seconds) + float(micros) / 1e6 - middle) * 1000


def _append_time_skew_ms(kafka: KafkaSettings) -> float | None:
    """Broker's append time minus our clock, by one record in a topic made for it; None where none is stamped."""
    admin = AdminClient(confluent_admin_config(kafka))
    name = f"{kafka.prefix}doctor-{uuid.uuid4().hex[:8]}"
    stamp = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic(name, 1, kafka.replication, config=stamp)])[name].result(TIMEOUT_S)
    try:
        return _stamped_skew_ms(kafka, name)
    finally:
        with contextlib.suppress(KafkaException):
            admin.delete_topics([name])[name].result(TIMEOUT_S)


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
    producer.produce(topic, b"clock", on_delivery=_told(stamps, failures))
    producer.flush(TIMEOUT_S)


def _told(stamps: list[tuple[int, int]], failures: list[KafkaError]) -> Callable[[KafkaError | None, Message], None]:
    def told(error: KafkaError | None, message: Message) -> None:
        if error is None:
            stamps.append(message.timestamp())
        else:
            failures.append(error)

    return told
