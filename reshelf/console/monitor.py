"""How the pipeline runs: events in, how far the state has come, workers, Redis.

One look a second is kept for some minutes, so that a page that is opened shows what
was before.  The same goes for uplifts, whose intervals hold at all times simultaneously.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription
from redis.asyncio import Redis
from redis.exceptions import RedisError

from policy.experiments.health import Health
from reshelf.console.layout_history import LayoutHistory
from reshelf.inspect.consumer_groups import describe_groups
from reshelf.inspect.duplicate_window import Tightest
from reshelf.inspect.experiment import health
from reshelf.inspect.lag import TIMEOUT_S, PartitionLag, partition_lags
from reshelf.settings import Settings
from schemas.errors import Transient
from schemas.topics import PURCHASES
from streams.kafka.clients import confluent_admin_config
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
        self.uplifts: dict[str, deque[tuple[int, Health]]] = {}
        self.quotas: list[QuotaUse] = []
        self.away = ""
        self._settings = settings
        self._redis = redis
        self._past = layout_history
        self._admin = AdminClient(confluent_admin_config(settings.kafka))
        self._servers_at = -SERVERS_S
        self._experiment_at = -EXPERIMENT_S
        self._quotas_at = -QUOTAS_S

    async def patiently(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look; what is away is remembered in words."""
        try:
            await look()
            self.away = ""
        except (Transient, KafkaException, RedisError, OSError) as error:
            self.away = str(error) or f"Kafka or Redis does not answer in time ({type(error).__name__})"

    def forget(self) -> None:
        """Begin anew: what comes is of another state."""
        self.beats.clear()
        self.health.clear()
        self.uplifts.clear()
        self.quotas, self.duplicates, self._quotas_at = [], None, -QUOTAS_S
        self.windows.clear()
        self._servers_at, self._experiment_at = -SERVERS_S, -EXPERIMENT_S

    async def beat(self, reader: StateReader, settings: Settings, pages: Iterable[str]) -> None:
        """One look at log and state; `settings` are those that the state was made with."""
        manifest = reader.manifest
        self.standings = await partition_lags(self._admin, self._redis, manifest)
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
        if now - self._experiment_at >= EXPERIMENT_S:
            self._experiment_at = now
            for page in sorted(pages)[:EXPERIMENTS]:
                await self._measure(reader, settings, page)

    def _beat(self) -> Beat:
        now = time.time_ns() // 1_000_000
        counted = [lag for lag in self.standings if lag.topic != PURCHASES.name]
        behind = [now - lag.append_time for lag in counted if lag.lag and lag.append_time]
        return Beat(
            at=now,
            events=sum(lag.end for lag in self.standings),
            applied=sum(lag.applied for lag in counted),
            lag=sum(lag.lag for lag in counted),
            age_ms=max(behind, default=0),
            layouts=self._past.layouts_read,
        )

    async def _measure(self, reader: StateReader, settings: Settings, page: str) -> None:
        current = health(await reader.read_bins(page), settings)
        self.health[page] = current
        history = self.uplifts.setdefault(page, deque(maxlen=720))
        if any(math.isfinite(uplift.high) for uplift in current.uplifts.values()):
            history.append((time.time_ns() // 1_000_000, current))

    def _groups(self, manifest: Manifest) -> list[dict[str, Any]]:
        """The workers of each role, as the broker describes them."""
        return [_group(role, group) for role, group in describe_groups(self._admin, manifest, TIMEOUT_S).items()]

    def _redis_servers(self) -> list[dict[str, Any]]:
        with redis_servers(self._settings.redis) as servers:
            return [_server(name, client.info()) for name, client in servers.items()]


def _group(role: str, group: ConsumerGroupDescription | KafkaException) -> dict[str, Any]:
    if isinstance(group, KafkaException):
        return {"role": role, "state": str(group.args[0].str()), "members": []}
    members = [{"host": member.host, "partitions": _assigned(member)} for member in group.members]
    return {"role": role, "state": group.state.name.lower(), "members": members}


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
