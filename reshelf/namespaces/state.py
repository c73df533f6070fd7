"""Namespaces side by side: their canonical rows, what differs, and which of them is live."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from redis.asyncio import Redis

from reshelf.namespaces.replay import behind, require_name
from reshelf.namespaces.stretch import FOLDED
from reshelf.numbers import number
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.kafka.log_source import KafkaSource
from streams.kafka.records import TopicPartition
from streams.state import export, keys, manifest
from streams.state.alias import resolve, switch
from streams.state.connection.client import redis_client
from streams.state.store import Store

SHOWN = 10
Row = list[Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """Rows that both have, how many do not agree, and the first of those of each side."""

    equal: int
    differing: int
    only_one: list[Row]
    only_other: list[Row]


async def rows(settings: Settings, namespace: str) -> list[Row]:
    """The canonical export of a namespace in memory; raises `StateAttention` where there is none."""
    with TemporaryDirectory(prefix="reshelf-state-") as folder:
        (canonical,) = await _sorted(settings, [namespace], Path(folder))
        return list(canonical)


@contextmanager
def sorted_rows(settings: Settings, *namespaces: str) -> Iterator[list[Iterable[Row]]]:
    """The exports of namespaces, all as of the latest time of the log that one of them has reached, sorted on disk.

    Raises `StateAttention` where there is none of a name.
    """
    with TemporaryDirectory(prefix="reshelf-state-") as folder:
        yield asyncio.run(_sorted(settings, namespaces, Path(folder)))


async def _sorted(settings: Settings, namespaces: Sequence[str], folder: Path) -> list[Iterable[Row]]:
    client = redis_client(settings.redis)
    try:
        manifests = [await manifest.read(client, namespace) for namespace in namespaces]
        stores = [Store(client, each.namespace, each.groups) for each in manifests]
        latest = max([await export.log_time(*pair) for pair in zip(stores, manifests, strict=True)])
        return [await export.sorted_rows(*pair, folder, latest) for pair in zip(stores, manifests, strict=True)]
    finally:
        await client.aclose()


def compared(settings: Settings, name: str, other: str) -> Compared:
    """Two namespaces, row for row."""
    with sorted_rows(settings, name, other) as (first, second):
        return compare(first, second)


def compare(first: Iterable[Row], second: Iterable[Row]) -> Compared:
    """Two sorted exports in which each row is there once."""
    left, right, equal = _Only(), _Only(), 0
    sides = heapq.merge(((row, 0) for row in first), ((row, 1) for row in second))
    for row, group in groupby(sides, key=itemgetter(0)):
        which = [side for _, side in group]
        if len(which) == 2:
            equal += 1
        else:
            (left, right)[which[0]].add(row)
    return Compared(equal, max(left.rows, right.rows), left.examples, right.examples)


class _Only:
    """How many rows one side has alone, and the first of them as text sorts them."""

    def __init__(self) -> None:
        self.rows = 0
        self.examples: list[Row] = []

    def add(self, row: Row) -> None:
        self.rows += 1
        self.examples = sorted([*self.examples, row], key=lambda example: str(tuple(example)))[:SHOWN]


def swapped(settings: Settings, namespace: str, max_behind: int, skip_dead_letters: bool = False) -> str:
    """Let the settings' name stand for a namespace; gives the one before.

    Raises `BadSettings` where the workers' settings do not fit it, it lacks too
    much of the log, or workers have not dead-lettered what it has passed (unless `skip_dead_letters`),
    and `StateAttention` where there is none of that name.
    """
    require_name("NAMESPACE", namespace)
    return asyncio.run(_swapped(settings, namespace, max_behind, skip_dead_letters))


async def _swapped(settings: Settings, namespace: str, max_behind: int, skip_dead_letters: bool) -> str:
    client = redis_client(settings.redis)
    try:
        target = await manifest.read(client, namespace)
        if target.fold != manifest.shape_of(settings.fold) or target.groups != settings.redis.groups:
            raise BadSettings(
                f"namespace {namespace!r} was made with other settings than these (redis.groups or fold): "
                "put them into the workers' settings first, or they will refuse it"
            )
        if target.attribution:
            raise BadSettings(
                f"namespace {namespace!r} holds conversions that were decided anew, and workers would go on with those "
                "of events-conversions. Replay without --reattribute into another to switch to that."
            )
        used = await _used(client, settings)
        if used is not None:
            _check_start(settings, target, used)
        lag = await behind(settings, namespace, KafkaSource(settings.kafka))
        if lag > max_behind:
            raise BadSettings(
                f"namespace {namespace!r} lacks {number(lag)} records of the log: replay into it again, "
                "or allow it with --max-behind"
            )
        if used is not None and used.namespace != namespace and not skip_dead_letters:
            await _check_letters(client, target, used)
        return await switch(client, settings.redis.namespace, namespace)
    finally:
        await client.aclose()


async def _used(client: Redis, settings: Settings) -> manifest.Manifest | None:
    """The manifest of the namespace that workers use; None where there is none."""
    stored = await client.get(keys.manifest(await resolve(client, settings.redis.namespace)))
    return None if stored is None else msgspec.json.decode(stored, type=manifest.Manifest)


async def _check_letters(client: Redis, target: manifest.Manifest, used: manifest.Manifest) -> None:
    """A replay dead-letters nothing, so what it has passed must have been dead-lettered by the workers."""
    passed, dead_lettered = await _passed(client, target), await _passed(client, used)
    # Of partitions that were added workers have dead-lettered nothing.
    first = {tp: target.starts[tp.topic][tp.partition] for tp in passed}
    left = sum(max(0, offset - dead_lettered.get(tp, first[tp])) for tp, offset in passed.items())
    if left:
        raise BadSettings(
            f"workers have yet to read {number(left)} records that {target.namespace!r} has applied, and what is "
            "invalid among them would never get to dead-letters. Let workers catch up first; where they refuse to go "
            "on, replay into another namespace with an earlier --to; or use --skip-dead-letters"
        )


async def _passed(client: Redis, target: manifest.Manifest) -> dict[TopicPartition, int]:
    """Up to where each partition was dead-lettered, where workers did it: its home group says it."""
    store, passed = Store(client, target.namespace, target.groups), {}
    for topic in FOLDED:
        for partition, start in enumerate(target.starts[topic]):
            tp = TopicPartition(topic, partition)
            passed[tp] = (await store.watermarks(tp, start))[keys.home_group(tp, target.groups)].offset
    return passed


def _check_start(settings: Settings, target: manifest.Manifest, used: manifest.Manifest) -> None:
    """Attribution in a namespace that begins later would not find decisions of before, and make them again."""
    name, begun = settings.redis.namespace, used.starts
    log = KafkaSource(settings.kafka).bounds(list(target.starts))
    late = [
        f"{topic}/{partition} begins at {start}, expected at most {max(first, before)}"
        for topic, starts in target.starts.items()
        for partition, (start, before) in enumerate(zip(starts, begun.get(topic, []), strict=False))
        if start > max(first := log.get(TopicPartition(topic, partition), (0, 0))[0], before)
    ]
    if late:
        raise BadSettings(
            f"namespace {target.namespace!r} begins later in the log than the one that {name!r} stands for: {late[0]}"
            f"{' and others' if late[1:] else ''}. Replay --from beginning to switch workers to the result."
        )
