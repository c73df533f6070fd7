"""What a namespace was made with; a worker that differs must not touch it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

import msgspec
from redis.asyncio import Redis

from schemas.errors import StateAttention
from schemas.topic import Topic
from schemas.topics import BY_NAME, CREDITS, SIGNALS
from streams.fold.limits import LIMIT_SETTINGS
from streams.kafka.records import TopicPartition
from streams.refusals import PARTITIONS_ADDED
from streams.settings import FoldSettings
from streams.state import keys
from streams.state.connection.errors import translate_errors

FOLD_VERSION = 5
"""What is counted and how it is stored: workers leave namespaces of another version alone."""
AS_PUBLISHED = "as published"
PUT_BACK = "Put the settings back, or set redis.namespace to a new name and replay the log into it."
DROPPING, DROPPED = b"dropping", b"dropped"
"""A namespace whose deletion was begun, or has ended: kept under `dropped_key`."""


AGAIN = (
    "Namespace %s is new to this Redis, although there were workers before: the log is read from where it begins. "
    "What is invalid in it and has its dead letter gets no second one, as far as dead-letters still holds it "
    "(docs/operating/operating.md)."
)

log = logging.getLogger("reshelf")


class NamespaceMissing(StateAttention):
    """No worker has made the namespace."""


class Manifest(msgspec.Struct, frozen=True):
    """`starts` maps each event topic to the first offset of each partition that the state covers.

    It may lack topics that came later, and `signals` maps each kind of signals that it counts to the first offset of
    each partition of events-signals; the places of kinds in it are those of their measures.
    `attribution` says how conversions were decided where that was done for this
    namespace; it is empty where they are those of events-conversions.
    """

    namespace: str
    topics: dict[str, int]
    starts: dict[str, list[int]]
    groups: int
    fold_version: int
    fold: dict[str, int | str]
    digest: str
    attribution: dict[str, int] = {}
    signals: dict[str, list[int]] = {}

    @property
    def prefix(self) -> str:
        """What the names of the topics begin with."""
        logical = next(iter(self.starts), "")
        return next((name.removesuffix(logical) for name in self.topics if name.endswith(logical)), "")

    def fold_settings(self, limits: FoldSettings | None = None) -> FoldSettings:
        """The settings that shaped the fold, with the limits on names of others, which the manifest does not have.

        `StateAttention` where another version of Reshelf made the namespace.
        """
        if self.fold_version == FOLD_VERSION:
            own = limits.model_dump(include=set(LIMIT_SETTINGS)) if limits else {}
            return FoldSettings.model_validate({**self.fold, **own, "signals": tuple(self.signals)})
        raise self._of_other_version()

    def counting(self, fold: FoldSettings) -> FoldSettings:
        """Settings with the kinds of signals that this namespace counts."""
        return fold.changed(signals=tuple(self.signals))

    def topics_of(self, topics: Iterable[Topic]) -> tuple[Topic, ...]:
        """Those of some topics that the namespace has."""
        return tuple(topic for topic in topics if topic.name in self.starts)

    def export_settings(self) -> FoldSettings:
        """The settings that shaped the fold, of an older version as well: what that stored is read as ever.

        `StateAttention` where a newer version of Reshelf made the namespace.
        """
        if self.fold_version > FOLD_VERSION:
            raise self._of_other_version()
        return FoldSettings.model_validate({**self.fold, "signals": tuple(self.signals)})

    def _of_other_version(self) -> StateAttention:
        return StateAttention(
            f"namespace {self.namespace!r} was made by another version of Reshelf: expected fold version "
            f"{FOLD_VERSION}, got {self.fold_version}. Read it with the version that made it, or set redis.namespace "
            "to a new name and replay the log into it."
        )

    def partitions(self) -> list[TopicPartition]:
        """All partitions of the event topics."""
        return [TopicPartition(topic, at) for topic, starts in self.starts.items() for at in range(len(starts))]

    def start(self, tp: TopicPartition) -> int:
        """The first offset of a partition that the state covers; `StateAttention` for one that it does not know."""
        starts = self.starts[tp.topic]
        if tp.partition >= len(starts):
            raise StateAttention(
                f"{tp} is not in namespace {self.namespace!r}, which was made with {len(starts)} partitions "
                f"of the topic: partitions were added. {PARTITIONS_ADDED}"
            )
        return starts[tp.partition]


def shape_of(fold: FoldSettings) -> dict[str, int | str]:
    """The settings that shape what is counted; limits on names bound the future alone."""
    return fold.model_dump(exclude={*LIMIT_SETTINGS, "signals"})


def manifest_of(
    namespace: str,
    prefix: str,
    starts: Mapping[str, Sequence[int]],
    groups: int,
    fold: FoldSettings,
    attribution: Mapping[str, int] | None = None,
) -> Manifest:
    """The manifest of a namespace over topics that begin at `starts`; topic names get the prefix."""
    shape, signals = shape_of(fold), starts.get(SIGNALS.name, ())
    return Manifest(
        namespace=namespace,
        topics={prefix + topic: len(offsets) for topic, offsets in starts.items()},
        starts={topic: list(offsets) for topic, offsets in starts.items()},
        groups=groups,
        fold_version=FOLD_VERSION,
        fold=shape,
        digest=sha256(msgspec.json.encode([FOLD_VERSION, groups, shape], order="sorted")).hexdigest()[:16],
        attribution=dict(attribution or {}),
        signals={kind: list(signals) for kind in fold.signals} if CREDITS.name in starts else {},
    )


def dropped_key(namespace: str) -> str:
    """Where it is kept that a namespace is being dropped, or was."""
    return f"{keys.PREFIX}{{{namespace}}}:dropped"


async def agree(redis: Redis, expected: Manifest, again: bool = False) -> Manifest:
    """The namespace's manifest, written now if it has none; `again`: workers had been there before, if so.

    Raises `StateAttention` when the stored one was made with other topics,
    groups or fold settings.
    """
    name, dropped = keys.manifest(expected.namespace), dropped_key(expected.namespace)
    if await translate_errors(lambda: redis.get(dropped)) == DROPPING:
        raise StateAttention(
            f"namespace {expected.namespace!r} was dropped in part: run `reshelf state drop {expected.namespace}` "
            "again, or set redis.namespace to a new name."
        )
    if await translate_errors(lambda: redis.set(name, msgspec.json.encode(expected), nx=True)):
        await translate_errors(lambda: redis.delete(dropped))
        if again:
            log.warning(AGAIN, expected.namespace)
    stored = await read(redis, expected.namespace)
    check_same(stored, expected)
    return stored


def check_same(stored: Manifest, expected: Manifest) -> None:
    """Raise `StateAttention` where a namespace was made with other topics, groups or fold settings than expected.

    It may lack topics that came later.
    """
    differences = _differences(stored, without_later(expected, stored))
    if differences:
        raise StateAttention(
            f"namespace {expected.namespace!r} was made with other settings: {'; '.join(differences)}. "
            + (PARTITIONS_ADDED if _have_grown(stored, expected) else PUT_BACK)
        )


def without_later(expected: Manifest, stored: Manifest) -> Manifest:
    """The expected manifest without the topics that came later and that a stored one lacks."""
    lacking = [name for name in expected.starts if BY_NAME[name].later and name not in stored.starts]
    topics = {
        name: count for name, count in expected.topics.items() if name.removeprefix(expected.prefix) not in lacking
    }
    starts = {name: offsets for name, offsets in expected.starts.items() if name not in lacking}
    return msgspec.structs.replace(expected, topics=topics, starts=starts)


async def read(redis: Redis, namespace: str, name: str = "") -> Manifest:
    """The manifest of a namespace, which `name` stands for; `NamespaceMissing` when there is none."""
    text = await translate_errors(lambda: redis.get(keys.manifest(namespace)))
    if text is None:
        alias = f", which {name!r} stands for" if name not in ("", namespace) else ""
        raise NamespaceMissing(
            f"no namespace {namespace!r} in Redis{alias}: expected its manifest under {keys.manifest(namespace)!r}, "
            "got nothing. Check redis.url and redis.namespace, or start a worker, which creates the namespace."
        )
    return msgspec.json.decode(text, type=Manifest)


def _have_grown(stored: Manifest, expected: Manifest) -> bool:
    """Whether partitions were added to its topics, and nothing else is different."""
    same = msgspec.structs.replace(expected, topics=stored.topics)
    grown = all(0 < had <= expected.topics.get(name, 0) for name, had in stored.topics.items())
    return grown and len(stored.topics) == len(expected.topics) and not _differences(stored, same)


def _differences(stored: Manifest, expected: Manifest) -> list[str]:
    pairs: list[tuple[str, object, object]] = [
        ("groups", stored.groups, expected.groups),
        ("fold version", stored.fold_version, expected.fold_version),
        ("attribution", _rules(stored.attribution), _rules(expected.attribution)),
    ]
    topics = sorted(stored.topics.keys() | expected.topics.keys())
    pairs += [(f"partitions of {name}", stored.topics.get(name, 0), expected.topics.get(name, 0)) for name in topics]
    names = sorted(stored.fold.keys() | expected.fold.keys())
    pairs += [(f"fold.{name}", stored.fold.get(name), expected.fold.get(name)) for name in names]
    return [f"{name} is {had!r} there and {has!r} here" for name, had, has in pairs if had != has]


def _rules(attribution: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in attribution.items()) or AS_PUBLISHED
