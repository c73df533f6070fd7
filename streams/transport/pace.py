"""When to read which of the owned partitions: many small reads cost more than they bring.

Each batch costs as much as a thousand events, so after a read that brought little
all partitions are left alone for a moment, and a topic that can wait for longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from streams.kafka.records import Batch
from streams.transport.ledger import Ledger, Partition
from streams.transport.source import Source
from streams.transport.wiring import Wiring

READ_WAIT_S = 0.2
"""How long a read without records takes; gaps at the end of a log show then."""
FEW_RECORDS = 1_000
"""A read that brings fewer is little."""

Name = tuple[str, int]


class Pace:
    """Pauses partitions of the source and lets them go on; `clock` gives the time in seconds."""

    def __init__(self, wiring: Wiring, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._wiring = wiring
        self._ledger = ledger
        self._clock = clock
        self._reads_on_at: float | None = None

    def wake(self, source: Source) -> float:
        """Read on with the partition whose rest was over first; seconds until the next one is, READ_WAIT_S at most.

        One at a time: several batches of topics that can wait would hold up the others together.
        """
        now = self._clock()
        resting = self._ledger.resting()
        first = min(resting, key=lambda name: resting[name], default=None)
        if first is not None and resting[first] <= now:
            del resting[first]
            self._ledger.owned[first].rests_until = None
            source.go_on(first)
        return max(0.0, min([READ_WAIT_S, *(until - now for until in resting.values())]))

    def rest(self, source: Source, name: Name, part: Partition, batch: Batch) -> None:
        """Leave a partition that can wait alone after it was read to its end: a fetch now would bring very little."""
        rest_s = self.rest_of(name)
        if rest_s and len(batch.records) < FEW_RECORDS and batch.end >= (source.end(name) or 0):
            part.rests_until = self._clock() + rest_s
            source.pause(name)

    def rest_of(self, name: Name) -> float:
        """How long records of the partition can wait; what can wait for longer goes behind the others."""
        return self._wiring.rest_s.get(self._wiring.logical(name[0]), 0.0)

    def hold(self, source: Source, sizes: Sequence[int]) -> None:
        """Fetch nothing for a while after batches of few records, so that the next read brings all until then.

        What were fetched meanwhile would be the first records to come, and the others would wait for another turn.
        """
        few = bool(sizes) and sum(sizes) < FEW_RECORDS
        self._reads_on_at = self._clock() + self._wiring.linger_s if few and self._wiring.linger_s else None
        if self._reads_on_at is not None:
            for name in self._ledger.owned:
                source.pause(name)

    async def linger(self, source: Source) -> None:
        """Wait until it is time, and read on with all partitions but those that rest for longer.

        A reader that stops in between leaves them paused: the next assignment brings them back unpaused.
        """
        if self._reads_on_at is None:
            return
        await asyncio.sleep(self._reads_on_at - self._clock())
        self._reads_on_at = None
        for name, part in self._ledger.owned.items():
            if part.rests_until is None:
                source.go_on(name)
