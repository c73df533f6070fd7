"""The aiokafka consumer behind the transport."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError
from aiokafka.protocol.group import LeaveGroupRequest

from schemas.errors import Transient
from streams.cancellation import cancel_all
from streams.kafka.clients import aiokafka_consumer_config, stop_consumer
from streams.kafka.parsed import PARTITION_FETCH_BYTES, fetched, hand_on_parsed, position_of, state_of
from streams.kafka.records import Record
from streams.retry import Retry
from streams.settings import KafkaSettings
from streams.transport.group.assignment import Assignor

T = TypeVar("T")
FETCH_WAIT_MS = 100
"""How long a broker waits for data before it answers a fetch, while some comes; with data it answers at once.
A seek waits for the fetch in flight, so this bounds how long a rewind takes.  See `streams.kafka.parsed.FetchWait`."""

_LEAVE_WAIT_S = 0.5


async def _answered(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except KafkaError as error:
        raise Transient(
            f"Kafka does not answer: {error}. Check kafka.bootstrap and the brokers; `reshelf doctor` says more."
        ) from error


class Source:
    """One member of a consumer group that reads committed records and never moves on its own."""

    def __init__(self, kafka: KafkaSettings, group: str, assignor: Assignor) -> None:
        session_ms = round(kafka.session_timeout_s * 1000)
        self._kafka = kafka
        self._retry = Retry()
        self.consumer = AIOKafkaConsumer(
            # Partitions go by the names of workers: one that comes back under its name finds its own again.
            client_id=f"{group}-{socket.gethostname()}-{os.getpid()}",
            group_id=group,
            partition_assignment_strategy=(assignor,),
            fetch_min_bytes=1,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(session_ms // 4, 1),
            rebalance_timeout_ms=session_ms,
            request_timeout_ms=max(10_000, 2 * session_ms),
            **aiokafka_consumer_config(kafka),
        )

    async def start(self) -> None:
        """Connect, however long that takes."""
        await self._retry.until_success(lambda: _answered(self.consumer.start))
        hand_on_parsed(self.consumer)

    async def topics(self) -> frozenset[str]:
        """Names of all topics, however long it takes to hear of them."""
        return frozenset(await self._retry.until_success(lambda: _answered(self.consumer.topics)) or ())

    async def answers(self, limit_s: float) -> bool:
        """Whether a broker says within so many seconds what topics there are."""
        try:
            async with asyncio.timeout(limit_s):
                return bool(await self.consumer._client.force_metadata_update())
        except (KafkaError, OSError):
            return False

    async def stop(self) -> None:
        await self._give_up_joining()
        await stop_consumer(self.consumer)

    async def _give_up_joining(self) -> None:
        """Take back a request to join that the group has not answered: aiokafka would wait for the answer.

        On another connection, as a broker reads nothing more from one that it owes an answer.  A broker
        older than Kafka 2.2 has given no id to leave with: it waits out the session.
        """
        coordinator = self.consumer._coordinator
        if not self.joining or coordinator is None or coordinator.coordinator_id is None:
            return
        await cancel_all([coordinator._coordination_task])
        if coordinator.member_id:
            request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_LEAVE_WAIT_S):
                    await self.consumer._client.send(coordinator.coordinator_id, request)
            coordinator.reset_generation()

    @property
    def generation(self) -> int:
        """The group's generation that this member belongs to."""
        return int(self.consumer._coordinator.generation)

    @property
    def joining(self) -> bool:
        """Whether the group is sharing out its partitions; a fetch waits for that."""
        return bool(self.consumer._subscription.reassignment_in_progress)

    async def fetch(
        self, partitions: Iterable[tuple[str, int]], timeout_s: float
    ) -> dict[tuple[str, int], list[Record]]:
        """Records of `partitions` (not empty) in log order, at most POLL_RECORDS in all.

        Between an assignment and the first seek aiokafka asks the group where to go on.
        That the group does not know is no error here, and it may be reported only after the
        seek, when the asking began before a rebalance.
        """
        with suppress(NoOffsetForPartitionError):
            return await fetched(self._kafka, self.consumer, partitions, timeout_s)
        return {}

    def position(self, name: tuple[str, int]) -> int | None:
        """Where the next fetch starts, None when the partition is not assigned or not placed."""
        return position_of(self.consumer, name)

    def end(self, name: tuple[str, int]) -> int | None:
        """The end of committed records as the last fetch said it; None before the first."""
        state = state_of(self.consumer, name)
        return None if state is None else state.lso

    def seek(self, name: tuple[str, int], position: int) -> None:
        """Read on from `position`, dropping what was fetched; raises IllegalStateError if not assigned."""
        self.consumer.seek(TopicPartition(*name), position)

    def pause(self, name: tuple[str, int]) -> None:
        """Fetch nothing of a partition until `go_on`; one that is not ours any more is let be."""
        with suppress(IllegalStateError):
            self.consumer.pause(TopicPartition(*name))

    def go_on(self, name: tuple[str, int]) -> None:
        """Fetch a partition again."""
        with suppress(IllegalStateError):
            self.consumer.resume(TopicPartition(*name))

    async def commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Store positions with the group; raises KafkaError, also when a partition is not ours any more."""
        await self.consumer.commit({TopicPartition(*name): position for name, position in positions.items()})
