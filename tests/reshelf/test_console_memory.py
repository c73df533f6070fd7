"""What the console holds: of pages that are declared, and no more than its memory has tables of."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from redis import Redis

from reshelf.console.live_view import LiveView, State
from reshelf.console.views.arms import arms
from reshelf.settings import Settings
from schemas.codec import encode, encode_key
from schemas.messages.pages import Candidates, PageRules
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, EVENT_TOPICS, PAGE_RULES
from streams.fold.deltas import WHOLE_PAGE, GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.connection.client import redis_client
from streams.state.keys import group_of
from streams.state.manifest import agree, manifest_of
from streams.state.reader import StateReader
from streams.state.reading.memory import StateMemory
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.streams.layout_inputs import Logged, item

CLICKS = TopicPartition("events-clicks", 0)
SLOTS, SEGMENTS = ["top", "left"], ("cooks", "not counted", WHOLE_PAGE)
CAMPAIGNS = 5


class Watched:
    """A console's view of campaigns, each with items of its own, that begin, are counted and end."""

    def __init__(self, view: LiveView) -> None:
        self.view = view

    @property
    def state(self) -> State:
        assert self.view.state is not None
        return self.view.state

    async def begin(self, page: str) -> None:
        for name in self._items(page):
            self._take(CATALOG_ITEMS, name, item(name, category=page))
        self._take(PAGE_RULES, page, PageRules(page, 1, SLOTS, candidates=Candidates(categories=[page])))
        cells = {(name, slot): 3 for name in self._items(page) for slot in SLOTS}
        await self._count(TableKey(page, "cooks", 0, Traffic.LEARNED), TableDelta({"impressions": cells}))

    async def look_at(self, page: str) -> None:
        """Ask for the arms of all segments, as people who look at the page do."""
        for segment in SEGMENTS:
            content = await arms(self.view, self.state, self.view.catalog.rules[page], segment)
            if segment == "cooks":
                assert content["shown"].sum() == 3 * 4 * len(SLOTS)

    def end(self, page: str) -> None:
        for name in self._items(page):
            self._take(CATALOG_ITEMS, name, None)
        self._take(PAGE_RULES, page, None)

    async def _count(self, key: TableKey, delta: TableDelta) -> None:
        store, group = Store(self.view.redis, "live", 4), group_of(key.page, key.segment, 4)
        at = (await store.watermarks(CLICKS, 0))[group].offset
        await store.apply(CLICKS, 0, [GroupUpdate(group, at, Watermark(at + 1), GroupDelta({key: delta}))])

    def _take(self, topic: Topic, name: str, value: msgspec.Struct | None) -> None:
        record = Logged(0, encode_key(topic, name), None if value is None else encode(value))
        assert not self.view.catalog.take(topic, 0, [record]).invalid

    @staticmethod
    def _items(page: str) -> list[str]:
        return [f"{page}-{number}" for number in range(4)]


@pytest.fixture
def watch(
    broker: str, prefix: str, make_topics: Callable[..., None], redis: Redis, redis_url: str
) -> Callable[[Callable[[Watched], Awaitable[None]]], None]:
    """`watch(steps)`: run steps with what a console watches."""
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    settings = Settings(kafka=kafka, redis=RedisSettings(url=redis_url, namespace="live", groups=4))

    async def run(steps: Callable[[Watched], Awaitable[None]]) -> None:
        async with redis_client(settings.redis) as client:
            starts = {topic.name: [0] * 4 for topic in EVENT_TOPICS}
            await agree(client, manifest_of("live", prefix, starts, 4, FoldSettings(bucket_ms=0)))
            view = LiveView(settings, client)
            await view.look()
            try:
                await steps(Watched(view))
            finally:
                view.dead_letters.close()

    return lambda steps: asyncio.run(run(steps))


def test_nothing_stays_of_campaigns_that_ended(watch: Callable[..., None]) -> None:
    async def steps(watched: Watched) -> None:
        await watched.begin("home")
        await watched.look_at("home")
        size = watched.state.weighted_counts.size
        for number in range(CAMPAIGNS):
            await watched.begin(page := f"campaign-{number}")
            await watched.look_at(page)
            candidates = weakref.ref(watched.view.catalog.candidates(page))
            assert watched.state.weighted_counts.size == 2 * size
            watched.end(page)
            await watched.view.look()
            gc.collect()
            assert watched.state.weighted_counts.size == size
            assert candidates() is None

    watch(steps)


def test_sums_go_with_the_tables_that_memory_lets_go(watch: Callable[..., None]) -> None:
    async def steps(watched: Watched) -> None:
        manifest = watched.state.manifest
        memory = StateMemory(limit_mb=0.001)
        watched.view.state = State(StateReader(watched.view.redis, manifest, memory=memory), watched.view.settings)
        pages = [f"campaign-{number}" for number in range(CAMPAIGNS)]
        for page in pages:
            await watched.begin(page)
            await watched.look_at(page)
        gone = [page for page in pages if memory.get(page, "cooks") is None]
        assert gone
        for page in gone:
            candidates = watched.view.catalog.candidates(page)
            for segment in ("cooks", WHOLE_PAGE):
                sums = watched.state.weighted_counts.of((page, segment), candidates, tuple(SLOTS))
                assert not sums.impressions[Traffic.LEARNED].any()

    watch(steps)
