"""Rules on their topics: the newest of each page, all versions of one, and publishing another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
from confluent_kafka import Consumer

from reshelf.topics.publish import deliver
from reshelf.words.said import plain, say
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadRecord, BadSettings, ReshelfError
from schemas.messages.pages import PageRules
from schemas.topic import Topic
from schemas.topics import PAGE_RULES, PAGE_RULES_HISTORY
from streams.kafka.reader import partitions, reader, to_the_end
from streams.settings import KafkaSettings

M = TypeVar("M", bound=msgspec.Struct)
ATTEMPTS = 10
UNDER_WAY_MS = 60_000
"""A version that stands in the history alone is somebody's who is publishing it now, or who was cut off before that."""
Read = Callable[[Topic], Iterable[tuple[str, PageRules | None]]]
"""Key and page of all records of a topic as it is now, over a connection that stays open."""
AS_DECLARED = {"version": 0, "author": "", "reason": "", "published_at": 0}


class Overtaken(ReshelfError):
    """Somebody else published in the meantime."""


def newest(kafka: KafkaSettings) -> dict[str, PageRules]:
    """The rules of each page now, by name; raises Transient where the topic cannot be read."""
    return _newest(_all(kafka, PAGE_RULES))


def history(kafka: KafkaSettings, page: str) -> list[PageRules]:
    """All versions of a page that are still kept, oldest first."""
    past = _first_of_each(record for record in _all(kafka, PAGE_RULES_HISTORY) if record[0] == page)
    versions = {version: rules for (_, version), rules in past.items()}
    now = newest(kafka).get(page)
    if now is not None:
        versions[now.version] = now
    return [versions[version] for version in sorted(versions)]


def publish(
    kafka: KafkaSettings,
    pages: list[PageRules],
    author: str,
    reason: str,
    now_ms: int,
    base: Mapping[str, int] | None = None,
) -> list[PageRules]:
    """Publish what differs from the newest as further versions; gives what was published.

    The history is written first, so that no version is in force that it lacks, and
    no number is given twice, even where `page-rules` was lost.  It also decides between
    those who publish at the same time: a number is whose record of it comes first.

    `base` names the version that a page was changed from: raises `Overtaken` where another is in
    force or under way.  A page without one gets the next number, whoever else publishes.
    """
    stamp = {"author": author, "reason": reason, "published_at": now_ms}
    with reader(kafka) as consumer:
        return _publish(kafka, partial(_read, consumer, kafka.prefix), pages, stamp, base or {})


def _publish(
    kafka: KafkaSettings, read: Read, pages: list[PageRules], stamp: Mapping[str, Any], base: Mapping[str, int]
) -> list[PageRules]:
    published = list[PageRules]()
    for _ in range(ATTEMPTS):
        claims = _claims(read, pages, stamp, base)
        deliver(kafka, PAGE_RULES_HISTORY, [_record(PAGE_RULES_HISTORY, page) for page in claims])
        first = _first_of_each(read(PAGE_RULES_HISTORY)) if claims else {}
        ours = [page for page in claims if first.get((page.page, page.version)) == page]
        _put_in_force(kafka, read, ours)
        published += ours
        if len(ours) == len(claims):
            return published
        if base:
            raise Overtaken(say("publish.same-moment"))
        names = {page.page for page in ours}
        pages = [page for page in pages if page.page not in names]
    raise Overtaken(say("publish.busy"))


def _claims(read: Read, pages: list[PageRules], stamp: Mapping[str, Any], base: Mapping[str, int]) -> list[PageRules]:
    """What differs from the newest, with the next number of each page."""
    records, past = list(read(PAGE_RULES)), list(read(PAGE_RULES_HISTORY))
    current, numbers = _newest(records), _last_versions([*past, *records])
    fresh = {page for page, rules in past if rules and stamp["published_at"] - rules.published_at < UNDER_WAY_MS}
    for page, version in base.items():
        now = current.get(page)
        if now is None:
            continue
        if now.version != version:
            who, versions = now.author or say("somebody"), {"now": str(now.version), "version": str(version)}
            raise Overtaken(say("publish.meanwhile", who=who, **versions))
        if numbers[page] > version and page in fresh:
            raise Overtaken(say("publish.under-way", version=str(numbers[page])))
    differing = [page for page in pages if page.page not in current or _declared(current[page.page]) != _declared(page)]
    return [msgspec.structs.replace(page, version=numbers.get(page.page, 0) + 1, **stamp) for page in differing]


def _put_in_force(kafka: KafkaSettings, read: Read, pages: list[PageRules]) -> None:
    """Publish versions; where a later one was overtaken on the way it is published again, as the last record counts."""
    while pages:
        deliver(kafka, PAGE_RULES, [_record(PAGE_RULES, page) for page in pages])
        records, names = list(read(PAGE_RULES)), {page.page for page in pages}
        latest = {page: rules for page, rules in sorted(records, key=_version) if rules and page in names}
        now = _newest(records)
        pages = [rules for page, rules in latest.items() if page in now and now[page].version < rules.version]


def _record(topic: Topic, page: PageRules) -> tuple[bytes, bytes]:
    return encode_key(topic, page.page), encode(page)


def _version(record: tuple[str, PageRules | None]) -> int:
    return record[1].version if record[1] else 0


def _first_of_each(records: Iterable[tuple[str, PageRules | None]]) -> dict[tuple[str, int], PageRules]:
    first: dict[tuple[str, int], PageRules] = {}
    for page, rules in records:
        if rules:
            first.setdefault((page, rules.version), rules)
    return first


def undeclared(page: str, declared: Iterable[str]) -> ReshelfError:
    """The error of a page that nobody declared."""
    return ReshelfError(say("publish.undeclared", page=plain(page), pages=", ".join(sorted(declared)) or say("none")))


def roll_back(
    kafka: KafkaSettings,
    page: str,
    version: int | None,
    author: str,
    reason: str,
    now_ms: int,
    base: int | None = None,
) -> PageRules:
    """Publish an earlier version (None: the one before the newest) once more, as the newest.

    Gives what is in force then, published before `now_ms` where nothing differed.  `base` is the version that
    whoever goes back saw in force: raises `Overtaken` where that is another one by now.  Raises
    `BadSettings` where there is no such version, and `ReshelfError` where nobody declared the page.
    """
    versions = history(kafka, page)
    if not versions:
        raise undeclared(page, newest(kafka))
    number = version if version is not None else (versions[-2].version if len(versions) > 1 else 0)
    earlier = next((candidate for candidate in versions if candidate.version == number), None)
    if earlier is None:
        numbers = ", ".join(str(candidate.version) for candidate in versions)
        wanted = str(number) if number else say("publish.before-newest")
        raise BadSettings(say("publish.no-version", version=wanted, page=plain(page), versions=numbers))
    explanation = f"back to version {earlier.version}" + (f": {reason}" if reason else "")
    bases = None if base is None else {page: base}
    published = publish(kafka, [earlier], author, explanation[:256], now_ms, bases)
    return published[0] if published else versions[-1]


def _newest(records: Iterable[tuple[str, PageRules | None]]) -> dict[str, PageRules]:
    by_page: dict[str, PageRules] = {}
    for page, rules in records:
        if rules is None:
            by_page.pop(page, None)
        else:
            by_page[page] = rules
    return dict(sorted(by_page.items()))


def _last_versions(records: Iterable[tuple[str, PageRules | None]]) -> dict[str, int]:
    last: dict[str, int] = {}
    for page, rules in records:
        last[page] = max(last.get(page, 0), rules.version if rules else 0)
    return last


def _declared(page: PageRules) -> PageRules:
    return msgspec.structs.replace(page, **AS_DECLARED)


def _all(kafka: KafkaSettings, topic: Topic) -> Iterator[tuple[str, PageRules | None]]:
    return records(kafka, topic, PageRules)


def _read(consumer: Consumer, prefix: str, topic: Topic) -> Iterator[tuple[str, PageRules | None]]:
    return _decoded(consumer, prefix + topic.name, PageRules)


def records(kafka: KafkaSettings, topic: Topic, message: type[M]) -> Iterator[tuple[str, M | None]]:
    """Key and message of all records of a topic to its end, None for a tombstone; what is no message is skipped."""
    with reader(kafka) as consumer:
        yield from _decoded(consumer, kafka.prefix + topic.name, message)


def _decoded(consumer: Consumer, name: str, message: type[M]) -> Iterator[tuple[str, M | None]]:
    decode = decoder(message)
    for record in to_the_end(consumer, partitions(consumer, name)):
        key, value = record.key(), record.value()
        if record.error() is None and key is not None:
            try:
                yield key.decode(), decode(value) if value else None
            except (BadRecord, UnicodeDecodeError):
                continue
