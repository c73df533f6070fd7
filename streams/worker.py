"""What every stream worker opens, and the Faust application that it becomes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from redis.asyncio import Redis

from schemas.topic import Topic
from streams.disk_use import follow_disk_use
from streams.dropped import follow_drops
from streams.kafka.producer import LogProducer
from streams.kafka.records import TopicPartition
from streams.retry import Retry
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.connection.client import redis_client
from streams.state.manifest import Manifest
from streams.state.namespace import open_namespace
from streams.transport import BatchApp, create_app, run_in_background, subscription
from streams.transport.group.assignment import SEPARATE, Assignor


class Member(Protocol):
    """The member of a consumer group that a worker is: it resumes the partitions that it is given."""

    app: BatchApp

    async def resume(self, tps: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where to read each partition from."""

    async def revoked(self, tps: frozenset[TopicPartition]) -> None:
        """Forget partitions that went to another worker."""


@dataclass(frozen=True, slots=True)
class Worker:
    """An open worker; `opened` closes what it uses, last opened first."""

    kafka: KafkaSettings
    redis: Redis
    manifest: Manifest
    log_producer: LogProducer
    opened: AsyncExitStack

    def build_app(
        self,
        role: str,
        member: Member,
        topics: Sequence[Topic],
        agent: Callable[[Any], Coroutine[Any, Any, None]],
        tasks: Callable[[], Iterable[Coroutine[Any, Any, None]]],
        doing: str,
        on_error: Callable[[Exception], None],
        *,
        assignor: Assignor = SEPARATE,
        linger_s: float = 0.0,
        rest_s: Mapping[str, float] | None = None,
        folder: Path | None = None,
    ) -> BatchApp:
        """The application of a role, whose `agent` gets the batches of the topics while `tasks` run.

        In `folder` it has one for each namespace, which go with those that are dropped.
        The application closes what the worker uses when it stops.
        """
        kafka, namespace = self.kafka, self.manifest.namespace
        app = member.app = create_app(
            f"{role}-{namespace}",
            kafka,
            logical=lambda name: name.removeprefix(kafka.prefix),
            resume=member.resume,
            on_revoked=member.revoked,
            assignor=assignor,
            on_error=on_error,
            linger_s=linger_s,
            rest_s=rest_s,
        )
        names = [kafka.prefix + topic.name for topic in topics]
        app.agent(subscription(app, names), name=agent.__name__)(agent)
        beside = lambda: [*tasks(), *self._of_folder(role, folder)]  # noqa: E731
        run_in_background(app, beside, [self.opened.pop_all().aclose], doing)
        return app

    def _of_folder(self, role: str, folder: Path | None) -> list[Coroutine[Any, Any, None]]:
        if folder is None:
            return []
        drops = follow_drops(self.redis, folder, self.manifest.namespace)
        return [drops, follow_disk_use(f"{role}.folder", folder)]


@contextlib.asynccontextmanager
async def open_worker(
    kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic] = ()
) -> AsyncIterator[Worker]:
    """A worker's client, namespace and producer, waiting for broker and Redis.

    What was opened is closed when the block ends, unless an application was built of
    it.  `outputs` are the topics that it writes.  Raises `BadSettings` when a topic is
    missing, `StateAttention` when the namespace was made with other settings.
    """
    async with AsyncExitStack() as opened:
        client = redis_client(redis)
        opened.push_async_callback(client.aclose)
        manifest = await Retry().until_success(lambda: open_namespace(kafka, client, redis, fold, outputs))
        assert manifest is not None
        log_producer = LogProducer(kafka)
        opened.push_async_callback(log_producer.close)
        yield Worker(kafka, client, manifest, log_producer, opened)
