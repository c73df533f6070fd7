"""What is wrong with an installation, and what to do about it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import redis
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from reshelf.console.standing import standings
from reshelf.live import live
from reshelf.published import latest
from reshelf.roles import ROLES
from reshelf.settings import Settings
from reshelf.topics import PARTITIONS, TopicState, states
from schemas.errors import BadSettings, ReshelfError, StateAttention
from schemas.topics import CONVERSIONS, EVENT_TOPICS, PURCHASES, Topic
from streams.clients import confluent_admin_config, confluent_producer_config, redis_client, redis_servers
from streams.namespace import log_bounds
from streams.settings import KafkaSettings
from streams.state import manifest
from streams.state.store import translated

TIMEOUT_S = 10.0
ATTEMPTS = 4
SOON = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
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
    """Look at brokers, topics, Redis, clocks and workers.  What cannot be reached is a finding, never an error."""
    answers = [(yield from _broker(settings)), (yield from _redis(settings))]
    if not all(answers):
        return
    try:
        yield from _work(live(settings))
    except (ReshelfError, KafkaException) as error:
        yield Finding("workers", "note", f"not looked at: {_words(error)}", "Mend what is said above first.")


def _broker(settings: Settings) -> Generator[Finding, None, bool]:
    try:
        yield from _topics(settings)
        yield _broker_clock(settings)
    except (ReshelfError, KafkaException) as error:
        remedy = "Check kafka.bootstrap, and kafka.security_protocol with user, password and certificate files."
        yield Finding("broker", "bad", _words(error), remedy if isinstance(error, KafkaException) else "")
        return False
    return True


def _words(error: Exception) -> str:
    return str(error.args[0].str()) if isinstance(error, KafkaException) else str(error)


def _redis(settings: Settings) -> Generator[Finding, None, bool]:
    try:
        with redis_servers(settings.redis) as servers:
            for name, client in servers.items():
                skew_ms = _redis_skew_ms(client)
                yield from redis_findings(client.info(), skew_ms, settings.attribution.clock_skew_ms, name)
    except redis.AuthenticationError as error:
        yield Finding("Redis", "bad", str(translated(error)))
        return False
    except (redis.RedisError, OSError) as error:
        remedy = "Check redis.url (rediss:// where the server speaks TLS, redis:// where not), redis.username and "
        yield Finding("Redis", "bad", str(error), f"{remedy}redis.password, and that the server runs.")
        return False
    except BadSettings as error:
        yield Finding("Redis", "bad", str(error))
        return False
    return True


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
        yield Finding("topics", "bad", "; ".join(differing), _remedy(found))
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


def _remedy(found: Sequence[TopicState]) -> str:
    """What to do about topics that differ."""
    texts = [(state, text) for state in found if state.exists for text in state.differences]
    counts = {state.partitions for state, text in texts if text.startswith(PARTITIONS)}
    said = []
    if counts:
        back = f"to {counts.pop()}" if len(counts) == 1 else "to what the event topics have"
        said.append(
            f"Set kafka.partitions back {back}: event topics cannot be given more partitions, as units would move "
            "(docs/producing.md); for another number take a new kafka.prefix and redis.namespace."
        )
    if any(not text.startswith(PARTITIONS) for _, text in texts):
        said.append("Change the topics with your broker's tools, or the settings to what is meant.")
    return " ".join(said)


def _work(settings: Settings) -> Iterator[Finding]:
    """Whether workers are there and keep up with the log, and whether layouts live; of the namespace that is live."""
    admin = AdminClient(confluent_admin_config(settings.kafka))
    behind = asyncio.run(_behind(settings, admin))
    if behind is None:
        found = f"none has run yet for namespace {settings.redis.namespace!r}"
        yield Finding("workers", "note", found, "Run `reshelf worker`.")
        return
    absent = _absent(settings, admin)
    yield _workers(absent)
    yield _lag(behind, settings.health.max_lag, "learner" in absent or "attribution" in absent)
    yield from _layouts(settings.kafka)


async def _behind(settings: Settings, admin: AdminClient) -> int | None:
    """Records of the log that the state lacks; None where there is no state yet."""
    client = redis_client(settings.redis)
    try:
        made = await manifest.read(client, settings.redis.namespace)
        return sum(one.lag for one in await standings(admin, client, settings.kafka.prefix, made))
    except StateAttention:
        return None
    finally:
        await client.aclose()


def _absent(settings: Settings, admin: AdminClient) -> list[str]:
    """The roles whose consumer group has no member."""
    groups = {f"{settings.kafka.prefix}{role}-{settings.redis.namespace}": role for role in ROLES}
    return [role for name, role in groups.items() if not _members(admin, name)]


def _members(admin: AdminClient, group: str) -> int:
    for _ in range(ATTEMPTS):
        try:
            return len(admin.describe_consumer_groups([group])[group].result(TIMEOUT_S).members)
        except KafkaException as error:
            last = error
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            if error.args[0].code() not in SOON:
                break
            time.sleep(0.5)  # a cluster that has known no group yet answers so at first
    raise last


def _workers(absent: Sequence[str]) -> Finding:
    if not absent:
        return Finding("workers", "ok", "all parts run")
    remedy = f"Run `reshelf worker {' '.join(absent)}`: they go on where the state stands."
    return Finding("workers", "note", f"none runs as {', '.join(absent)}", remedy)


def _lag(behind: int, most: int, alone: bool) -> Finding:
    found = f"{behind:,} records behind the log"
    if behind <= (0 if alone else most):
        return Finding("state", "ok", found)
    remedy = "Start the workers that are missing." if alone else "Add learners, at most one for each partition."
    return Finding("state", "note", found, f"{remedy} docs/operating.md says more, under ReshelfLag.")


def _layouts(kafka: KafkaSettings) -> Iterator[Finding]:
    newest = latest(kafka)
    if newest is None:
        yield Finding("layouts", "note", "none is published", "Declare a page: `reshelf rules apply FILE`.")
        return
    left_s = newest.expires_at / 1000 - time.time()
    if left_s > 0:
        yield Finding("layouts", "ok", f"the newest expires in {left_s:.0f} s")
        return
    remedy = "Renderers show their own fallback. Run `reshelf worker layouts`; where one runs, see its log."
    yield Finding("layouts", "note", f"all have expired, the newest {-left_s:,.0f} s ago", remedy)


def _broker_clock(settings: Settings) -> Finding:
    try:
        skew_ms = _append_time_skew_ms(settings.kafka)
    except (KafkaException, BadSettings, BufferError) as error:
        remedy = "Checking needs the right to create and delete a topic; else compare the clocks by hand."
        return Finding("broker clock", "note", f"not checked: {_words(error)}", remedy)
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
