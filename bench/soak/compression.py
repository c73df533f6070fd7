"""Settings and topics whose windows are shorter by a factor, so that a day of traffic takes less than a day.

What is still long beside the run is cut to a share of it: all that expires has expired many times
before the second half begins, or growth up to a first expiry would look like growth without end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from reshelf.settings import Settings
from schemas.topic import Topic
from schemas.topics import DAY_MS, TOPICS
from streams.kafka.admin import outcomes
from streams.kafka.clients import confluent_admin_config

SHARES = {
    "fold.bucket_ms": 1 / 48,
    "fold.bucket_ttl_ms": 1 / 8,
    "fold.allowed_lateness_ms": 1 / 24,
    "fold.duplicate_window_ms": 1 / 12,
    "attribution.window_ms": 1 / 12,
    "attribution.returns_ms": 1 / 8,
    "layouts.epoch_ms": 1 / 12,
    "layouts.ttl_ms": 1 / 24,
}
"""The windows, and which part of the run each may take at most."""
LEAST_LATENESS_MS = 60_000
"""A busy machine reads an event so long after it happened."""
RETENTION_SHARE, LEAST_RETENTION_MS = 1 / 6, 60_000
SEGMENTS = 6
"""A topic's retention is this many segments long."""
CACHES: dict[str, dict[str, Any]] = {
    "attribution": {"memory_mb": 16},
    "learner": {"memory_mb": 1},
    "edge": {"decoded_layouts": 20, "trusted_proxies": "127.0.0.1"},
}
"""Caches that a small shop would not fill within the run."""
TIMEOUT_S = 15.0


def day_s(compress: float) -> float:
    """How long a day of traffic takes."""
    return DAY_MS / compress / 1000


def windows(settings: Settings, compress: float, run_s: float) -> dict[str, int]:
    """Each window as it is in the run, in milliseconds; 0 stays 0."""
    values = {}
    for key, share in SHARES.items():
        group, name = key.split(".")
        values[key] = int(min(getattr(getattr(settings, group), name) / compress, run_s * 1000 * share))
    if values["fold.allowed_lateness_ms"]:
        values["fold.allowed_lateness_ms"] = max(values["fold.allowed_lateness_ms"], LEAST_LATENESS_MS)
    return values


def compressed(settings: Settings, compress: float, run_s: float, folder: Path) -> Settings:
    """The settings of a run; clicks and duplicates lie in the folder."""
    groups: dict[str, dict[str, Any]] = {name: dict(values) for name, values in CACHES.items()}
    for key, value in windows(settings, compress, run_s).items():
        group, name = key.split(".")
        groups.setdefault(group, {})[name] = value
    groups.setdefault("learner", {})["folder"] = str(folder / "duplicates")
    groups["attribution"]["folder"] = str(folder / "clicks")
    return settings.changed(**groups)


def retention_ms(topic: Topic, compress: float, run_s: float) -> int:
    """How long a topic keeps its records in a run."""
    return int(max(LEAST_RETENTION_MS, min(topic.retention_ms / compress, run_s * 1000 * RETENTION_SHARE)))


def compress_topics(settings: Settings, compress: float, run_s: float) -> None:
    """Let the brokers drop records as soon; a broker that has no configuration keeps them all."""
    admin = AdminClient(confluent_admin_config(settings.kafka))
    resources = []
    for topic in TOPICS:
        if topic.cleanup == "delete" and topic.retention_ms < 0:
            continue
        kept_ms = retention_ms(topic, compress, run_s) if topic.cleanup == "delete" else LEAST_RETENTION_MS
        config = {"segment.ms": kept_ms // SEGMENTS}
        if topic.cleanup == "delete":
            config["retention.ms"] = kept_ms
        else:
            config |= {"delete.retention.ms": kept_ms, "max.compaction.lag.ms": kept_ms // SEGMENTS}
        entries = [
            ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET) for name, value in config.items()
        ]
        name = settings.kafka.prefix + topic.name
        resources.append(ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries))
    outcomes(admin.incremental_alter_configs, resources, TIMEOUT_S)
