"""What those who read the state pay: a layout the first time and the next, its memory, which keys there are."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.shop.catalog import Shop, number_in, page_name
from bench.shop.report import blank
from bench.shop.workplace import Workplace
from schemas.topics import CLICKS
from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Key, Page
from streams.catalog.weighted_counts import WeightedCountsCache
from streams.fold.deltas import WHOLE_PAGE, GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.records import TopicPartition
from streams.layouts.compose import compose
from streams.page_settings import LayoutSettings
from streams.state.connection.client import redis_client
from streams.state.keys import group_of
from streams.state.reader import KeyState, StateReader
from streams.state.reading.memory import StateMemory
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark

SAMPLE = 200
"""Pages and segments whose layouts are timed, of all ranks."""
TP = TopicPartition(CLICKS.name, 0)


def measure(at: Workplace) -> dict[str, Any]:
    """Processor time of this process alone, in milliseconds; medians."""
    return blank("reads") | asyncio.run(_measured(at)) | {"redis_mb": at.redis().mb}


async def _measured(at: Workplace) -> dict[str, Any]:
    client = redis_client(at.settings.redis)
    try:
        reader = await StateReader.open(client, at.settings.redis.namespace)
        reader.memory = StateMemory(at.settings.layouts.memory_mb)
        bench = _Bench(at.shop, reader, Store(client, reader.manifest.namespace, reader.manifest.groups))
        await bench.advance()
        return await bench.keys() | await bench.layouts() | await bench.whole_page()
    finally:
        await client.aclose()


class _Bench:
    def __init__(self, shop: Shop, reader: StateReader, store: Store) -> None:
        self._shop, self._reader, self._store = shop, reader, store
        self._sums = WeightedCountsCache(reader.memory.room)
        reader.memory.on_evict(self._sums.forget)
        self._pages: dict[str, Page] = {}
        self._settings = LayoutSettings()

    async def advance(self) -> None:
        """The log has come to today, in all groups."""
        for group in range(self._store.groups):
            await self._apply(group, None)

    async def keys(self) -> dict[str, Any]:
        """Looking up which there are, at first and when one was written since."""
        first = await _ms(self._reader.keys)
        await self.write(self._shop.keys[0])
        return {"list_ms": {"first": first, "next": await _ms(self._reader.keys)}}

    async def layouts(self) -> dict[str, Any]:
        """Of a sample: read and composed at first, after a click, and what that takes of memory."""
        ranks = np.unique(np.linspace(0, len(self._shop.keys) - 1, SAMPLE).astype(int)).tolist()
        some = [self._shop.keys[rank] for rank in ranks]
        for key in some:
            self.page(key.page)
        before = _rss_kb()
        first = [await _ms(lambda key=key: self.layout(key, self._reader.read)) for key in some]  # type: ignore[misc]
        kb = (_rss_kb() - before) / len(some)
        again = []
        for key in some:
            await self.write(key)
            again.append(await _ms(lambda key=key: self.layout(key, self._reader.read)))  # type: ignore[misc]
        held = self._reader.memory.size / 1024 / len(some)
        times = {"first": _median(first), "next": _median(again)}
        return {"layout_ms": times, "kb_per_key": {"process": round(kb), "tables": round(held)}}

    async def whole_page(self) -> dict[str, Any]:
        """A page in the middle: all segments at first, when none was written, and when five were."""
        page = page_name(self._shop.pages[len(self._shop.pages) // 2])
        segments = [key.segment for key in self._shop.keys if key.page == page]
        self.page(page)

        async def read(page: str, _: str) -> KeyState:
            return await self._reader.read_page(page, [*segments, WHOLE_PAGE])

        times: dict[str, Any] = {"segments": len(segments)}
        for name, changed in (("first", ()), ("none", ()), ("five", segments[:5])):
            for segment in changed:
                await self.write(Key(page, segment))
            times[name] = await _ms(lambda: self.layout(Key(page, WHOLE_PAGE), read))
        return {"whole_page_ms": times}

    async def layout(self, key: Key, read: Callable[[str, str], Awaitable[KeyState]]) -> None:
        """Read and compose it."""
        page = self.page(key.page)
        sums = self._sums.of(key, page.candidates, tuple(page.rules.slots))
        compose(key.segment, await read(*key), page, self._settings, 1, sums)

    def page(self, name: str) -> Page:
        """The page without what was fitted to it."""
        if name not in self._pages:
            number = number_in(name)
            items = CandidateSet(tuple(sorted(self._shop.candidates(number))))
            self._pages[name] = Page(self._shop.rules(number), items, [0] * self._shop.size.partitions)
        return self._pages[name]

    async def write(self, key: Key) -> None:
        """One click."""
        item = next(iter(self.page(key.page).candidates.items))
        tables = {TableKey(*key, self._shop.today, Traffic.LEARNED): TableDelta({"clicks": {(item, self._slot): 1}})}
        await self._apply(group_of(*key, self._store.groups), GroupDelta(tables))

    async def _apply(self, group: int, delta: GroupDelta | None) -> None:
        mark = (await self._store.watermarks(TP, 0))[group]
        after = Watermark(mark.offset + 1, self._shop.today)
        await self._store.apply(TP, 0, [GroupUpdate(group, mark.offset, after, delta)])

    @property
    def _slot(self) -> str:
        return self._shop.slots[0]


async def _ms(work: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    await work()
    return round(1000 * (time.process_time() - began), 2)


def _median(times: Sequence[float]) -> float:
    return round(statistics.median(times), 2)


def _rss_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
