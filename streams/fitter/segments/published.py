"""The model of segments as its topics have it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from sys import intern

from policy.segments.fitting import Published
from policy.segments.rule import items_of
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.segments import ITEMS_KEY, MODEL_KEY, SegmentItems, SegmentModel, UnitSegment
from schemas.topic import Topic
from schemas.topics import SEGMENTS, SEGMENTS_HISTORY, UNIT_SEGMENTS
from streams.kafka.reader import partitions, reader, to_the_end
from streams.settings import KafkaSettings

log = logging.getLogger("reshelf")
_decode_model = decoder(SegmentModel)
_decode_items = decoder(SegmentItems)
_decode_unit = decoder(UnitSegment)


def newest(kafka: KafkaSettings) -> Published | None:
    """The newest model with its items; None where there is none, or where a part of it is missing.

    Raises `Transient` where no broker answers or the topic is not there.
    """
    records = dict(_records(kafka, SEGMENTS))
    value = records.pop(MODEL_KEY, None)
    if value is None:
        return None
    try:
        model = _decode_model(value)
        parts = [_decode_items(part) for key, part in records.items() if key.startswith(ITEMS_KEY) and part]
    except BadRecord as error:
        log.warning("The model in %s is invalid and is fitted anew: %s", SEGMENTS.name, error)
        return None
    points = items_of(model, parts)
    return None if points is None else Published(model, points)


def history(kafka: KafkaSettings) -> list[SegmentModel]:
    """Every model that was published, without its items, in the order of their versions; errors as `newest`."""
    models = {}
    for _, value in _records(kafka, SEGMENTS_HISTORY):
        try:
            model = _decode_model(value or b"")
        except BadRecord:
            continue
        models[model.version] = model
    return [models[version] for version in sorted(models)]


def last_names(kafka: KafkaSettings) -> Published | None:
    """What the history says where the model itself is lost: no items, and which names must not be used again."""
    models = history(kafka)
    if not models:
        return None
    given = max(model.names_given for model in models)
    generation = max(model.generation for model in models)
    last = SegmentModel(models[-1].version, generation, models[-1].published_at, [], [], 0, names_given=given)
    return Published(last, {})


def unit_segments(kafka: KafkaSettings) -> dict[str, str]:
    """The published segment of each visitor who has one, "" where the record is invalid; errors as `newest`."""
    segments: dict[str, str] = {}
    for unit, value in _records(kafka, UNIT_SEGMENTS):
        if value is None:
            segments.pop(unit, None)
            continue
        try:
            segments[unit] = intern(_decode_unit(value).segment)
        except BadRecord as error:
            log.warning("A visitor's segment in %s is invalid and is published anew: %s", UNIT_SEGMENTS.name, error)
            segments[unit] = ""
    return segments


def _records(kafka: KafkaSettings, topic: Topic) -> Iterator[tuple[str, bytes | None]]:
    """The records of a topic by key, each partition's in the order of the log."""
    with reader(kafka) as consumer:
        for message in to_the_end(consumer, partitions(consumer, kafka.prefix + topic.name)):
            if message.error() is None:
                yield (message.key() or b"").decode(errors="replace"), message.value()
