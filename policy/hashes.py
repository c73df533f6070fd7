"""Hashes of names: the same on every machine and in every language."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from policy.arrays import Hashes


def hash64(*parts: str) -> int:
    """The first 64 bits of the SHA-256 of the parts, joined with a line feed, as UTF-8; big-endian."""
    return int.from_bytes(sha256("\n".join(parts).encode()).digest()[:8], "big")


def arm_hashes(items: Sequence[str]) -> Hashes:
    """A 64-bit hash per arm, uint64[A]; callers keep it, as it costs more than all draws."""
    return np.fromiter((hash64(item) for item in items), dtype=np.uint64, count=len(items))
