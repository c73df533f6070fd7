"""How far attribution has come with each partition, in Redis.

For each partition: two watermarks, the place in events-conversions from which to
look for decisions that were published already, and how much of the attribution
window the clicks cover.  All keys of a partition carry the hash tag of its home group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from schemas.topics import CLICKS, CONVERSIONS, PURCHASES
from streams.kafka.records import TopicPartition
from streams.state.connection.errors import translate_errors
from streams.state.keys import PREFIX, home_group
from streams.state.manifest import Manifest
from streams.state.watermark import Watermark

_MOVE = files("streams.state.clicks").joinpath("progress.lua").read_text()


class Position(NamedTuple):
    """A point in the common order of both logs."""

    clicks: Watermark
    purchases: Watermark

    @property
    def offsets(self) -> tuple[int, int]:
        return self.clicks.offset, self.purchases.offset

    def before(self, other: Position) -> bool:
        """Whether one of the logs was read less far."""
        return self.clicks.offset < other.clicks.offset or self.purchases.offset < other.purchases.offset


class Starts(NamedTuple):
    """The first offsets that the namespace covers of one partition number."""

    clicks: int
    purchases: int
    conversions: int


class Applied(NamedTuple):
    """Up to where a partition was decided, and where to look for its published decisions."""

    position: Position
    conversions: int


class Window(NamedTuple):
    """How much of the longest attribution window the clicks of a partition cover, in milliseconds."""

    covered: int
    longest: int

    def encode(self) -> bytes:
        return f"{self.covered}:{self.longest}".encode()

    @property
    def short(self) -> bool:
        """Whether it is less than what is asked for by more than clocks and gaps between clicks explain."""
        return self.covered < 0.95 * self.longest

    @staticmethod
    def decode(text: bytes) -> Window:
        """From Redis."""
        return Window(*map(int, text.split(b":")))


class Keys(NamedTuple):
    """The keys of a partition."""

    clicks: str
    purchases: str
    conversions: str
    window: str


class Progress:
    """How far one partition number has come.

    Every call may raise `Transient`; to call again is always right.
    """

    def __init__(self, redis: Redis, namespace: str, groups: int, partition: int, starts: Starts) -> None:
        self.partition = partition
        self.starts = starts
        self._redis = redis
        self._namespace = namespace
        self._groups = groups
        self._keys = progress_keys(namespace, groups, partition)
        self._sha = ""

    async def load(self) -> Applied:
        """Where the partition stands."""
        stored = await translate_errors(lambda: self._redis.mget(self._keys[:3]))
        return self._applied(*stored)

    async def move(self, expected: Position, after: Position, conversions: int, window: Window) -> bool:
        """Move along from `expected`, or change nothing; whether the partition is at `after` now."""
        marks = (after.clicks.encode(), after.purchases.encode())
        starts = (self.starts.clicks, self.starts.purchases)
        reply = await self._evaluate(*expected.offsets, *starts, *marks, conversions, window.encode())
        return (int(reply[1]), int(reply[2])) == after.offsets

    async def merge_groups(self) -> None:
        """Take over what 0.1.0 has left: a position for each state group, and clicks beside it.

        The earliest of them counts for the partition, so nothing of any is left out.
        """
        others = [
            _keys(self._namespace, group, self.partition)
            for group in range(self._groups)
            if group != home_group(TopicPartition(PURCHASES.name, self.partition), self._groups)
        ]
        stored = await asyncio.gather(*(self._stored(names) for names in others))
        if not any(map(any, stored)):
            return
        groups = [await self.load(), *(self._applied(*marks) for marks in stored if any(marks))]
        lowest = min(groups, key=lambda each: each.position.purchases.offset)
        first = min(each.conversions for each in groups)
        marks = (lowest.position.clicks.encode(), lowest.position.purchases.encode(), str(first).encode())
        values = dict(zip(self._keys[:3], marks, strict=True))
        await translate_errors(lambda: self._redis.mset(values))
        for names in others:
            await self._delete((*names[:3], _left_clicks(names)))
        await self._delete((_left_clicks(self._keys),))

    async def _stored(self, names: Keys) -> list[bytes | None]:
        stored: list[bytes | None] = await translate_errors(lambda: self._redis.mget(names[:3]))
        return stored

    async def _delete(self, names: Iterable[str]) -> None:
        await translate_errors(lambda: self._redis.delete(*names))

    def _applied(self, clicks: bytes | None, purchases: bytes | None, conversions: bytes | None) -> Applied:
        position = Position(
            Watermark.decode(clicks, self.starts.clicks), Watermark.decode(purchases, self.starts.purchases)
        )
        return Applied(position, self.starts.conversions if conversions is None else int(conversions))

    async def _evaluate(self, *arguments: Any) -> Any:
        """The script is loaded where Redis has lost it."""
        while True:
            if not self._sha:
                self._sha = await translate_errors(lambda: self._redis.script_load(_MOVE))
            try:
                return await self._run(*arguments)
            except NoScriptError:
                self._sha = ""

    async def _run(self, *arguments: Any) -> Any:
        return await translate_errors(lambda: self._redis.evalsha(self._sha, len(self._keys), *self._keys, *arguments))


def progress_of(redis: Redis, manifest: Manifest, partition: int) -> Progress:
    """That of a partition number in a namespace; raises `StateAttention` for one that it does not know."""
    starts = (manifest.start(TopicPartition(topic.name, partition)) for topic in (CLICKS, PURCHASES, CONVERSIONS))
    return Progress(redis, manifest.namespace, manifest.groups, partition, Starts(*starts))


async def windows(redis: Redis, manifest: Manifest) -> dict[int, Window]:
    """How much of the attribution window each partition's clicks cover, where a worker has said it."""
    partitions = range(len(manifest.starts.get(PURCHASES.name, ())))
    names = [progress_keys(manifest.namespace, manifest.groups, partition).window for partition in partitions]
    stored = await asyncio.gather(*(translate_errors(lambda name=name: redis.get(name)) for name in names))  # type: ignore[misc]
    return {partition: Window.decode(text) for partition, text in zip(partitions, stored, strict=True) if text}


def progress_keys(namespace: str, groups: int, partition: int) -> Keys:
    """The keys of a partition, which lie in its home group."""
    return _keys(namespace, home_group(TopicPartition(PURCHASES.name, partition), groups), partition)


def _keys(namespace: str, group: int, partition: int) -> Keys:
    base = f"{PREFIX}{{{namespace}:a{group}}}:"
    return Keys(
        f"{base}wm:{CLICKS.name}:{partition}",
        f"{base}wm:{PURCHASES.name}:{partition}",
        f"{base}conversions:{partition}",
        f"{base}window:{partition}",
    )


def _left_clicks(names: Keys) -> str:
    """Where 0.1.0 had the clicks of a group."""
    return names.conversions.replace(":conversions:", ":clicks:")
