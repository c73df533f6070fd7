"""How far attribution has come with each partition, in Redis.

For each partition: a watermark of each topic that it decides by, the place in each topic that it
writes from which to look for decisions that were published already, and how much of the attribution
window the clicks cover.  All keys of a partition carry the hash tag of its home group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from schemas.topics import CLICKS, CONVERSIONS, CREDITS, PURCHASES, RETURNS, SIGNALS
from streams.kafka.records import TopicPartition
from streams.state.connection.errors import translate_errors
from streams.state.keys import PREFIX, home_group
from streams.state.manifest import Manifest
from streams.state.watermark import Watermark

READ = (CLICKS, PURCHASES, SIGNALS, RETURNS)
"""The topics that attribution decides by, in the order of `Position`."""
WRITTEN = (CONVERSIONS, CREDITS)
"""The topics that it writes."""
_MOVE = files("streams.state.clicks").joinpath("progress.lua").read_text()
_NOWHERE = Watermark(0)
_AT = {topic.name: at for at, topic in enumerate(READ)}
PublishedTo = Mapping[str, int]
"""By topic, where to look for decisions that were published."""


class Position(NamedTuple):
    """A point in the common order of the logs; those that a namespace lacks stay at their beginning."""

    clicks: Watermark
    purchases: Watermark
    signals: Watermark = _NOWHERE
    returns: Watermark = _NOWHERE

    @staticmethod
    def of(marks: Mapping[str, Watermark]) -> Position:
        """From watermarks by topic."""
        return Position(*(marks.get(topic.name, _NOWHERE) for topic in READ))

    def mark(self, topic: str) -> Watermark:
        """The watermark of a topic."""
        return self[_AT[topic]]

    @property
    def offsets(self) -> tuple[int, ...]:
        return tuple(mark.offset for mark in self)

    def before(self, other: Position) -> bool:
        """Whether one of the logs was read less far."""
        return any(own.offset < others.offset for own, others in zip(self, other, strict=True))


class Starts(NamedTuple):
    """The first offsets that the namespace covers of one partition number, by topic: those read, those written."""

    read: Mapping[str, int]
    written: Mapping[str, int]


class Applied(NamedTuple):
    """Up to where a partition was decided, and where to look for its published decisions."""

    position: Position
    published: PublishedTo


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
    """The keys of a partition, by topic where there are several."""

    marks: dict[str, str]
    published: dict[str, str]
    window: str

    @property
    def purchases(self) -> str:
        return self.marks[PURCHASES.name]


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
        self._keys = self._only_own(progress_keys(namespace, groups, partition))
        self._sha = ""

    def _only_own(self, keys: Keys) -> Keys:
        """Those of the topics that the namespace has."""
        marks = {topic: keys.marks[topic] for topic in self.starts.read}
        return Keys(marks, {topic: keys.published[topic] for topic in self.starts.written}, keys.window)

    async def load(self) -> Applied:
        """Where the partition stands."""
        return self._applied(await self._stored(self._keys))

    async def move(self, expected: Position, after: Position, published: PublishedTo, window: Window) -> bool:
        """Move along from `expected`, or change nothing; whether the partition is at `after` now."""
        arguments: list[Any] = [len(self._keys.marks), len(self._keys.published)]
        for topic in self._keys.marks:
            arguments += (expected.mark(topic).offset, self.starts.read[topic], after.mark(topic).encode())
        arguments += (published[topic] for topic in self._keys.published)
        reply = await self._evaluate(*arguments, window.encode())
        return list(map(int, reply[1:])) == [after.mark(topic).offset for topic in self._keys.marks]

    async def merge_groups(self) -> None:
        """Take over what 0.1.0 has left: a position for each state group, and clicks beside it.

        The earliest of them counts for the partition, so nothing of any is left out.
        """
        others = [
            self._only_own(_keys(self._namespace, group, self.partition))
            for group in range(self._groups)
            if group != home_group(TopicPartition(PURCHASES.name, self.partition), self._groups)
        ]
        stored = await asyncio.gather(*map(self._stored, others))
        if not any(map(any, stored)):
            return
        groups = [await self.load(), *(self._applied(marks) for marks in stored if any(marks))]
        lowest = min(groups, key=lambda each: each.position.purchases.offset)
        values: dict[str, bytes] = {
            name: lowest.position.mark(topic).encode() for topic, name in self._keys.marks.items()
        }
        for topic, name in self._keys.published.items():
            values[name] = str(min(each.published[topic] for each in groups)).encode()
        await translate_errors(lambda: self._redis.mset(values))
        for keys in others:
            await self._delete((*_names(keys), _left_clicks(keys)))
        await self._delete((_left_clicks(self._keys),))

    async def _stored(self, keys: Keys) -> list[bytes | None]:
        stored: list[bytes | None] = await translate_errors(lambda: self._redis.mget(_names(keys)))
        return stored

    async def _delete(self, names: Iterable[str]) -> None:
        await translate_errors(lambda: self._redis.delete(*names))

    def _applied(self, stored: list[bytes | None]) -> Applied:
        texts = dict(zip((*self._keys.marks, *self._keys.published), stored, strict=True))
        marks = {topic: Watermark.decode(texts[topic], start) for topic, start in self.starts.read.items()}
        return Applied(
            Position.of(marks), {topic: int(texts[topic] or start) for topic, start in self.starts.written.items()}
        )

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
        names = (*_names(self._keys), self._keys.window)
        return await translate_errors(lambda: self._redis.evalsha(self._sha, len(names), *names, *arguments))


def progress_of(redis: Redis, manifest: Manifest, partition: int) -> Progress:
    """That of a partition number in a namespace; raises `StateAttention` for one that it does not know."""
    read, written = (
        {topic.name: manifest.start(TopicPartition(topic.name, partition)) for topic in manifest.topics_of(topics)}
        for topics in (READ, WRITTEN)
    )
    return Progress(redis, manifest.namespace, manifest.groups, partition, Starts(read, written))


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
        {topic.name: f"{base}wm:{topic.name}:{partition}" for topic in READ},
        {topic.name: f"{base}{topic.name.removeprefix('events-')}:{partition}" for topic in WRITTEN},
        f"{base}window:{partition}",
    )


def _names(keys: Keys) -> list[str]:
    return [*keys.marks.values(), *keys.published.values()]


def _left_clicks(keys: Keys) -> str:
    """Where 0.1.0 had the clicks of a group."""
    return keys.published[CONVERSIONS.name].replace(":conversions:", ":clicks:")
