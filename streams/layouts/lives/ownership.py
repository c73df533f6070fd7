"""Which keys are this worker's: those in its partitions of `layout-requests`."""

from __future__ import annotations

from functools import lru_cache

from schemas.codec import encode_key
from schemas.topics import LAYOUT_REQUESTS
from streams.catalog.layouts.lives import life_name
from streams.catalog.page import Key
from streams.kafka.clients import partition_of


class Ownership:
    """The partitions that a worker of a namespace owns, of all `partitions` of the topic."""

    def __init__(self, namespace: str) -> None:
        self.partitions = 1
        self.owned: frozenset[int] = frozenset()
        self._namespace = namespace

    def __contains__(self, key: Key) -> bool:
        return self.partition(key) in self.owned

    def partition(self, key: Key) -> int:
        """Where requests for the key are."""
        return _partition(key, self.partitions)

    @property
    def lives(self) -> frozenset[str]:
        """The lives of the partitions that are owned."""
        return frozenset(map(self.life, self.owned))

    def life(self, partition: int) -> str:
        """What the layouts of the partition's keys name as their life."""
        return life_name(self._namespace, partition, self.partitions)


@lru_cache(maxsize=100_000)
def _partition(key: Key, partitions: int) -> int:
    return partition_of(encode_key(LAYOUT_REQUESTS, *key), partitions)
