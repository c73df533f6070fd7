"""A Faust transport on which a stream carries batches instead of records.

Stock Faust makes four tasks for each record.  Here what one fetch brought of one
partition is one message, whose value is a `Batch`.  The reader lives in the
application's own event loop, not in a thread of its own: both would share the
interpreter lock anyway, and positions, rewinds and acknowledgements then need no locks.

Of Faust's consumer the life cycle and the flow control remain.  Positions, gaps,
acknowledgements and commits are the ledger's, because Faust's own expand offsets
into lists and can commit past a batch that is still in work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from faust.types import TP, ConsumerMessage

from schemas.errors import StateAttention, Transient
from streams.kafka.records import Batch, Record, TopicPartition
from streams.retry import Retry
from streams.transport.faust_stubs import FaustStubs
from streams.transport.group.rebalance import RebalanceListener
from streams.transport.ledger import VOID, Delivery, Ledger, Partition
from streams.transport.pace import READ_WAIT_S, Pace
from streams.transport.source import Source
from streams.transport.wiring import Wiring

COMMIT_WAIT_S = 1.0
FINISH_WAIT_S = 2.0
"""How long batches in work get to be acknowledged at a rebalance or stop."""


class BatchConsumer(FaustStubs):
    """Faust's consumer service over a Source and a Ledger."""

    consumer_stopped_errors = ()

    def __init__(self, transport: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(transport, *args, **kwargs)
        self.wiring: Wiring = transport.app.wiring
        self.ledger = Ledger()
        self._source: Source | None = None
        self._commit_lock = asyncio.Lock()
        self._pace = Pace(self.wiring, self.ledger, time.monotonic)
        self._turns = 0

    # What agents use

    def is_current(self, batch: Batch) -> bool:
        """False when the batch was read before a rewind or by an ownership that ended: drop it."""
        return self.ledger.current(batch)

    def owned(self) -> frozenset[TopicPartition]:
        return frozenset(part.tp for part in self.ledger.owned.values())

    async def rewind(self, tp: TopicPartition, position: int) -> bool:
        """Read `tp` again from `position`; batches delivered before are void from now on.

        Call it in the application's event loop.  False when `tp` is not owned (any
        more): then there is nothing to do, the next owner asks where to resume.
        """
        name = self.ledger.named(tp)
        if name is None:
            return False
        try:
            self.source.seek(name, position)
        except IllegalStateError:
            return False
        self.ledger.owned[name].rewind(position)
        return True

    def progress(self) -> object:
        """Something that changes as long as the reader gets on, or has a reason not to."""
        excused = Retry.waiting or not self.flow_active or self.source.joining
        return object() if excused else self._turns

    async def bounds(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """First position and end (of committed records) of owned partitions; raises Transient.

        The embedded broker counts its last batch as one record until it has been read,
        so there the end can be too low: a position past it proves nothing.
        """
        names = {tp: TP(*name) for tp in tps if (name := self.ledger.named(tp)) is not None}
        try:
            first = await self.earliest_offsets(*names.values())
            end = await self.highwaters(*names.values())
        except KafkaError as error:
            raise Transient(
                f"Kafka did not say where partitions begin and end: {error!r}. Is the broker up?"
            ) from error
        return {tp: (first[name], max(end[name], self.source.end(name) or 0)) for tp, name in names.items()}

    # Reading

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
                    continue
                self._turns += 1
                await self._place()
                messages = await self._read()
                for message in messages:
                    await self._deliver(message)
                await self._pace.linger(self.source)
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        except Exception as error:
            if not self.app.should_stop:
                self.wiring.on_error(error)
                raise

    async def _place(self) -> None:
        """Ask where to resume partitions that came with an assignment, and seek there."""
        unplaced = self.ledger.unplaced()
        if not unplaced:
            return
        epoch = self.ledger.epoch
        positions = await self.wiring.resume(frozenset(unplaced))
        if epoch != self.ledger.epoch:
            return
        if missing := [str(tp) for tp in unplaced if tp not in positions]:
            raise StateAttention(f"No position to resume at was given for {', '.join(sorted(missing))}.")
        for tp, name in unplaced.items():
            if self.ledger.owned[name].position is None:
                self.source.seek(name, positions[tp])
                self.ledger.owned[name].place(positions[tp])

    async def _read(self) -> list[ConsumerMessage]:
        wait_s = self._pace.wake(self.source)
        readable = self.ledger.readable(self._active_partitions)
        if not readable:
            await asyncio.sleep(min(wait_s, READ_WAIT_S / 20))
            return []
        try:
            records = await self.source.fetch(readable, wait_s)
        except OffsetOutOfRangeError as error:
            await self._out_of_range(error)
            return []
        names = sorted(readable, key=self._pace.rest_of)
        messages = [message for name in names if (message := self._message(name, records.get(name, []))) is not None]
        self._pace.hold(self.source, [len(cast(Delivery, message).value.records) for message in messages])
        return messages

    def _message(self, name: tuple[str, int], records: list[Record]) -> ConsumerMessage | None:
        """What was read of a partition as one message; no await between the fetch and here."""
        part, end = self.ledger.owned.get(name), self.source.position(name)
        batch = None if part is None or end is None else part.cut(records, end)
        if part is None or batch is None:
            return None
        message = self._to_message(TP(*name), batch)
        part.deliver(cast(Delivery, message))
        self._pace.rest(self.source, name, part, batch)
        return message

    async def _deliver(self, message: ConsumerMessage) -> None:
        if message.generation_id == self.app.consumer_generation_id and self.flow_active:
            await self.wait_first(self.callback(message), self.suspend_flow.wait())

    async def _out_of_range(self, error: KafkaError) -> None:
        for name, part in self.ledger.owned.items():
            if error.args and name in error.args[0]:
                part.halted = True
                self.wiring.on_error(await self._outside(part))

    async def _outside(self, part: Partition) -> StateAttention:
        bounds = await self.bounds([part.tp])
        first, end = bounds.get(part.tp, (-1, -1))
        return StateAttention(
            f"Position {part.position} of {part.tp} is outside the log: expected {first} to {end}. "
            "Records were deleted before they were read, or the topic was made anew. "
            "Replay from an archive, or start a new namespace."
        )

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        batch = cast(Batch, record)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.end - 1,
            batch.records[-1].timestamp / 1000 if batch.records else 0.0,
            1,
            None,
            None,
            cast(bytes, batch),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    # Ownership

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what is in work, then give everything up (the protocol is eager)."""
        await super().on_partitions_revoked(revoked)
        self.ledger.revoke()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        lost = self.ledger.assign({tp: TopicPartition(self.wiring.logical(tp.topic), tp.partition) for tp in assigned})
        if lost:
            await self.wiring.on_revoked(lost)
        await super().on_partitions_assigned(assigned, generation_id)

    async def guarded(self, step: Any) -> None:
        """aiokafka swallows what a listener raises; the application must not."""
        try:
            await step
        except Exception as error:
            self.wiring.on_error(error)
            raise

    # Acknowledging

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Report to the group how far everything is acknowledged.  A hint for lag monitors, so never fatal."""
        async with self._commit_lock:
            positions = self.ledger.committable()
            if not positions or not await self._commit(cast(Mapping[TP, int], positions)):
                return False
            self.ledger.committed(positions)
            return True

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        try:
            async with asyncio.timeout(COMMIT_WAIT_S):
                await self.source.commit(cast(Mapping[tuple[str, int], int], offsets))
        except (TimeoutError, KafkaError) as error:
            self.log.info("Positions not committed, a later commit will: %r", error)
            return False
        self._acked.clear()
        self._acked_index.clear()
        return True

    async def wait_empty(self) -> None:
        """Let streams finish the batches they hold, for a limited time, then commit."""
        deadline = self.loop.time() + FINISH_WAIT_S
        while self._in_work() and self.loop.time() < deadline:
            await asyncio.sleep(0.005)
        await self.commit()

    def _in_work(self) -> bool:
        return any(not message.acked and message.generation_id != VOID for message in self._unacked_messages)

    # Life cycle and the rest of what Faust asks of a consumer

    @property
    def connected(self) -> bool:
        return self._source is not None

    @property
    def source(self) -> Source:
        if self._source is None:
            raise Transient("The Kafka consumer has not started yet.")
        return self._source

    async def on_start(self) -> None:
        self._source = Source(self.wiring.kafka, self.app.conf.id, self.wiring.assignor)
        await self._source.start()

    async def on_stop(self) -> None:
        await self.commit()
        if self._source is not None:
            await self._source.stop()

    async def subscribe(self, topics: Iterable[str]) -> None:
        names = frozenset(topics)
        if missing := names - await self.source.topics():
            error = self.wiring.missing(missing)
            self.wiring.on_error(error)
            raise error
        self.source.consumer.subscribe(topics=set(names), listener=RebalanceListener(self))

    def assignment(self) -> set[TP]:
        return set() if self._source is None else {TP(*tp) for tp in self._source.consumer.assignment()}

    def highwater(self, tp: TP) -> int:
        return int(self.source.consumer.highwater(tp) or 0)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        return cast(Mapping[TP, int], await self.source.consumer.end_offsets(partitions))

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return cast(Mapping[TP, int], await self.source.consumer.beginning_offsets(partitions))

    async def position(self, tp: TP) -> int | None:
        return self.source.position(tp)

    def topic_partitions(self, topic: str) -> int | None:
        return len(self.source.consumer.partitions_for_topic(topic) or ()) or None
