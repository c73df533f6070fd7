"""From where to where: words on a command line as offsets of the event topics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo

from schemas.errors import BadSettings
from schemas.times import LEAST_SECONDS, moment, odd_unit
from schemas.topics import EVENT_TOPICS, FOLDED_TOPICS
from streams.kafka.log_source import Source, Span
from streams.kafka.records import TopicPartition

FOLDED = tuple(topic.name for topic in FOLDED_TOPICS)
ALL = tuple(topic.name for topic in EVENT_TOPICS)
BEGINNING = "beginning"
LARGEST_OFFSET = 10**11
"""Whole numbers from here on are milliseconds since 1970."""

Starts = dict[str, list[int]]


def places(
    source: Source, bounds: Mapping[TopicPartition, Span], word: str, side: int, zone: tzinfo = UTC
) -> dict[TopicPartition, int]:
    """What `beginning`, `end`, an offset or a time is in each partition, within what there is.

    A time without a zone is in `zone`.  Raises BadSettings for what is none of these.
    """
    name = ("--from", "--to")[side]
    if word in ("beginning", "end"):
        if (word == "beginning") == bool(side):
            raise BadSettings(f"{name}: expected an offset, a time or {('beginning', 'end')[side]!r}, got {word!r}")
        return {tp: span[side] for tp, span in bounds.items()}
    number = _number(name, word, zone)
    beyond = number > max(LEAST_SECONDS, *(span[1] for span in bounds.values()))
    if beyond and (odd := odd_unit(number)):
        raise BadSettings(f"{name}: no partition has an offset {number}, and as a time: {odd}")
    if number >= LARGEST_OFFSET:
        offsets = source.at_time(ALL, number)
        return {tp: offsets.get(tp, span[1]) for tp, span in bounds.items()}
    return {tp: min(max(number, span[0]), span[1]) for tp, span in bounds.items()}


def _number(name: str, word: str, zone: tzinfo) -> int:
    if word.isdigit():
        return int(word)
    try:
        return moment(word, zone)
    except ValueError as error:
        raise BadSettings(
            f"{name}: expected beginning, end, an offset, milliseconds since 1970 or a time; {error}"
        ) from None


def listed(places: Mapping[TopicPartition, int], topics: tuple[str, ...]) -> Starts:
    offsets: Starts = {topic: [] for topic in topics}
    for tp in sorted(places):
        if tp.topic in offsets:
            offsets[tp.topic].append(places[tp])
    return offsets
