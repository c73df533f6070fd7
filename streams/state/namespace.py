"""Opening a namespace: agree with its manifest, or create it where the log begins; and extending one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from schemas.errors import BadSettings, StateAttention
from schemas.messages.fields import MOST_KINDS
from schemas.topic import Topic
from schemas.topics import DEAD_LETTERS, EVENT_TOPICS, SIGNALS
from streams.kafka.bounds import log_bounds
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state import keys
from streams.state.connection.errors import translate_errors
from streams.state.manifest import Manifest, agree, check_same, manifest_of, read

_EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


async def open_namespace(
    kafka: KafkaSettings, redis: Redis, settings: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic] = ()
) -> Manifest:
    """The manifest of `settings.namespace`, which is created if it is new.

    `outputs` are the topics that the caller writes; a broker that makes topics by
    itself would make them with the wrong clean-up.
    Raises `BadSettings` when a topic is missing, and `StateAttention` when the
    namespace was made with other topics or settings.
    """
    expected, again = await _expected(kafka, settings, fold, outputs)
    return await agree(redis, expected, again)


async def expected_manifest(
    kafka: KafkaSettings, settings: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic] = ()
) -> Manifest:
    """What the manifest would be if a worker made the namespace now; raises `BadSettings` when a topic is missing."""
    return (await _expected(kafka, settings, fold, outputs))[0]


async def _expected(
    kafka: KafkaSettings, settings: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic]
) -> tuple[Manifest, bool]:
    """The manifest, and whether there are dead letters of workers before."""
    names = {topic.name: topic for topic in (*EVENT_TOPICS, *outputs)}
    bounds = await asyncio.to_thread(log_bounds, kafka, list(names))
    starts = {topic.name: [first for first, _ in bounds[topic.name]] for topic in EVENT_TOPICS}
    again = any(end > first for first, end in bounds.get(DEAD_LETTERS.name, ()))
    return manifest_of(settings.namespace, kafka.prefix, starts, settings.groups, fold), again


async def extend(kafka: KafkaSettings, redis: Redis, namespace: str, fold: FoldSettings) -> tuple[Manifest, Manifest]:
    """Let a namespace count the topics and kinds of signals that it lacks; its manifest before and after.

    A topic is counted from its beginning, and a new kind of a topic that it had from the end of that.
    Raises `BadSettings` when a topic is missing, or there would be too many kinds, `StateAttention` when other things
    differ or somebody else extends it just now.
    """
    stored = await read(redis, namespace)
    bounds = await asyncio.to_thread(log_bounds, kafka, [topic.name for topic in EVENT_TOPICS])
    starts = {topic.name: [first for first, _ in bounds[topic.name]] for topic in EVENT_TOPICS}
    expected = manifest_of(namespace, kafka.prefix, starts, stored.groups, fold, stored.attribution)
    check_same(stored, expected)
    kinds = [kind for kind in fold.signals if kind not in stored.signals]
    if len(stored.signals) + len(kinds) > MOST_KINDS:
        raise BadSettings(
            f"fold.signals: expected at most {MOST_KINDS} kinds with those that namespace {namespace!r} counts "
            f"({', '.join(stored.signals)}), got {', '.join(kinds)} beside them. Leave some of the new ones out."
        )
    had = SIGNALS.name in stored.starts
    first = [end if had else begin for begin, end in bounds[SIGNALS.name]]
    after = replace(
        stored,
        topics=expected.topics,
        starts={**expected.starts, **stored.starts},
        signals={**stored.signals, **dict.fromkeys(kinds, first)},
    )
    arguments = (keys.manifest(namespace), msgspec.json.encode(stored), msgspec.json.encode(after))
    if not await translate_errors(lambda: redis.eval(_EXTEND, 1, *arguments)):
        raise StateAttention(f"namespace {namespace!r} was changed by somebody else just now: try again.")
    return stored, after
