"""The layout producer as a Faust application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import faust

from schemas.topics import LAYOUT_REQUESTS, LAYOUTS_HISTORY
from streams.catalog.follower import Follower
from streams.catalog.items import memory_of
from streams.catalog.view import CatalogView
from streams.kafka.records import TopicPartition
from streams.layouts.clock import Decided
from streams.layouts.guard_rail import GuardRail
from streams.layouts.producer import LayoutProducer
from streams.metrics import REGISTRY, Registry
from streams.page_settings import ExperimentSettings, LayoutSettings
from streams.retry import Retry
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.connection.pipelined import PipelinedClient
from streams.state.layout_versions import Versions
from streams.state.reader import StateReader
from streams.state.reading.memory import StateMemory
from streams.transport import BatchApp, end_process, reader
from streams.worker import Worker, open_worker

REQUESTS_LINGER_S = 0.02
"""How long the reader rests after it read requests: a fetch for each costs as much as composing."""


class _Member:
    """A producer between its agent and its topics."""

    def __init__(
        self, producer: LayoutProducer, follower: Follower, watch: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self.app: BatchApp
        self.producer = producer
        self.follower = follower
        self._watch = watch
        self._retry = Retry()

    async def resume(self, tps: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end of each partition: what was requested before is due by the assignment itself.

        Of one that stayed here while the group shared out anew, where it was left.
        """
        bounds = await self._retry.until_success(lambda: reader(self.app).bounds(tps)) or {}
        left = {tp: reader(self.app).ledger.left(tp) for tp in bounds}
        continued = {
            tp: at for tp, (first, end) in bounds.items() if (at := left[tp]) is not None and first <= at <= end
        }
        self.producer.own((tp.partition for tp in reader(self.app).owned()), (tp.partition for tp in continued))
        return {tp: continued.get(tp, end) for tp, (_, end) in bounds.items()}

    async def revoked(self, tps: frozenset[TopicPartition]) -> None:
        self.producer.disown(tps)

    async def hear(self, stream: Any) -> None:
        """The agent: requests make their keys due."""
        async for event in stream.noack().events():
            self.producer.request(event.value)
            event.ack()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        return [self.follower.follow(), self.producer.list_keys(), self.producer.produce(), self._watch()]


def layouts_app(
    kafka: KafkaSettings,
    redis: RedisSettings,
    fold: FoldSettings,
    settings: LayoutSettings,
    on_error: Callable[[Exception], None] = end_process,
    metrics: Registry = REGISTRY,
    experiment: ExperimentSettings | None = None,
    report: Callable[[Decided], None] = lambda decided: None,
) -> Callable[[], Awaitable[faust.App]]:
    """A function that makes the producer's app in the event loop that will run it.

    `metrics` is counted into while the app runs, and `report` is called with what became of each
    key that was due.  The function returns when the compacted topics have been read to their
    ends.  It raises `BadSettings` when a topic is missing, `StateAttention` when the
    namespace was made with other settings.
    """

    async def make() -> faust.App:
        async with open_worker(kafka, redis, fold, (LAYOUTS_HISTORY,)) as worker:
            member = await _member(worker, settings, metrics, experiment or ExperimentSettings(), report)
            return worker.build_app(
                "layouts",
                member,
                (LAYOUT_REQUESTS,),
                member.hear,
                member.tasks,
                "Composing layouts",
                on_error,
                linger_s=REQUESTS_LINGER_S,
            )

    return make


async def _member(
    worker: Worker,
    settings: LayoutSettings,
    metrics: Registry,
    experiment: ExperimentSettings,
    report: Callable[[Decided], None],
) -> _Member:
    """A producer that knows what the compacted topics say."""
    retry, kafka, manifest = Retry(), worker.kafka, worker.manifest
    catalog = CatalogView(lambda topic: metrics.add("reshelf_invalid_records_total", topic))
    pipelined = PipelinedClient(worker.redis)
    memory = StateMemory(settings.memory_mb, "layouts.memory_mb", metrics, lambda: memory_of(catalog.items))
    state = StateReader(worker.redis, manifest, pipelined, memory)
    versions = Versions(pipelined, manifest.namespace, manifest.groups, settings.ttl_ms)
    guard = GuardRail(state, experiment, settings)
    producer = LayoutProducer(
        catalog, state, versions, worker.log_producer, settings, metrics, finish=guard.applied, report=report
    )
    follower = Follower(kafka, catalog, producer.changed)
    worker.opened.push_async_callback(follower.stop)
    await retry.until_success(follower.start)
    await retry.until_success(follower.catch_up)
    producer.request_partitions = follower.partitions[LAYOUT_REQUESTS.name]
    guard.recall(catalog.published)
    return _Member(producer, follower, lambda: guard.watch(catalog, producer.changed, metrics))
