"""Marks of what was done once and is not to be done again while its cause lasts, by any process.

A mark is first claimed for a short time, so that one of several processes acts, then kept for a day; while its cause
lasts each look renews it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import blake2b

from redis.asyncio import Redis

from streams.state.connection.errors import translate_errors
from streams.state.keys import PREFIX

CLAIM_S = 120
"""Longer than any attempt takes: a process that ends meanwhile leaves it to another."""
KEPT_S = 86_400
"""A cause that was away for so long counts as another."""


class Marks:
    """Those of a name; each method raises `Transient` where Redis is away."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._base = f"{PREFIX}{{{name}}}:mark:"

    async def claim(self, names: Sequence[str]) -> list[str]:
        """Those of the names that nobody claimed or did yet; those that were done are renewed."""
        return [name for name in names if await translate_errors(partial(self._claim, name))]

    async def _claim(self, name: str) -> bool:
        key = self._key(name)
        if await self._redis.set(key, b"claimed", nx=True, ex=CLAIM_S):
            return True
        if await self._redis.get(key) == b"done":
            await self._redis.expire(key, KEPT_S)
        return False

    async def keep(self, names: Sequence[str]) -> None:
        """These were done."""
        for name in names:
            await translate_errors(partial(self._redis.set, self._key(name), b"done", ex=KEPT_S))

    async def release(self, names: Sequence[str]) -> None:
        """These were not done: whoever comes next may claim them."""
        for name in names:
            await translate_errors(partial(self._redis.delete, self._key(name)))

    def _key(self, name: str) -> str:
        return self._base + blake2b(name.encode(), digest_size=16).hexdigest()
