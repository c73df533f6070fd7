"""The click memory in Redis.

Each group of units has, for each partition, two watermarks, a hash of clicks by
offset, and the place in events-conversions from which to look for decisions
that were published already.  All keys of a group carry one hash tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from policy.attribution import ClickRecord
from schemas.topics import CLICKS, PURCHASES
from streams.kafka.records import TopicPartition
from streams.state.clicks.group import Change, GroupMemory, Position
from streams.state.connection.errors import translate_error, translate_errors
from streams.state.keys import PREFIX, home_group
from streams.state.manifest import Manifest
from streams.state.watermark import Watermark

_FOLDER = files("streams.state.clicks")
_MOVE = _FOLDER.joinpath("memory.lua").read_text()
_LOAD = "return {redis.call('MGET', KEYS[1], KEYS[2], KEYS[3]), redis.call('HGETALL', KEYS[4])}"


class StoredClick(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A click as it is in Redis under its offset: one msgpack array."""

    unit: str
    append_time: int
    occurred_at: int
    click_id: str
    page: str
    segment: str
    slot: str
    item: str
    layout_version: int
    variant: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredClick).decode


def pack(unit: str, click: ClickRecord) -> bytes:
    """A click as bytes."""
    values = (getattr(click, name) for name in StoredClick.__struct_fields__[1:])
    return _encode(StoredClick(unit, *values))


def unpack(offset: int, content: bytes) -> tuple[str, ClickRecord]:
    """The unit and the click stored under an offset."""
    stored = msgspec.structs.asdict(_decode(content))
    unit = stored.pop("unit")
    return unit, ClickRecord(offset=offset, **stored)


class Starts(NamedTuple):
    """The first offsets that the namespace covers of one partition number."""

    clicks: int
    purchases: int
    conversions: int


class Loaded(NamedTuple):
    """A group as Redis holds it, and where to look for its published decisions."""

    memory: GroupMemory
    conversions: int


class ClickMemory:
    """The click memory of one partition number, group by group.

    Every call may raise `Transient`; to call again is always right.
    """

    def __init__(self, redis: Redis, namespace: str, groups: int, partition: int, starts: Starts) -> None:
        self.groups = groups
        self.partition = partition
        self._redis = redis
        self._starts = starts
        self._dead_lettered = _dead_lettered_key(namespace, groups, partition)
        self._keys = [memory_keys(namespace, group, partition) for group in range(groups)]
        self._shas: dict[str, str] = {}

    async def load(self, groups: Sequence[int]) -> dict[int, Loaded]:
        """Groups as they stand, each read at one point in time."""
        replies = await self._evaluate(_LOAD, [(*self._keys[group],) for group in groups])
        return {group: self._loaded(reply) for group, reply in zip(groups, replies, strict=True)}

    async def dead_lettered(self) -> int:
        """Invalid purchases below this offset were dead-lettered in another namespace."""
        return int(await translate_errors(lambda: self._redis.get(self._dead_lettered)) or 0)

    async def stand(self, groups: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Only the offsets at which groups stand: clicks, purchases."""
        pipeline = self._redis.pipeline(transaction=False)
        for group in groups:
            pipeline.execute_command("MGET", *self._keys[group][:2])
        replies = await translate_errors(pipeline.execute)
        return {
            group: (
                Watermark.decode(clicks, self._starts.clicks).offset,
                Watermark.decode(purchases, self._starts.purchases).offset,
            )
            for group, (clicks, purchases) in zip(groups, replies, strict=True)
        }

    async def move(self, changes: Sequence[Change], conversions: int | None) -> list[bool]:
        """Carry each change out or leave its group alone; whether the group now stands where the change meant it to."""
        place = b"" if conversions is None else str(conversions).encode()
        replies = await self._evaluate(_MOVE, [self._call(change, place) for change in changes])
        pairs = zip(changes, replies, strict=True)
        return [(int(reply[1]), int(reply[2])) == change.after.offsets for change, reply in pairs]

    def _loaded(self, reply: Any) -> Loaded:
        (clicks, purchases, conversions), fields = reply
        starts = self._starts
        position = Position(Watermark.decode(clicks, starts.clicks), Watermark.decode(purchases, starts.purchases))
        pairs = zip(map(int, fields[::2]), fields[1::2], strict=True)
        stored = {offset: unpack(offset, content) for offset, content in pairs}
        return Loaded(GroupMemory(position, stored), starts.conversions if conversions is None else int(conversions))

    def _call(self, change: Change, place: bytes) -> tuple[Any, ...]:
        content: list[Any] = []
        for unit, click in change.added:
            content += (click.offset, pack(unit, click))
        marks = (change.after.clicks.encode(), change.after.purchases.encode())
        starts = (self._starts.clicks, self._starts.purchases)
        head = (*change.expected.offsets, *starts, *marks, place, len(change.dropped))
        return (*self._keys[change.group], *head, *change.dropped, *content)

    async def _evaluate(self, script: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """One round trip for all calls; the script is loaded where Redis has lost it."""
        replies: list[Any] = [None] * len(calls)
        missing = list(range(len(calls)))
        while missing:
            if script not in self._shas:
                self._shas[script] = await translate_errors(lambda: self._redis.script_load(script))
            answers = await self._round_trip(self._shas[script], [calls[at] for at in missing])
            for at, answer in zip(missing, answers, strict=True):
                replies[at] = answer
            missing = [at for at in missing if isinstance(replies[at], NoScriptError)]
            if missing:
                del self._shas[script]
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate_error(reply)
        return replies

    async def _round_trip(self, sha: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("EVALSHA", sha, 4, *call)
        answers: list[Any] = await translate_errors(lambda: pipeline.execute(raise_on_error=False))
        return answers


async def hand_dead_letters_over(redis: Redis, before: Manifest, after: Manifest) -> None:
    """Let attribution in one namespace leave those invalid purchases alone that were dead-lettered in another."""
    for partition in range(len(before.starts[PURCHASES.name])):
        home = home_group(TopicPartition(PURCHASES.name, partition), before.groups)
        passed = memory_keys(before.namespace, home, partition)[1]
        stored = await translate_errors(lambda passed=passed: redis.get(passed))  # type: ignore[misc]
        if stored is not None:
            name, offset = (
                _dead_lettered_key(after.namespace, after.groups, partition),
                Watermark.decode(stored, 0).offset,
            )
            await translate_errors(lambda name=name, offset=offset: redis.set(name, offset))  # type: ignore[misc]


def _dead_lettered_key(namespace: str, groups: int, partition: int) -> str:
    """Where it is kept up to where another namespace has dead-lettered the purchases of a partition."""
    home = home_group(TopicPartition(PURCHASES.name, partition), groups)
    return f"{PREFIX}{{{namespace}:a{home}}}:dead-lettered:{partition}"


def memory_keys(namespace: str, group: int, partition: int) -> tuple[str, str, str, str]:
    """The keys of a partition in a group: watermarks of clicks and purchases, end of conversions, clicks."""
    base = f"{PREFIX}{{{namespace}:a{group}}}:"
    return (
        f"{base}wm:{CLICKS.name}:{partition}",
        f"{base}wm:{PURCHASES.name}:{partition}",
        f"{base}conversions:{partition}",
        f"{base}clicks:{partition}",
    )
