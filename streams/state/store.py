"""The state groups of one namespace in Redis: compare-and-set of watermarks with deltas.

Every call may raise `schemas.errors.Transient` when Redis does not answer; to
call again is always right, because the watermark shows whether the first call
was carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from redis import exceptions as redis_errors
from redis.asyncio import Redis

from streams.fold.deltas import GroupDelta
from streams.kafka.records import TopicPartition
from streams.state.arrays.directory import MOST_BYTES, Directories, Directory
from streams.state.arrays.operations import Operations
from streams.state.connection.errors import translate_error, translate_errors
from streams.state.keys import GroupKeys, home_group
from streams.state.watermark import Watermark

AT_ONCE, CELLS_AT_ONCE = 4, 2_000
"""Moves, and cells that they add to, in one round trip at least."""
_SCRIPT = files("streams.state").joinpath("apply.lua").read_text()


@dataclass(frozen=True, slots=True)
class GroupUpdate:
    """What one group is to take over of a partition: from `expected` to `watermark`, with these deltas.

    `names` and `tally` belong to the home group: quota codes by bucket, and
    verdicts counted.  `limits` is the log of limits, where the group lacks some of it.
    """

    group: int
    expected: int
    watermark: Watermark
    delta: GroupDelta | None = None
    names: Mapping[int, bytes] | None = None
    tally: Mapping[str, int] | None = None
    limits: bytes | None = None


class Stand(NamedTuple):
    """Where a group stands after a move; `moved` says that this call has carried the move out."""

    offset: int
    moved: bool


class Store:
    """Reads and moves the watermarks of a namespace.

    Calls may go on at the same time: one worker's moves of a group are applied one after another, as
    all partitions share its copies of the directories.
    """

    def __init__(self, redis: Redis, namespace: str, groups: int, directory_bytes: int = MOST_BYTES) -> None:
        self.redis = redis
        self.namespace = namespace
        self.groups = groups
        self.keys = [GroupKeys(namespace, group) for group in range(groups)]
        self.directories = Directories(directory_bytes)
        self._sha = ""
        self._turns = [asyncio.Lock() for _ in range(groups)]

    async def watermarks(self, tp: TopicPartition, start: int) -> list[Watermark]:
        """The watermark of each group; `start` is the namespace's start offset of the partition."""
        pipeline = self.redis.pipeline(transaction=False)
        for keys in self.keys:
            pipeline.get(keys.watermark(tp))
        return [Watermark.decode(text, start) for text in await translate_errors(pipeline.execute)]

    async def stored_marks(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, list[bytes | None]]:
        """The watermarks of some partitions as they are stored, by group; one command for each group."""
        if not tps:
            return {}
        pipeline = self.redis.pipeline(transaction=False)
        for keys in self.keys:
            pipeline.execute_command("MGET", *(keys.watermark(tp) for tp in tps))
        groups = await translate_errors(pipeline.execute)
        return {tp: list(marks) for tp, marks in zip(tps, zip(*groups, strict=True), strict=True)}

    async def quota(self, tp: TopicPartition) -> dict[int, bytes]:
        """The admitted name codes of a partition by bucket."""
        keys = self.keys[home_group(tp, self.groups)]
        buckets = sorted(int(bucket) for bucket in await translate_errors(lambda: self.redis.smembers(keys.quotas(tp))))
        if not buckets:
            return {}
        stored = await translate_errors(lambda: self.redis.mget([keys.quota(tp, bucket) for bucket in buckets]))
        return {bucket: codes for bucket, codes in zip(buckets, stored, strict=True) if codes}

    async def newest_quota(self, tp: TopicPartition) -> bytes:
        """The admitted name codes of a partition's newest bucket."""
        keys = self.keys[home_group(tp, self.groups)]
        buckets = [int(bucket) for bucket in await translate_errors(lambda: self.redis.smembers(keys.quotas(tp)))]
        if not buckets:
            return b""
        return await translate_errors(lambda: self.redis.get(keys.quota(tp, max(buckets)))) or b""

    async def apply(self, tp: TopicPartition, start: int, moves: Sequence[GroupUpdate]) -> list[int]:
        """Apply each move or leave its group alone; the stored offset of each group afterwards.

        Every other answer than a move's own watermark says where the group really stands.
        """
        return [stand.offset for stand in await self.stands(tp, start, moves)]

    async def stands(self, tp: TopicPartition, start: int, moves: Sequence[GroupUpdate]) -> list[Stand]:
        """As `apply`, and which of the moves were carried out now.

        A few go at a time, so that Redis works on them while the next are encoded.
        """
        parts = [self._apply(tp, start, part) for part in _in_parts(moves)]
        ends = await asyncio.gather(*parts, return_exceptions=True)
        stands: list[Stand] = []
        for end in ends:
            if isinstance(end, BaseException):
                raise end
            stands += end
        return stands

    async def _apply(self, tp: TopicPartition, start: int, moves: Sequence[GroupUpdate]) -> list[Stand]:
        async with AsyncExitStack() as turns:
            # In one order for all, so that none waits for another in a circle.
            for group in sorted({move.group for move in moves}):
                await turns.enter_async_context(self._turns[group])
            return await self._apply_in_turn(tp, start, moves)

    async def _apply_in_turn(self, tp: TopicPartition, start: int, moves: Sequence[GroupUpdate]) -> list[Stand]:
        stands = [Stand(-1, False)] * len(moves)
        waiting = list(range(len(moves)))
        # All that a call needs may be more than the copies that there is room for.
        held: dict[int, dict[str, Directory]] = {}
        while waiting:
            calls = [self._call(tp, start, moves[at], held.get(at)) for at in waiting]
            replies = await self._evaluate(calls)
            stale = []
            for at, (operations, _), reply in zip(waiting, calls, replies, strict=True):
                if reply[0] == 2:
                    held[at] = operations.directories | self._remembered(operations, reply)
                    stale.append(at)
                else:
                    stands[at] = self._settle(operations, moves[at], reply)
            waiting = stale
        return stands

    def _call(
        self, tp: TopicPartition, start: int, move: GroupUpdate, directories: Mapping[str, Directory] | None
    ) -> tuple[Operations, list[Any]]:
        keys = self.keys[move.group]
        operations = Operations(keys, directories)
        if move.delta:
            operations.add_group(move.delta, self.directories)
        for bucket, codes in (move.names or {}).items():
            operations.add("append", keys.quota(tp, bucket), codes)
            operations.add("join", keys.quotas(tp), str(bucket))
        for verdict, amount in (move.tally or {}).items():
            operations.add("tally", keys.tally(tp), f"{verdict}={amount}")
        if move.limits:
            operations.add("limits", keys.limits(tp), move.limits)
        # As bytes: the client looks longer at texts.
        names = [name.encode() for name in (keys.watermark(tp), *operations.keys)]
        return operations, [len(names), *names, move.expected, start, move.watermark.encode(), *operations.packed()]

    def _settle(self, operations: Operations, move: GroupUpdate, reply: list[Any]) -> Stand:
        if reply[0] == 1:
            for directory in operations.directories.values():
                directory.written()
            return Stand(move.watermark.offset, True)
        self.directories.forget(operations.directories)
        return Stand(int(reply[1]), False)

    def _remembered(self, operations: Operations, reply: list[Any]) -> dict[str, Directory]:
        remembered, names = {}, operations.keys
        for place, content in zip(reply[1::2], reply[2::2], strict=True):
            name = names[place - 2]
            remembered[name] = self.directories.remember(name, content, operations.directories[name].names)
        return remembered

    async def _evaluate(self, calls: Sequence[tuple[Operations, list[Any]]]) -> list[Any]:
        """One round trip for all calls; the script is loaded where Redis has lost it."""
        replies: list[Any] = [None] * len(calls)
        missing = list(range(len(calls)))
        while missing:
            if not self._sha:
                self._sha = await translate_errors(lambda: self.redis.script_load(_SCRIPT))
            answers = await self._round_trip([calls[at][1] for at in missing])
            for at, answer in zip(missing, answers, strict=True):
                replies[at] = answer
            missing = [at for at in missing if isinstance(replies[at], redis_errors.NoScriptError)]
            self._sha = "" if missing else self._sha
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate_error(reply)
        return replies

    async def _round_trip(self, arguments: Sequence[list[Any]]) -> list[Any]:
        pipeline = self.redis.pipeline(transaction=False)
        for call in arguments:
            pipeline.execute_command("EVALSHA", self._sha, *call)
        answers: list[Any] = await translate_errors(lambda: pipeline.execute(raise_on_error=False))
        return answers


def _in_parts(moves: Sequence[GroupUpdate]) -> Iterator[list[GroupUpdate]]:
    part: list[GroupUpdate] = []
    cells = 0
    for move in moves:
        part.append(move)
        cells += move.delta.cells if move.delta else 0
        if len(part) >= AT_ONCE and cells >= CELLS_AT_ONCE:
            yield part
            part, cells = [], 0
    if part:
        yield part
