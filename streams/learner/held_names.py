"""What names a learner holds, as metrics.

There is no share of the limit that alarms: those of past days stay until others need the room.
"""

from __future__ import annotations

from streams.metrics import REGISTRY, Registry
from streams.state.arrays.directory import Directories

SETTING = "learner.memory_mb"


def expose(directories: Directories, metrics: Registry = REGISTRY) -> None:
    """Bytes and the limit; how many directories were read from Redis, and let go."""
    _set(metrics, "reshelf_state_memory_bytes", (SETTING, "names"), directories.bytes)
    _set(metrics, "reshelf_state_memory_limit_bytes", (SETTING,), directories.limit)
    _set(metrics, "reshelf_state_keys_read_total", (SETTING, "read"), directories.read)
    _set(metrics, "reshelf_state_keys_read_total", (SETTING, "evicted"), directories.dropped)


def _set(metrics: Registry, name: str, labels: tuple[str, ...], value: float) -> None:
    metrics.add(name, *labels, by=value - metrics.value(name, *labels))
