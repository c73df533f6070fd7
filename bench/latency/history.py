"""What visitors did on the day before a measurement, written into Redis as workers would have counted it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import numpy as np

from bench.latency.traffic import HOLDOUT_EVERY, Shop
from bench.pages import slot_names
from bench.state.encoding import table_parts
from bench.state.writing import StateWriter
from schemas.topics import DAY_MS
from streams.catalog.page import Key
from streams.fold.deltas import TableKey, Traffic
from streams.settings import RedisSettings
from streams.state.arrays.tables import Table
from streams.state.connection.client import redis_client

CLICK_RATE = 0.05
"""Clicks for an impression."""
SEED = 1
SHARES = {Traffic.LEARNED: 1 - 1 / HOLDOUT_EVERY, Traffic.HOLDOUT: 1 / HOLDOUT_EVERY}


def write_history(redis: RedisSettings, shop: Shop, views: int) -> None:
    """Give each page and segment the counts of so many page views, whose items were drawn alike."""
    asyncio.run(_write(redis, shop, views))


async def _write(redis: RedisSettings, shop: Shop, views: int) -> None:
    client = redis_client(redis)
    try:
        writing = StateWriter(client, redis.namespace, redis.groups)
        today = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
        await writing.reach(today)
        for key, table in _tables(shop, today - DAY_MS, views):
            await writing.add(TableKey(*key, table.bucket, table.traffic), "table", table_parts(table))
        await writing.flush()
    finally:
        await client.aclose()


def _tables(shop: Shop, bucket: int, views: int) -> Iterator[tuple[Key, Table]]:
    chance, slots = np.random.default_rng(SEED), tuple(slot_names(shop.slots))
    keys = shop.keys()
    for key in keys:
        items = tuple(shop.item_names(key.page))
        for traffic, share in SHARES.items():
            impressions = chance.poisson(views * share / len(items), (len(items), len(slots)))
            clicks = chance.binomial(impressions, CLICK_RATE)
            yield key, Table.of(key.segment, bucket, traffic, items, slots, impressions=impressions, clicks=clicks)
