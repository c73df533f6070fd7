"""The limits on names that a partition has had, as its state groups keep them beside their watermarks.

A worker whose settings differ from the newest limits writes them down with its first step of the
home group, from the first offset on that no group has applied.  From there on they hold, for
whoever comes: a worker that meets other limits than it judged by reads the partition again.
Verdicts that depend on limits reach the home group before any other, and each group has a copy
of what it was folded by, so a group that Redis rolls back takes nothing along.  A worker that brings
new limits, or whose connection failed, first looks whether another group knows others: Redis may have
lost just the home group's.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import StateAttention
from streams.fold.limits import LimitLog, Limits
from streams.kafka.records import TopicPartition
from streams.state.connection.errors import translate_errors
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark


class PartitionLimits:
    """The log of a partition's limits, and how many of its changes each group has.

    `sure` is to be taken back when a connection to Redis fails.
    """

    def __init__(self, log: LimitLog, stored: Sequence[int]) -> None:
        self.log = log
        self.sure = True
        self._stored = list(stored)

    @staticmethod
    async def read(
        store: Store, tp: TopicPartition, start: int, own: Limits, recorded: bool = False
    ) -> tuple[list[Watermark], PartitionLimits]:
        """The watermark of each group, and the limits that they know; `start` is the namespace's start offset.

        `own` limits hold from the largest watermark on, with `recorded` only where no others are known.
        Raises `StateAttention` where groups were folded by different limits.
        """
        marks, logs = await _marks_and_logs(store, tp, start)
        log, applied = max(logs, key=len), [mark.offset for mark in marks]
        if not _agree(log, logs, applied):
            raise groups_differ(tp)
        if not (recorded and len(log)):
            log = log.then(max(applied), own)
        return marks, PartitionLimits(log, [len(each) for each in logs])

    def text(self, group: int, offset: int) -> bytes | None:
        """What a group has to write down before it passes `offset`."""
        due = self.log.before(offset)
        return due.encode() if len(due) > self._stored[group] else None

    def note_stored(self, group: int, offset: int) -> None:
        """A group has passed `offset` with what it had to write down."""
        self._stored[group] = max(self._stored[group], len(self.log.before(offset)))

    async def allow(self, store: Store, tp: TopicPartition, start: int, move: GroupUpdate) -> bool:
        """Whether the home group may move by these limits; asks where it brings new ones or Redis may have lost some.

        `start` is the namespace's start offset.
        """
        sure, self.sure = self.sure and not move.limits, True
        return sure or await self.agree(store, tp, start, move.watermark.offset)

    async def agree(self, store: Store, tp: TopicPartition, start: int, end: int) -> bool:
        """Whether all that groups have applied below `end`, also by other workers, was by these limits."""
        marks, logs = await _marks_and_logs(store, tp, start)
        return _agree(self.log, logs, [min(mark.offset, end) for mark in marks])


def groups_differ(tp: TopicPartition) -> StateAttention:
    """The error of a partition whose home group was folded by other limits than another group."""
    return StateAttention(
        f"the state groups of {tp} were folded by different limits: Redis lost writes of one group while a worker "
        "with old settings and one with new ones were at work. Replay into a new namespace: `reshelf replay`."
    )


def _agree(log: LimitLog, logs: Sequence[LimitLog], applied: Sequence[int]) -> bool:
    """Whether the groups, each of which has its own log and has applied what is below an offset, followed `log`."""
    return all(own.before(offset) == log.before(offset) for own, offset in zip(logs, applied, strict=True))


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


async def _marks_and_logs(store: Store, tp: TopicPartition, start: int) -> tuple[list[Watermark], list[LimitLog]]:
    """Of each group its watermark and its log, by one command: Redis may lose its newest writes between two."""
    pipeline = store.redis.pipeline(transaction=False)
    for keys in store.keys:
        pipeline.execute_command("MGET", keys.watermark(tp), keys.limits(tp))
    groups = await translate_errors(pipeline.execute)
    return [Watermark.decode(mark, start) for mark, _ in groups], [LimitLog.decode(log) for _, log in groups]


async def _logs(store: Store, tp: TopicPartition) -> list[LimitLog]:
    pipeline = store.redis.pipeline(transaction=False)
    for keys in store.keys:
        pipeline.get(keys.limits(tp))
    return [LimitLog.decode(text) for text in await translate_errors(pipeline.execute)]
