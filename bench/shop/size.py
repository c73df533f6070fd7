"""How large a shop is: the sizes S, M and L, and the share of one worker."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.codec import encode_key
from schemas.topics import LAYOUT_REQUESTS
from streams.catalog.page import Key
from streams.kafka.clients import partition_of

VIEWS_PER_VISITOR = 3
"""Page views of a visitor on a day."""


@dataclass(frozen=True, slots=True)
class Size:
    """A shop; items are those of the catalog, `candidates` those that a page may show.

    `visitors` come on each of the `days` that the state holds; `rate` is the events a second of a busy hour.
    """

    name: str
    pages: int
    segments: int
    items: int
    candidates: int
    days: int
    visitors: int
    partitions: int
    rate: int
    slots: int = 12
    variants: int = 16

    @property
    def views(self) -> int:
        """Page views of a day."""
        return self.visitors * VIEWS_PER_VISITOR


SIZES = {
    "S": Size("S", 10, 10, 10_000, 300, 30, 100_000, 4, 500),
    "M": Size("M", 100, 50, 100_000, 1_000, 90, 1_000_000, 12, 5_000),
    "L": Size("L", 1_000, 100, 1_000_000, 2_000, 90, 10_000_000, 64, 50_000),
}


@dataclass(frozen=True, slots=True)
class Share:
    """The first of `workers` workers, with its share of the partitions of layout-requests and so of the keys."""

    workers: int = 1

    def owns(self, key: Key, partitions: int) -> bool:
        """Whether a page and segment is in the share."""
        return partition_of(encode_key(LAYOUT_REQUESTS, *key), partitions) % self.workers == 0
