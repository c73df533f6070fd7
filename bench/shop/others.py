"""The other layout workers of a shop that is measured by a share: they own their partitions, and do nothing.

One member of the consumer group stands for all of them.  It joins first, so that it leads the
group and says who gets what: the worker that is measured has the partitions of its share.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from reshelf.settings import Settings
from schemas.topics import LAYOUT_REQUESTS
from streams.kafka.clients import aiokafka_consumer_config, stop_consumer
from streams.transport.group.assignment import SteadyAssignor

JOIN_S = 30.0


@contextlib.contextmanager
def other_workers(settings: Settings, workers: int) -> Iterator[None]:
    """While the block runs, one of `workers` has its share; with one there are no others."""
    if workers == 1:
        yield
        return
    loop, joined, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    run = _join(settings, workers, joined, ended)
    thread = threading.Thread(target=loop.run_until_complete, args=(run,), name="other workers", daemon=True)
    thread.start()
    joined.wait(JOIN_S)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


async def _join(settings: Settings, workers: int, joined: threading.Event, ended: asyncio.Event) -> None:
    kafka = settings.kafka
    topic = kafka.prefix + LAYOUT_REQUESTS.name
    consumer = AIOKafkaConsumer(
        topic,
        client_id="bench-others",
        group_id=f"{kafka.prefix}layouts-{settings.redis.namespace}",
        partition_assignment_strategy=[_shares(workers)],
        rebalance_timeout_ms=round(kafka.session_timeout_s * 1000),
        session_timeout_ms=round(kafka.session_timeout_s * 1000),
        heartbeat_interval_ms=500,
        **aiokafka_consumer_config(kafka),
    )
    await consumer.start()
    try:
        while not consumer.assignment():
            await asyncio.sleep(0.05)
        joined.set()
        await ended.wait()
    finally:
        await stop_consumer(consumer)


def _shares(workers: int) -> type[Any]:
    """The workers' own way to assign partitions, but for who gets how many."""
    ours: set[str] = set()

    class Shares(SteadyAssignor):
        """The member that was first alone keeps what is not in the share."""

        @classmethod
        def assign(cls, cluster: Any, members: Mapping[str, Any]) -> dict[str, ConsumerProtocolMemberAssignment]:
            if len(members) == 1:
                ours.update(members)
            strangers = [name for name in sorted(members) if name not in ours]
            given: dict[str, dict[str, list[int]]] = {name: {} for name in members}
            for topic in sorted({topic for member in members.values() for topic in member.subscription}):
                for number in sorted(cluster.partitions_for_topic(topic) or ()):
                    owner = strangers[0] if strangers and number % workers == 0 else next(iter(ours))
                    given[owner].setdefault(topic, []).append(number)
            return {
                name: ConsumerProtocolMemberAssignment(cls.version, sorted(topics.items()), b"")
                for name, topics in given.items()
            }

    return Shares
