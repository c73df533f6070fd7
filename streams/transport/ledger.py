"""What was read, delivered and acknowledged of each owned partition; no IO.

Every batch that enters a stream is kept here in order until it and all before it
are acknowledged, so a commit can never pass one that is not.  A rewind or a
revocation raises the partition's generation and makes what was delivered void.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from streams.kafka.records import Batch, Record, TopicPartition

VOID = -2
"""Group generation of a message that no stream may process any more."""


class Delivery(Protocol):
    """A message of Faust: the part of it that matters here."""

    value: Batch
    acked: bool
    generation_id: int | None


class Partition:
    """One owned partition.

    `position` is where the next batch starts, None until the application said where
    to resume.  `acked` is the position up to which every batch is acknowledged.
    `rests_until` is when to read on, in seconds of the reader's clock, where it is left alone for a while.
    """

    def __init__(self, tp: TopicPartition, generation: int) -> None:
        self.tp = tp
        self.generation = generation
        self.position: int | None = None
        self.acked: int | None = None
        self.committed: int | None = None
        self.halted = False
        self.rests_until: float | None = None
        self._pending: deque[Delivery] = deque()

    @property
    def readable(self) -> bool:
        return self.position is not None and not self.halted and self.rests_until is None

    def place(self, position: int) -> None:
        """Read on from `position`; nothing has been delivered yet."""
        self.position = position

    def cut(self, records: tuple[Record, ...] | list[Record], end: int) -> Batch | None:
        """The batch from the last position to `end`; None when the reader has not moved."""
        start = self.position
        if start is None or end <= start:
            return None
        self.position = end
        return Batch(self.tp, start, end, self.generation, records)

    def deliver(self, delivery: Delivery) -> None:
        self._settle()
        self._pending.append(delivery)

    def committable(self) -> int | None:
        """The position to commit, None when it has not moved since the last commit."""
        self._settle()
        return None if self.acked == self.committed else self.acked

    def reached(self) -> int | None:
        """Everything below this position is acknowledged; None before the partition is placed."""
        self._settle()
        return self._pending[0].value.start if self._pending else self.position

    def _settle(self) -> None:
        """Let go of batches that are acknowledged; at every delivery, or memory would grow between commits."""
        while self._pending and self._pending[0].acked:
            self.acked = self._pending.popleft().value.end

    def rewind(self, position: int) -> None:
        """Make everything delivered void and read again from `position`."""
        self.void()
        self.position = position
        self.acked = self.committed = None
        self.halted = False

    def void(self) -> None:
        self.generation += 1
        for delivery in self._pending:
            delivery.generation_id = VOID
        self._pending.clear()


class Ledger:
    """The owned partitions, by their name on the broker: (topic, partition).

    Generations outlive ownership, so a batch from before a rebalance stays void
    when the partition comes back.
    """

    def __init__(self) -> None:
        self.owned: dict[tuple[str, int], Partition] = {}
        self.epoch = 0
        self._generations: dict[tuple[str, int], int] = {}
        self._by_logical: dict[TopicPartition, tuple[str, int]] = {}
        self._before: dict[TopicPartition, int | None] = {}
        self._left: dict[TopicPartition, int | None] = {}

    def revoke(self) -> None:
        """Give up all partitions; what was delivered of them is void."""
        self.epoch += 1
        if self.owned:
            self._before = {part.tp: part.reached() for part in self.owned.values()}
        for name, part in self.owned.items():
            part.void()
            self._generations[name] = part.generation
        self.owned.clear()
        self._by_logical.clear()

    def assign(self, names: Mapping[tuple[str, int], TopicPartition]) -> frozenset[TopicPartition]:
        """Own exactly `names`; returns the partitions that were ours and are no more."""
        self.revoke()
        for name, tp in names.items():
            self.owned[name] = Partition(tp, self._generations.get(name, 0))
            self._by_logical[tp] = name
        self._left, self._before = self._before, {}
        return frozenset(self._left) - frozenset(names.values())

    def left(self, tp: TopicPartition) -> int | None:
        """Below which position everything was acknowledged of a partition that was ours before the last assignment."""
        return self._left.get(tp)

    def unplaced(self) -> dict[TopicPartition, tuple[str, int]]:
        return {part.tp: name for name, part in self.owned.items() if part.position is None}

    def readable(self, names: Iterable[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        return frozenset(name for name in names if name in self.owned and self.owned[name].readable)

    def resting(self) -> dict[tuple[str, int], float]:
        """The partitions that are left alone, and until when."""
        return {name: part.rests_until for name, part in self.owned.items() if part.rests_until is not None}

    def named(self, tp: TopicPartition) -> tuple[str, int] | None:
        return self._by_logical.get(tp)

    def current(self, batch: Batch) -> bool:
        name = self._by_logical.get(batch.tp)
        return name is not None and self.owned[name].generation == batch.generation

    def committable(self) -> dict[tuple[str, int], int]:
        positions = {name: part.committable() for name, part in self.owned.items()}
        return {name: position for name, position in positions.items() if position is not None}

    def committed(self, positions: Mapping[tuple[str, int], int]) -> None:
        for name, position in positions.items():
            if name in self.owned:
                self.owned[name].committed = position
