"""A model as records, its items in parts that brokers take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from schemas.codec import encode, encode_key
from schemas.messages.segments import ITEMS_KEY, MODEL_KEY, SegmentItems, SegmentModel
from schemas.topics import SEGMENTS, SEGMENTS_HISTORY
from streams.kafka.producer import OutgoingRecord

PART_BYTES = 400_000
"""Items of about so many bytes are in one record: brokers take 1 MB unless they are set otherwise."""

Points = Mapping[str, Sequence[int]]


def parts_of(items: Points, most_bytes: int = PART_BYTES) -> Iterator[dict[str, list[int]]]:
    """The items in parts, each of which takes at most `most_bytes` as JSON where one item does not take more."""
    part: dict[str, list[int]] = {}
    size = 0
    for item, points in items.items():
        own = len(msgspec.json.encode({item: points}))
        if part and size + own > most_bytes:
            yield part
            part, size = {}, 0
        part[item] = list(points)
        size += own
    if part:
        yield part


def records_of(model: SegmentModel, items: Points, parts_before: int) -> list[OutgoingRecord]:
    """What is published: parts first, then the model, its history, and a null value for each part that is no more.

    A reader has the version before until it has all parts of this one.
    """
    parts = list(parts_of(items))
    model = msgspec.structs.replace(model, parts=len(parts))
    contents = [SegmentItems(model.version, number, part) for number, part in enumerate(parts)]
    records = [
        OutgoingRecord(SEGMENTS.name, encode_key(SEGMENTS, f"{ITEMS_KEY}/{content.part}"), encode(content))
        for content in contents
    ]
    key, value = encode_key(SEGMENTS, MODEL_KEY), encode(model)
    records += [OutgoingRecord(SEGMENTS.name, key, value), OutgoingRecord(SEGMENTS_HISTORY.name, key, value)]
    gone = range(len(parts), parts_before)
    return records + [OutgoingRecord(SEGMENTS.name, encode_key(SEGMENTS, f"{ITEMS_KEY}/{at}"), None) for at in gone]
