"""Rules on their topics: the newest of each page, all versions of one, and publishing another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from reshelf.topics.publish import deliver
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadRecord, BadSettings, ReshelfError
from schemas.messages.pages import PageRules
from schemas.topics import PAGE_RULES, PAGE_RULES_HISTORY, Topic
from streams.kafka.reader import partitions, reader, to_the_end
from streams.settings import KafkaSettings

_decode = decoder(PageRules)
AS_DECLARED = {"version": 0, "author": "", "reason": "", "published_at": 0}


def newest(kafka: KafkaSettings) -> dict[str, PageRules]:
    """The rules of each page now, by name; raises Transient where the topic cannot be read."""
    return _newest(_all(kafka, PAGE_RULES))


def history(kafka: KafkaSettings, page: str) -> list[PageRules]:
    """All versions of a page that are still kept, oldest first."""
    versions = {rules.version: rules for key, rules in _all(kafka, PAGE_RULES_HISTORY) if rules and key == page}
    now = newest(kafka).get(page)
    if now is not None:
        versions.setdefault(now.version, now)
    return [versions[version] for version in sorted(versions)]


def publish(kafka: KafkaSettings, pages: list[PageRules], author: str, reason: str, now_ms: int) -> list[PageRules]:
    """Publish what differs from the newest as further versions; gives what was published.

    The history is written first, so that no version is in force that it lacks, and
    no number is given twice, even where `page-rules` was lost.
    """
    told_now = list(_all(kafka, PAGE_RULES))
    current, numbers = _newest(told_now), _last_versions([*_all(kafka, PAGE_RULES_HISTORY), *told_now])
    differing = [page for page in pages if page.page not in current or _declared(current[page.page]) != _declared(page)]
    stamp = {"author": author, "reason": reason, "published_at": now_ms}
    changed = [msgspec.structs.replace(page, version=numbers.get(page.page, 0) + 1, **stamp) for page in differing]
    for topic in (PAGE_RULES_HISTORY, PAGE_RULES):
        deliver(kafka, topic, [(encode_key(topic, page.page), encode(page)) for page in changed])
    return changed


def undeclared(page: str, declared: Iterable[str]) -> ReshelfError:
    """The error of a page that nobody declared."""
    return ReshelfError(f"page {page!r} is not declared; declared are: {', '.join(sorted(declared)) or 'none'}")


def roll_back(kafka: KafkaSettings, page: str, version: int | None, author: str, reason: str, now_ms: int) -> PageRules:
    """Publish an earlier version (None: the one before the newest) once more, as the newest.

    Gives what is in force then, published before `now_ms` where nothing differed.  Raises
    `BadSettings` where there is no such version, and `ReshelfError` where nobody declared the page.
    """
    versions = history(kafka, page)
    if not versions:
        raise undeclared(page, newest(kafka))
    number = version if version is not None else (versions[-2].version if len(versions) > 1 else 0)
    earlier = next((candidate for candidate in versions if candidate.version == number), None)
    if earlier is None:
        numbers = ", ".join(str(candidate.version) for candidate in versions)
        raise BadSettings(
            f"no version {number or 'before the newest'} of page {page!r} to go back to; kept are: {numbers}"
        )
    explanation = f"back to version {earlier.version}" + (f": {reason}" if reason else "")
    published = publish(kafka, [earlier], author, explanation[:256], now_ms)
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
    with reader(kafka) as consumer:
        for message in to_the_end(consumer, partitions(consumer, kafka.prefix + topic.name)):
            key, value = message.key(), message.value()
            if message.error() is None and key is not None:
                try:
                    yield key.decode(), _decode(value) if value else None
                except (BadRecord, UnicodeDecodeError):
                    continue
