"""What the console sees: topics that it follows, and the state in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Coroutine, Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from reshelf.console.followed.dead_letters import RecentDeadLetters
from reshelf.console.followed.drafts import Drafts
from reshelf.console.followed.rules_history import RulesHistory
from reshelf.console.followed.topic_tail import TopicTail, keyed
from reshelf.console.layout_history import LayoutHistory
from reshelf.console.monitor import Monitor
from reshelf.console.page_news import PageNews
from reshelf.console.title_search import TitleSearch
from reshelf.inspect.segments.history import SegmentHistory
from reshelf.namespaces.open_state import settings_of
from reshelf.settings import Settings
from schemas.codec import decode_key
from schemas.errors import BadRecord
from schemas.topic import Topic
from schemas.topics import LAYOUTS, PAGE_DRAFTS, PAGE_RULES_HISTORY
from streams.cancellation import cancel_all
from streams.catalog.follower import Follower
from streams.catalog.page import Changes, Key
from streams.catalog.snapshot import TextCatalog
from streams.catalog.weighted_counts import WeightedCountsCache
from streams.fold.deltas import WHOLE_PAGE
from streams.kafka.records import Record
from streams.retry import Retry
from streams.state.alias import resolve
from streams.state.connection.client import redis_client
from streams.state.manifest import Manifest, NamespaceMissing
from streams.state.reader import StateReader

LOOK_S = 1.0


class WatchedCatalog(TextCatalog):
    """A catalog that also keeps whole layouts, and titles to search."""

    def __init__(self, layout_history: LayoutHistory) -> None:
        self.invalid: Counter[str] = Counter()
        super().__init__(self._skipped)
        self.lives = layout_history.newest.lives
        self.titles = TitleSearch()
        self._layout_history = layout_history

    def take(self, topic: Topic, partition: int, records: Sequence[Record]) -> Changes:
        if topic is LAYOUTS:
            for record in records:
                with contextlib.suppress(BadRecord):
                    self._keep(record)
        return super().take(topic, partition, records)

    def _take_item(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        super()._take_item(key, value, changes)
        (name,) = key
        self.titles.take(name, self.texts.get(name))

    def _skipped(self, topic: str) -> None:
        self.invalid[topic] += 1

    def _keep(self, record: Record) -> None:
        self._layout_history.take(Key(*decode_key(LAYOUTS, record.key)), record.value)


@dataclass(slots=True)
class State:
    """A namespace that a worker has made, how to read it, and the settings that it was made with."""

    reader: StateReader
    settings: Settings
    weighted_counts: WeightedCountsCache = field(default_factory=WeightedCountsCache)

    def __post_init__(self) -> None:
        self.reader.memory.on_evict(self.weighted_counts.forget)

    def keep_pages(self, pages: Container[str]) -> None:
        """Let go of the tables and sums of all pages but these: nobody reads what was taken down."""
        self.reader.memory.keep_pages(pages)
        self.weighted_counts.keep_pages(pages)

    @property
    def manifest(self) -> Manifest:
        """The namespace's manifest."""
        return self.reader.manifest


class LiveView:
    """All that pages are made from; `state` is None until a worker has made the namespace."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self.settings = settings
        self.redis = redis
        self.layout_history = LayoutHistory()
        self.catalog = WatchedCatalog(self.layout_history)
        self.dead_letters = RecentDeadLetters(settings.kafka)
        self.rules_history = RulesHistory()
        self.drafts = Drafts()
        self.tails = (
            TopicTail(settings.kafka, PAGE_RULES_HISTORY, keyed(self.rules_history.take)),
            TopicTail(settings.kafka, PAGE_DRAFTS, keyed(self.drafts.take)),
        )
        self.segment_history = SegmentHistory(settings.kafka)
        self.news = PageNews()
        self.monitor = Monitor(settings, redis, self.layout_history)
        self.state: State | None = None

    def pages(self) -> dict[str, list[str]]:
        """Declared pages with their segments, '*' last."""
        return {
            page: [*sorted(self.catalog.segments.get(page, set()) - {WHOLE_PAGE}), WHOLE_PAGE]
            for page in sorted(self.catalog.rules)
        }

    @property
    def most_seen(self) -> str:
        """The declared page that most units have seen, empty where none is known to have been seen."""
        units = {
            page: health.sample_ratio for page, health in self.monitor.health.items() if page in self.catalog.rules
        }
        return max(units, key=lambda page: units[page].learned + units[page].holdout, default="")

    @property
    def namespace(self) -> str:
        """The namespace that is looked at: what the name in the settings stands for."""
        return self.settings.redis.namespace if self.state is None else self.state.manifest.namespace

    async def look(self) -> None:
        """One round: which state is it, how far has it come, what was skipped."""
        namespace = await resolve(self.redis, self.settings.redis.namespace)
        if self.state is None or self.state.manifest.namespace != namespace:
            self.monitor.forget()
            self.state = await self._state_of(namespace)
        if self.state is not None:
            self.state.keep_pages(self.catalog.rules)
            await self.monitor.beat(self.state.reader, self.state.settings, self.catalog.rules)
        await asyncio.to_thread(self.dead_letters.read)
        for tail in self.tails:
            await asyncio.to_thread(tail.read)

    async def _state_of(self, namespace: str) -> State | None:
        try:
            reader = await StateReader.open(self.redis, namespace)
        except NamespaceMissing:
            return None
        return State(reader, settings_of(self.settings, reader.manifest))

    async def watch(self) -> None:
        """Look about once a second, for ever; what is away for a while is waited for."""
        while True:
            begin = time.monotonic()
            await self.monitor.patiently(self.look)
            await asyncio.sleep(max(0.1, LOOK_S - (time.monotonic() - begin)))


@contextlib.asynccontextmanager
async def live_view(settings: Settings, failed: Callable[[BaseException], None]) -> AsyncIterator[LiveView]:
    """Follow the topics while the block runs; `failed` is called with the error that ends that.

    A broker that is away is waited for.  Raises BadSettings where topics are missing.
    """
    client = redis_client(settings.redis)
    view = LiveView(settings, client)
    follower = Follower(settings.kafka, view.catalog, lambda changes: None)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(client.aclose)
        stack.callback(view.dead_letters.close)
        for tail in view.tails:
            stack.callback(tail.close)
        stack.push_async_callback(follower.stop)
        retry = Retry()
        await retry.until_success(follower.start)
        await retry.until_success(follower.catch_up)
        stack.push_async_callback(cancel_all, [_begun(step, failed) for step in (follower.follow(), view.watch())])
        yield view


def _begun(step: Coroutine[None, None, None], failed: Callable[[BaseException], None]) -> asyncio.Task[None]:
    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failed(error)

    task = asyncio.create_task(step)
    task.add_done_callback(ended)
    return task
