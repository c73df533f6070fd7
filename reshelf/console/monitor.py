"""How the pipeline runs: events in, how far the state has come, workers, Redis.

One look a second is kept for some minutes, so that a page that is opened shows what
was before.  The same goes for uplifts, whose intervals hold at all times simultaneously.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription
from redis.asyncio import Redis
from redis.exceptions import RedisError

from policy.experiments.health import Health
from reshelf.console.layout_history import LayoutHistory
from reshelf.console.uplift_lines import UpliftLines
from reshelf.inspect.consumer_groups import describe_groups
from reshelf.inspect.duplicate_window import Tightest
from reshelf.inspect.event_sample import TopicSample, sample_events
from reshelf.inspect.experiment import PageStanding, health, standing_of
from reshelf.inspect.lag import DECIDED, TIMEOUT_S, PartitionLag, partition_lags
from reshelf.settings import Settings
from reshelf.words.read import as_said
from reshelf.words.said import say
from schemas.errors import BadSettings, Transient
from streams.kafka.clients import confluent_admin_config
from streams.kafka.records import TopicPartition
from streams.state.clicks.progress import Window, windows
from streams.state.connection.client import redis_servers
from streams.state.limits.use import QuotaUse, quota_use
from streams.state.manifest import Manifest
from streams.state.reader import StateReader
from streams.state.recent.use import tightest_window
from streams.state.store import Store

BEATS = 300
SERVERS_S = 3.0
EXPERIMENT_S = 5.0
QUOTAS_S = 60.0
EVENTS_S = 30.0
EXPERIMENTS = 50
"""Pages whose uplift is kept over time."""


class Beat(NamedTuple):
    """One look: time in milliseconds, log ends and applied records in all, lag, age of what is applied, layouts."""

    at: int
    events: int
    applied: int
    lag: int
    age_ms: int
    layouts: int


class Monitor:
    """Looks at the pipeline when `beat` is called; `away` says what did not answer the last time."""

    def __init__(self, settings: Settings, redis: Redis, layout_history: LayoutHistory) -> None:
        self.beats: deque[Beat] = deque(maxlen=BEATS)
        self.standings: list[PartitionLag] = []
        self.windows: dict[int, Window] = {}
        self.duplicates: Tightest | None = None
        self.workers: list[dict[str, Any]] = []
        self.servers: list[dict[str, Any]] = []
        self.health: dict[str, Health] = {}
        self.uplifts: dict[str, UpliftLines] = {}
        self.pages: dict[str, PageStanding] = {}
        self.quotas: list[QuotaUse] = []
        self.events: list[TopicSample] = []
        self.away = ""
        self._looked_at = time.monotonic()
        self._unapplied_since: dict[TopicPartition, int] = {}
        self._settings = settings
        self._redis = redis
        self._past = layout_history
        self._admin = AdminClient(confluent_admin_config(settings.kafka))
        self._servers_at = -SERVERS_S
        self._experiment_at = -EXPERIMENT_S
        self._quotas_at = -QUOTAS_S
        self._events_at = -EVENTS_S

    async def patiently(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look; what is away is remembered in words."""
        try:
            await look()
            self.away = ""
            self._looked_at = time.monotonic()
        except (Transient, KafkaException, RedisError, OSError) as error:
            self.away = as_said(str(error), "away.") or say("pipeline.away", error=type(error).__name__)

    def forget(self) -> None:
        """Begin anew: what comes is of another state."""
        self.beats.clear()
        self.retain(())
        self.quotas, self.duplicates, self._quotas_at = [], None, -QUOTAS_S
        self.windows.clear()
        self.events, self._events_at = [], -EVENTS_S
        self._unapplied_since.clear()
        self._servers_at, self._experiment_at = -SERVERS_S, -EXPERIMENT_S

    async def beat(self, reader: StateReader, settings: Settings, pages: Iterable[str]) -> None:
        """One look at log and state; `settings` are those that the state was made with."""
        manifest = reader.manifest
        self.take(await partition_lags(self._admin, self._redis, manifest), _now_ms())
        self.windows = await windows(self._redis, manifest)
        self.beats.append(self._beat())
        now = time.monotonic()
        if now - self._servers_at >= SERVERS_S:
            self._servers_at = now
            self.workers, self.servers = await asyncio.to_thread(
                lambda: (self._groups(manifest), self._redis_servers())
            )
        if now - self._quotas_at >= QUOTAS_S:
            self._quotas_at = now
            store = Store(self._redis, manifest.namespace, manifest.groups)
            self.quotas = await quota_use(store, manifest.partitions())
            self.duplicates = await tightest_window(store, manifest.partitions())
        if now - self._events_at >= EVENTS_S:
            self._events_at = now
            self.events = await asyncio.to_thread(_events, settings)
        if now - self._experiment_at >= EXPERIMENT_S:
            self._experiment_at = now
            some = sorted(pages)[:EXPERIMENTS]
            for page in some:
                await self._measure(reader, settings, page)
            self.retain(some)

    def retain(self, pages: Collection[str]) -> None:
        """Forget the uplifts of all pages but these: of a page that is arranged no more nobody asks."""
        of_all: tuple[dict[str, Any], ...] = (self.health, self.uplifts, self.pages)
        for of_pages in of_all:
            for page in of_pages.keys() - set(pages):
                del of_pages[page]

    def remember(self, page: str, current: Health, now: int) -> None:
        """The experiment of a page stands so now, which its uplifts over time have from time to time."""
        self.health[page] = current
        self.uplifts.setdefault(page, UpliftLines()).add(now, current.uplifts)

    def take(self, standings: list[PartitionLag], now: int) -> None:
        """Partitions stand so now.  Of one of which no record was applied, no age is known: it waits from now on."""
        self.standings = standings
        waiting = [TopicPartition(lag.topic, lag.partition) for lag in standings if lag.lag and not lag.append_time]
        self._unapplied_since = {tp: self._unapplied_since.get(tp, now) for tp in waiting}

    @property
    def look_age_s(self) -> float:
        """Seconds since everything was seen."""
        return time.monotonic() - self._looked_at

    def ages_ms(self, now: int) -> dict[str, int]:
        """Age of what is applied by topic, for its partition that is furthest behind; 0 where none is behind.

        It grows while nothing can be seen: who is behind then stays behind.
        """
        ages = dict.fromkeys((lag.topic for lag in self.standings), 0)
        for lag in self.standings:
            if lag.lag:
                since = lag.append_time or self._unapplied_since.get(TopicPartition(lag.topic, lag.partition), now)
                ages[lag.topic] = max(ages[lag.topic], now - since)
        return ages

    def newest_age_ms(self, now: int) -> int | None:
        """Age of the newest record that is applied; None where none is."""
        newest = max((lag.append_time for lag in self.standings), default=0)
        return max(0, now - newest) if newest else None

    def _beat(self) -> Beat:
        now = _now_ms()
        counted = [lag for lag in self.standings if lag.topic not in DECIDED]
        ages = self.ages_ms(now)
        return Beat(
            at=now,
            events=sum(lag.end for lag in self.standings),
            applied=sum(lag.applied for lag in counted),
            lag=sum(lag.lag for lag in counted),
            age_ms=max((ages[lag.topic] for lag in counted), default=0),
            layouts=self._past.layouts_read,
        )

    async def _measure(self, reader: StateReader, settings: Settings, page: str) -> None:
        bins = await reader.read_bins(page)
        current = health(bins, settings)
        self.remember(page, current, _now_ms())
        self.pages[page] = await asyncio.to_thread(standing_of, current, bins, settings)

    def _groups(self, manifest: Manifest) -> list[dict[str, Any]]:
        """The workers of each role, as the broker describes them."""
        return [_group(role, group) for role, group in describe_groups(self._admin, manifest, TIMEOUT_S).items()]

    def _redis_servers(self) -> list[dict[str, Any]]:
        with redis_servers(self._settings.redis) as servers:
            return [_server(name, client.info()) for name, client in servers.items()]


def _events(settings: Settings) -> list[TopicSample]:
    """What the last events say; nothing where a topic is not there."""
    try:
        return sample_events(settings)
    except BadSettings:
        return []


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _group(role: str, group: ConsumerGroupDescription | KafkaException) -> dict[str, Any]:
    if isinstance(group, KafkaException):
        return {"role": role, "state": (error := str(group.args[0].str())), "said": error, "members": []}
    members = [{"host": member.host, "partitions": _assigned(member)} for member in group.members]
    state = group.state.name.lower()
    return {"role": role, "state": state, "said": say(f"group.{state}"), "members": members}


def _assigned(member: Any) -> int:
    return len(member.assignment.topic_partitions) if member.assignment else 0


def _server(name: str, info: Mapping[str, Any]) -> dict[str, Any]:
    valkey = info.get("valkey_version", "")
    return {
        "name": name,
        "kind": "Valkey" if valkey else "Redis",
        "version": str(valkey or info.get("redis_version", "")),
        "used": int(info.get("used_memory", 0)),
        "peak": int(info.get("used_memory_peak", 0)),
        "limit": int(info.get("maxmemory", 0)),
        "policy": str(info.get("maxmemory_policy", "")),
        "persisted": bool(info.get("aof_enabled", 0)),
        "commands_per_s": int(info.get("instantaneous_ops_per_sec", 0)),
    }
