"""How much of the limits on names is used, by what Redis holds; a worker need not run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from streams.fold.limits import LIMIT_NAMES, QUOTA_SETTINGS
from streams.fold.names.name_codes import ITEM, SLOT, distinct, use_of
from streams.kafka.records import TopicPartition
from streams.state.limits.partition import limits_in_force
from streams.state.store import Store

ALARM = 0.8
"""The share of a limit from which on it is worth raising before it bites."""


class QuotaUse(NamedTuple):
    """How many names the fullest partition has brought into its newest time bucket, of one kind."""

    setting: str
    names: str
    tp: TopicPartition
    use: int
    limit: int

    @property
    def ratio(self) -> float:
        """The share of the limit that is used."""
        return self.use / self.limit


async def quota_use(store: Store, tps: Iterable[TopicPartition]) -> list[QuotaUse]:
    """The fullest partition for each limit, in the order of the limits."""
    fullest: dict[str, QuotaUse] = {}
    for tp in tps:
        for use in await _uses(store, tp):
            fullest[use.setting] = max(use, fullest.get(use.setting, use), key=lambda each: each.ratio)
    return [fullest[setting] for setting in QUOTA_SETTINGS if setting in fullest]


async def _uses(store: Store, tp: TopicPartition) -> list[QuotaUse]:
    limits, stored = await limits_in_force(store, tp), await store.newest_quota(tp)
    if limits is None or not stored:
        return []
    counts, largest = use_of(distinct(stored))
    uses = (*counts, largest[ITEM], largest[SLOT])
    rows = zip(QUOTA_SETTINGS, LIMIT_NAMES, uses, limits.names, strict=True)
    return [QuotaUse(setting, names, tp, use, limit) for setting, names, use, limit in rows]
