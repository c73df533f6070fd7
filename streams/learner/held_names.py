"""What names a learner holds, as metrics.

There is no share of the limit that alarms: those of past days stay until others need the room.
"""

from __future__ import annotations

from streams.metrics import REGISTRY, Registry
from streams.state.arrays.directory import Directories

SETTING = "learner.memory_mb"


def expose(directories: Directories, metrics: Registry = REGISTRY) -> None:
    """Bytes and the limit; how many directories were read from Redis, and let go."""
    metrics.set("reshelf_state_memory_bytes", SETTING, "names", value=directories.bytes)
    metrics.set("reshelf_state_memory_limit_bytes", SETTING, value=directories.limit)
    metrics.set("reshelf_state_keys_read_total", SETTING, "read", value=directories.read)
    metrics.set("reshelf_state_keys_read_total", SETTING, "evicted", value=directories.dropped)
