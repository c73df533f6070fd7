"""What a shop of a given size needs, by the laws of docs/operating/sizing.md.

All figures are upper bounds: every item is seen in every slot, and every second is the peak.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from reshelf.numbers import figures, number
from reshelf.settings import Settings
from schemas.errors import BadSettings
from schemas.topics import DAY_MS, IMPRESSIONS
from streams.fold.buckets import span_of
from streams.fold.window import NAME_BYTES, memory_for
from streams.settings import HOUR_MS, FoldSettings
from streams.state.limits.use import ALARM

SHARE_OF_CORE = 0.5
"""Of a core, at the peak: the other half is for growth and for a worker that is gone."""
KINDS_OF_TRAFFIC = 2
COST_AT_KEYS = (200, 1_000, 5_000, 30_000)
LEARNER_US, REDIS_US = (53, 92, 118, 160), (41, 63, 68, 96)
"""Processor time for a twelve-slot event among so many keys in batches of 200, microseconds."""
ROW_BYTES = 32
"""In Redis, of an item's counts in four slots."""
SINGLE_DAYS, MERGED_SHARE = 4, 0.5
"""Days that are not merged yet, at most, and what a merged table takes of one that is not."""
HELD_BYTES = 16
"""In a layout worker, of an item's counts in twelve slots."""
COMPOSE_MS, COMPOSE_ITEM_US = 1, 5
CLICK_BYTES, CLICKS_PER_CORE, SPARE_DAYS = 110, 4_000, 3
EVENT_BYTES, EVENT_SLOT_BYTES = 178, 36
LAYOUT_BYTES = 9_000
"""With 12 slots and 16 variants."""
EDGE_BYTES, DECODED_BYTES = 2_000, 54_000
SHARD_GB = 24
"""Of state in one Redis; `maxmemory` is twice that."""
PARTITIONS, CASES = 12, 64
_HALF = "at half a core"
MB, GB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Shop:
    """The size of a shop; `items` are those that a page may show, `events_per_s` those of the busiest hour."""

    pages: int
    segments: int
    items: int
    events_per_s: int
    slots: int = 12
    days: int = 90
    clicks_per_s: int = 0
    retention_days: int = 7

    @property
    def keys(self) -> int:
        """Pairs of page and segment."""
        return self.pages * self.segments

    @property
    def clicks(self) -> int:
        """Clicks a second: a twentieth of the events where it is not said."""
        return self.clicks_per_s or math.ceil(self.events_per_s / 20)


@dataclass(frozen=True, slots=True)
class Need:
    """So much of something, and by which law."""

    what: str
    amount: float
    unit: str
    law: str

    def __str__(self) -> str:
        return f"{self.what:<24}{f'{figures(self.amount, 6)} {self.unit}'.rstrip():>16}  {self.law}"


def shop_of(text: str) -> Shop:
    """From `pages=100, segments=50, ...`; raises `BadSettings` that says what was expected."""
    names = [each.name for each in fields(Shop)]
    values: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (each.strip() for each in part.partition("="))
        if name not in names:
            raise BadSettings(f"--plan: expected names among {', '.join(names)}, got {name!r}.")
        if not number.replace("_", "").isdecimal() or int(number) < 1:
            raise BadSettings(f"--plan: expected {name} as a whole number of at least 1, got {number!r}.")
        values[name] = int(number)
    if missing := [name for name in names[:4] if name not in values]:
        raise BadSettings(
            f"--plan: {', '.join(missing)} is missing; for example "
            '"pages=100, segments=50, items=1000, events_per_s=5000".'
        )
    return Shop(**values)


def needs(shop: Shop, settings: Settings) -> Iterator[Need]:
    """What the shop needs."""
    learner_us, redis_us = (_at_keys(shop.keys, costs) for costs in (LEARNER_US, REDIS_US))
    learners = _workers(shop.events_per_s * learner_us / 1e6)
    tables = KINDS_OF_TRAFFIC * spans(shop.days, settings.fold)
    state = shop.keys * _in_days(tables) * ROW_BYTES * shop.items * math.ceil(shop.slots / 4)
    shards = max(math.ceil(state / (SHARD_GB * GB)), _workers(shop.events_per_s * redis_us / 1e6))
    partitions = max(PARTITIONS, 4 * learners, 2 * shards)
    yield Need("partitions", partitions, "", f"4 for each learner, who may double twice; at least {PARTITIONS}")
    yield Need("learners", learners, "", f"{number(learner_us)} µs an event among {number(shop.keys)} keys, {_HALF}")
    span_ms = settings.fold.duplicate_window_ms
    events = shop.events_per_s * span_ms // 1000
    slots = min(events * shop.slots * NAME_BYTES // MB, partitions * settings.fold.duplicate_mb // 2)
    window = memory_for(IMPRESSIONS, events) + slots
    law = f"of all learners, {figures(span_ms / HOUR_MS, 3)} hours of events; fold.duplicate_mb bounds each partition"
    yield Need("for duplicates", round(window / 1024, 1), "GB", law)
    yield Need("Redis shards", shards, "", f"{number(redis_us)} µs an event, {_HALF}; {SHARD_GB} GB of state each")
    law = f"{tables} tables a key × {number(shop.items)} items × slots; merged days take half"
    yield Need("Redis, state", round(state / GB, 1), "GB", law)
    yield from _layouts(shop, settings, tables)
    attribution = math.ceil(shop.clicks / CLICKS_PER_CORE / SHARE_OF_CORE)
    days = settings.attribution.window_ms / DAY_MS + SPARE_DAYS
    disk = shop.clicks * 86_400 * days * CLICK_BYTES
    yield Need("attribution", attribution, "", f"{number(CLICKS_PER_CORE)} clicks a second and core, {_HALF}")
    yield Need("its disk", round(disk / GB, 1), "GB", f"{CLICK_BYTES} bytes a click of {number(days)} days, over all")
    yield Need("fitter", 1, "", "and a spare one, as of all parts; fitter.memory_mb of memory")
    log = shop.events_per_s * 86_400 * (EVENT_BYTES + EVENT_SLOT_BYTES * shop.slots)
    law = f"{shop.retention_days} days before compression, times the copies"
    yield Need("Kafka, events", round(log * shop.retention_days / GB, 1), "GB", law)
    edge = shop.keys * EDGE_BYTES + min(shop.keys, settings.edge.decoded_layouts) * DECODED_BYTES
    yield Need("an edge", round(edge / MB), "MB", "2 KB a layout, and those that it keeps decoded")


def _layouts(shop: Shop, settings: Settings, tables: int) -> Iterator[Need]:
    """Layout workers, and what they write."""
    layouts = settings.layouts
    per_s = shop.keys / layouts.rest_s + shop.keys / (layouts.ttl_ms / 2000)
    compose_ms = COMPOSE_MS + COMPOSE_ITEM_US * shop.items / 1000
    held = shop.keys * tables * shop.items * HELD_BYTES * shop.slots / 12
    by_memory = math.ceil(held / (layouts.memory_mb * MB * 7 / 8))
    by_processor = _workers(per_s * compose_ms / 1000)
    counts = f"{number(layouts.memory_mb)} MiB of counts each"
    law = f"{figures(per_s, 3)} layouts a second of {figures(compose_ms, 3)} ms, {_HALF}; {counts}"
    yield Need("layout workers", max(by_memory, by_processor), "", law)
    yield Need("their counts", round(held / GB, 1), "GB", "of all workers; what is beyond the bound is read again")
    size = LAYOUT_BYTES * shop.slots / 12
    same_s = (layouts.epoch_ms if layouts.lives else layouts.ttl_ms / 2) / 1000
    published_per_s = shop.keys / layouts.rest_s + shop.keys / same_s
    law = "at most, if every layout is another; before compression"
    yield Need("layouts-history", round(published_per_s * 86_400 * size / GB, 1), "GB a day", law)


def limits(shop: Shop, fold: FoldSettings) -> Iterator[str]:
    """Which limits on names the shop comes near, and what to set."""
    uses = {
        "max_keys": shop.keys,
        "max_items": shop.pages * shop.items,
        "max_slots": shop.pages * shop.slots,
        "max_page_items": shop.items,
        "max_page_slots": shop.slots,
    }
    partition_events = shop.events_per_s * fold.duplicate_window_ms // 1000 // PARTITIONS
    if (window := memory_for(IMPRESSIONS, partition_events)) >= ALARM * fold.duplicate_mb:
        yield (
            f"fold.duplicate_mb is {number(fold.duplicate_mb)} and {number(window)} would be in use with {PARTITIONS} "
            f"partitions: set it to {number(window * 5 // 4)}, or shorten fold.duplicate_window_ms."
        )
    for name, used in uses.items():
        limit = getattr(fold, name)
        if used >= ALARM * limit:
            enough = number(2 * used)
            yield f"fold.{name} is {number(limit)} and {number(used)} are in use: set it to {enough} at least."


def spans(days: int, fold: FoldSettings) -> int:
    """Spans of time buckets that a table is kept in over so many days, at most."""
    if not fold.bucket_ms:
        return 1
    fold = fold.changed(bucket_ttl_ms=max(days * DAY_MS, fold.bucket_ms))
    buckets = max(1, days * DAY_MS // fold.bucket_ms)
    return max(_spans_at(number * fold.bucket_ms, buckets, fold) for number in range(buckets, buckets + CASES))


def _spans_at(newest: int, buckets: int, fold: FoldSettings) -> int:
    first = newest - (buckets - 1) * fold.bucket_ms
    return len({span_of(bucket, newest, fold).start for bucket in range(first, newest + 1, fold.bucket_ms)})


def _in_days(tables: int) -> float:
    """Tables of single days that take as much of Redis as so many of all spans."""
    single = min(tables, KINDS_OF_TRAFFIC * SINGLE_DAYS)
    return single + MERGED_SHARE * (tables - single)


def _workers(cores: float) -> int:
    return max(1, math.ceil(cores / SHARE_OF_CORE))


def _at_keys(keys: int, costs: tuple[int, ...]) -> float:
    """Between what was measured by the logarithm of the number of keys."""
    return float(np.interp(math.log(keys), [math.log(each) for each in COST_AT_KEYS], costs))
