"""Broker and Redis of a run: those of the settings, or its own, whose files and processes are looked at as well."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reshelf.processes.servers import embedded_broker, kafka_server, redis_server
from reshelf.settings import Settings

BROKER_PROPERTIES = (
    "log.retention.check.interval.ms=5000",
    "log.cleaner.backoff.ms=5000",
    "log.segment.delete.delay.ms=1000",
    "offsets.retention.check.interval.ms=60000",
)
"""A broker looks for what has expired every five minutes, which is long beside a run."""
START_S = 300.0
"""How long a broker may take until it answers, on a machine that others use as well."""
OPEN_TO_ALL = {"username": "", "password": "", "ca_file": "", "cert_file": "", "key_file": ""}


@dataclass(frozen=True, slots=True)
class Servers:
    """Settings that name them, processes by what they are called, and where the log's files are; '' where unknown."""

    settings: Settings
    processes: dict[str, int] = field(default_factory=dict)
    log_folder: Path | None = None


@contextlib.contextmanager
def servers(settings: Settings, folder: Path, broker: str, kafka_home: Path | None) -> Iterator[Servers]:
    """`broker` is `kafka` (of `kafka_home`), `embedded`, or empty for what the settings name."""
    if not broker:
        yield Servers(settings)
        return
    processes: dict[str, int] = {}
    logs: Path | None = None
    with contextlib.ExitStack() as stack:
        if kafka_home is not None:
            logs = folder / "kafka"
            logs.mkdir()
            kafka = stack.enter_context(kafka_server(kafka_home, logs, start_s=START_S, properties=BROKER_PROPERTIES))
            processes["kafka"], bootstrap = kafka.child.pid, kafka.address
        else:
            bootstrap = stack.enter_context(embedded_broker())
        place = folder / "redis"
        place.mkdir()
        redis = stack.enter_context(redis_server(place, appendonly=False))
        processes["redis"] = redis.child.pid
        own: dict[str, Any] = {
            "kafka": OPEN_TO_ALL | {"bootstrap": bootstrap, "security_protocol": "PLAINTEXT", "replication": 1},
            "redis": OPEN_TO_ALL | {"url": f"redis://{redis.address}/0", "cluster": False},
        }
        yield Servers(settings.changed(**own), processes, logs)
