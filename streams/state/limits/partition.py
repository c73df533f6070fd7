"""The limits on names that a partition has had, as its state groups keep them beside their watermarks.

A worker whose settings differ from the newest limits writes them down with its first step of the
home group, from the first offset on that no group has applied.  From there on they hold, for
whoever comes: a worker that meets other limits than it judged by reads the partition again.
Verdicts that depend on limits reach the home group before any other, and each group has a copy
of what it was folded by, so a group that Redis rolls back takes nothing along.
"""

from __future__ import annotations

from collections.abc import Sequence

from streams.fold.limits import LimitLog, Limits
from streams.kafka.records import TopicPartition
from streams.state.connection.errors import translate_errors
from streams.state.store import Store


class PartitionLimits:
    """The log of a partition's limits, and how many of its changes each group has."""

    def __init__(self, log: LimitLog, stored: Sequence[int]) -> None:
        self.log = log
        self._stored = list(stored)

    @staticmethod
    async def read(
        store: Store, tp: TopicPartition, applied: int, own: Limits, recorded: bool = False
    ) -> PartitionLimits:
        """What the groups know; `own` limits hold from `applied` on, with `recorded` only where no others are known."""
        logs = await _logs(store, tp)
        log = max(logs, key=len)
        if not (recorded and len(log)):
            log = log.then(applied, own)
        return PartitionLimits(log, [len(each) for each in logs])

    def text(self, group: int, offset: int) -> bytes | None:
        """What a group has to write down before it passes `offset`."""
        due = self.log.before(offset)
        return due.encode() if len(due) > self._stored[group] else None

    def note_stored(self, group: int, offset: int) -> None:
        """A group has passed `offset` with what it had to write down."""
        self._stored[group] = max(self._stored[group], len(self.log.before(offset)))

    async def hold(self, store: Store, tp: TopicPartition, offset: int) -> bool:
        """Whether all verdicts below `offset`, which other workers have reached, were by the same limits."""
        longest = max(await _logs(store, tp), key=len)
        return longest.before(offset) == self.log.before(offset)


async def copy_limits(source: Store, target: Store, tp: TopicPartition) -> int:
    """Give a namespace that knows no limits of a partition those of another; how many changes it knows then."""
    present, log = max(await _logs(target, tp), key=len), max(await _logs(source, tp), key=len)
    if len(present) or not len(log):
        return len(present)
    pipeline = target.redis.pipeline(transaction=False)
    for keys in target.keys:
        pipeline.set(keys.limits(tp), log.encode())
    await translate_errors(pipeline.execute)
    return len(log)


async def limits_in_force(store: Store, tp: TopicPartition) -> Limits | None:
    """The newest limits of a partition; None where no worker has applied any of it."""
    log = max(await _logs(store, tp), key=len)
    return log.last.limits if len(log) else None


async def _logs(store: Store, tp: TopicPartition) -> list[LimitLog]:
    pipeline = store.redis.pipeline(transaction=False)
    for keys in store.keys:
        pipeline.get(keys.limits(tp))
    return [LimitLog.decode(text) for text in await translate_errors(pipeline.execute)]
