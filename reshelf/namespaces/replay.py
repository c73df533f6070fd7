"""`reshelf replay`: from words on a command line to a namespace."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from reshelf.namespaces.shares import Job, Left, apply, fitting_workers, merge, shared_out
from reshelf.namespaces.stretch import ALL, BEGINNING, FOLDED, Starts, listed, places
from reshelf.settings import Settings
from reshelf.terminal.progress import Begin
from schemas.errors import BadSettings
from schemas.topics import CLICKS, FOLDED_TOPICS, PURCHASES, RETURNS, SIGNALS
from streams.attribution.reattribute import ANEW, Reattributed, Rule, settled_after_s
from streams.attribution.windows import PageWindows, RulesReader
from streams.kafka.log_source import Source
from streams.kafka.records import TopicPartition
from streams.replay.run import Applied
from streams.settings import NAMESPACE
from streams.state.alias import resolve
from streams.state.connection.client import redis_client
from streams.state.limits.partition import copy_limits
from streams.state.manifest import Manifest, NamespaceMissing, agree, manifest_of, read
from streams.state.store import Store

DECIDED = (SIGNALS.name, PURCHASES.name, RETURNS.name)
"""The topics whose records attribution decides."""


@dataclass(frozen=True, slots=True)
class Options:
    """From where to where, into which namespace; with `windows` purchases are attributed anew by them.

    With `current_limits` those of the settings hold for all names, not those that held at the time.
    `workers` is how many processes share the partitions; None: as many as fit.
    """

    begin: str
    end: str
    namespace: str
    windows: PageWindows | None = None
    current_limits: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did; `gone` are records that the log does not hold any more, by partition.

    `limited` says whose limits on names held at each offset: those that the live namespace had, or the settings'.
    """

    namespace: str
    applied: Applied
    seconds: float
    merge_seconds: float
    workers: int
    gone: Mapping[str, int]
    limited: str
    starts: Starts
    ends: Starts


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a replay will do, and what its answer says of that."""

    job: Job
    left: Left
    gone: Mapping[str, int]
    limited: str


def run(settings: Settings, source: Source, options: Options, begin: Begin) -> Replayed:
    """Replay a stretch of log into a namespace; one that was begun goes on where it stands.

    Raises `BadSettings` where the order makes no sense or the namespace is another's.
    """
    require_name("--into", options.namespace)
    plan = asyncio.run(_planned(settings, source, options, begin))
    workers, began = options.workers or fitting_workers(plan.left), time.monotonic()
    applied = apply(plan.job, plan.left, workers, begin)
    applied_at = time.monotonic()
    merge(plan.job, begin)
    return Replayed(
        namespace=options.namespace,
        applied=applied,
        seconds=applied_at - began,
        merge_seconds=time.monotonic() - applied_at,
        workers=max(1, len(shared_out(plan.left, workers))),
        gone=plan.gone,
        limited=plan.limited,
        starts=plan.job.manifest.starts,
        ends=listed(plan.job.ends, FOLDED),
    )


def require_name(what: str, namespace: str) -> None:
    """Raise `BadSettings` for a name that redis.namespace would not take."""
    if not re.fullmatch(NAMESPACE, namespace):
        raise BadSettings(f"{what}: expected 1 to 32 of a to z, 0 to 9 and -, got {namespace!r}. Choose another name.")


async def _planned(settings: Settings, source: Source, options: Options, begin: Begin) -> _Plan:
    bounds, read_at = await asyncio.to_thread(source.bounds, ALL), time.monotonic()
    starts, ends = (
        places(source, bounds, word, side, settings.shop.zone) for side, word in enumerate((options.begin, options.end))
    )
    if options.windows:
        if source.grows:
            await asyncio.sleep(max(0.0, read_at + settled_after_s(settings.attribution) - time.monotonic()))
        source = _reattributed(settings, source, options.windows, starts, ends, begin)
        for tp, span in (await asyncio.to_thread(source.bounds, sorted(ANEW))).items():
            starts[tp], ends[tp] = span
    client = redis_client(settings.redis)
    try:
        await _refuse_live(client, settings, options.namespace)
        manifest = await _opened(client, settings, options, starts)
        store = Store(client, options.namespace, manifest.groups)
        targets = {tp: max(end, starts[tp]) for tp, end in ends.items() if tp.topic in FOLDED}
        return _Plan(
            job=Job(settings, source, manifest, targets, range(manifest.groups)),
            left=await _left(store, manifest, targets),
            gone={str(tp): first for tp, (first, _) in bounds.items() if first and starts[tp] == first},
            limited=await _take_over_limits(client, settings, store, list(targets), options),
        )
    finally:
        await client.aclose()


async def _take_over_limits(
    client: Redis, settings: Settings, store: Store, tps: Sequence[TopicPartition], options: Options
) -> str:
    """Let the limits on names hold from where they held in the live namespace; what is said of them.

    Conversions that are decided anew have other offsets than there.
    """
    name = await resolve(client, settings.redis.namespace)
    with contextlib.suppress(NamespaceMissing):
        live = await read(client, name)
        if live.prefix == settings.kafka.prefix and not options.current_limits:
            same = [tp for tp in tps if not (options.windows and tp.topic in ANEW)]
            source = Store(client, name, live.groups)
            if any([await copy_limits(source, store, tp) for tp in same]):
                return f"as they were in {name}"
    return "of the settings, from the first record on"


async def _refuse_live(client: Redis, settings: Settings, namespace: str) -> None:
    if namespace in (settings.redis.namespace, await resolve(client, settings.redis.namespace)):
        raise BadSettings(
            f"--into: {namespace!r} is the namespace that workers use (redis.namespace, or what it stands for). "
            "Name another, and switch them over with `reshelf state swap` afterwards."
        )


def windows(settings: Settings, window_ms: int | None) -> PageWindows:
    """The windows that pages declare now, or `window_ms` for all of them."""
    page_windows = PageWindows(window_ms or settings.attribution.window_ms)
    if not window_ms:
        asyncio.run(_declared(settings, page_windows))
    return page_windows


async def _declared(settings: Settings, page_windows: PageWindows) -> None:
    reader = RulesReader(settings.kafka, page_windows)
    try:
        await reader.start()
    finally:
        await reader.close()


def _reattributed(
    settings: Settings,
    source: Source,
    windows: PageWindows,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    begin: Begin,
) -> Reattributed:
    spans = {tp: (starts[tp], max(end, starts[tp])) for tp, end in ends.items() if tp.topic in DECIDED}
    rule = Rule(settings.attribution, settings.fold, windows)
    return Reattributed(source, rule, spans, lambda total: begin(total, "attribution"))


def _shape(settings: Settings, windows: PageWindows | None) -> dict[str, int]:
    """What decided conversions depend on, beside the log and the fold."""
    if windows is None:
        return {}
    own = settings.attribution
    shape = {"grace_ms": own.grace_ms, "window_ms": windows.of(""), "returns_ms": own.returns_ms}
    shape |= {f"stage {own.stage}": 1} if own.stage else {}
    return shape | {f"window of {page}": window for page, window in windows.declared().items()}


async def _opened(
    client: Redis, settings: Settings, options: Options, starts: Mapping[TopicPartition, int]
) -> Manifest:
    namespace, begin, offsets = options.namespace, options.begin, listed(starts, ALL)
    shape = _shape(settings, options.windows)
    expected = manifest_of(namespace, settings.kafka.prefix, offsets, settings.redis.groups, settings.fold, shape)
    manifest = await agree(client, expected)
    if options.windows:
        _refuse_renumbered(namespace, manifest.starts, offsets)
    # The log's beginning moves with retention: a replay that was begun there goes on all the same.
    moved = begin == BEGINNING and all(a >= b for t in ALL for a, b in zip(offsets[t], manifest.starts[t], strict=True))
    if manifest.starts != offsets and not moved:
        topic = next(t for t in ALL if manifest.starts[t] != offsets[t])
        then, now = (", ".join(map(str, starts[topic])) for starts in (manifest.starts, offsets))
        raise BadSettings(
            f"--into: namespace {namespace!r} was begun from other offsets ({topic} at {then}, now at {now}). "
            "Give the same --from to go on, or another name."
        )
    return manifest


def _refuse_renumbered(namespace: str, begun: Starts, now: Starts) -> None:
    """Decided anew, conversions are numbered over the whole log: where its beginning is gone, so are their places."""
    had, has = ({topic: starts.get(topic) for topic in (CLICKS.name, *DECIDED)} for starts in (begun, now))
    if had != has:
        raise BadSettings(
            f"--into: namespace {namespace!r} was begun with --reattribute over clicks and purchases from {had}, "
            f"now they begin at {has}, so conversions would be counted from another one. Name another namespace, "
            "or replay an archive that still has them (--archive)."
        )


async def _left(store: Store, manifest: Manifest, ends: Mapping[TopicPartition, int]) -> Left:
    left = {}
    for tp, end in ends.items():
        marks = await store.watermarks(tp, manifest.starts[tp.topic][tp.partition])
        left[tp] = max(0, end - min(mark.offset for mark in marks))
    return left


async def behind(settings: Settings, namespace: str, source: Source) -> int:
    """How many records of the log a namespace has not applied; raises `StateAttention` without one."""
    client = redis_client(settings.redis)
    try:
        manifest = await read(client, namespace)
        topics = [topic.name for topic in manifest.topics_of(FOLDED_TOPICS)]
        ends = {tp: end for tp, (_, end) in source.bounds(topics).items()}
        left = await _left(Store(client, namespace, manifest.groups), manifest, ends)
        return sum(left.values())
    finally:
        await client.aclose()


def as_json(done: Replayed) -> dict[str, Any]:
    """The outcome as plain values."""
    rate = done.applied.read / done.seconds if done.seconds else 0.0
    return {
        "namespace": done.namespace,
        "records": done.applied.read,
        "limits": done.limited,
        "verdicts": dict(done.applied.verdicts),
        "workers": done.workers,
        "seconds": round(done.seconds, 2),
        "merge_seconds": round(done.merge_seconds, 2),
        "records_per_s": round(rate),
        "gone": dict(done.gone),
        "starts": done.starts,
        "ends": done.ends,
    }
