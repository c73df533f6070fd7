"""What is to be published of visitors' segments: the rule applied to what they looked at, where that says another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policy.segments.rule import UNASSIGNED, choose_segment
from schemas.codec import encode, encode_key
from schemas.messages.segments import SegmentModel, UnitSegment
from schemas.topics import UNIT_SEGMENTS
from streams.fitter.segments.sample import Evidence
from streams.kafka.producer import OutgoingRecord

Model = tuple[SegmentModel, Mapping[str, Sequence[int]]]
"""A model with the points of its items."""


def changes(
    published: Mapping[str, str], evidence: Mapping[str, Evidence | None], model: Model | None
) -> dict[str, str]:
    """The segments of visitors that are not as they were published, `t00` for those who have none now.

    A visitor whose `evidence` is None is not in the sample, or not learned from.
    """
    segments = {unit: _segment(own, published.get(unit, ""), model) for unit, own in evidence.items()}
    return {unit: segment for unit, segment in segments.items() if segment != published.get(unit, UNASSIGNED)}


def _segment(own: Evidence | None, current: str, model: Model | None) -> str:
    """By the rule of all renderers; while there is no model everybody keeps the segment that they have."""
    if own is None:
        return UNASSIGNED
    if model is None:
        return current or UNASSIGNED
    about, points = model
    return choose_segment(about, points, own.items, current, own.values.get(about.attribute, ""))


def applied(published: dict[str, str], changed: Mapping[str, str]) -> None:
    """Take over what was published."""
    for unit, segment in changed.items():
        if segment == UNASSIGNED:
            published.pop(unit, None)
        else:
            published[unit] = segment


def records_of_units(changed: Mapping[str, str], version: int) -> list[OutgoingRecord]:
    """What says so: a null value for `t00`, as no record means that."""
    return [
        OutgoingRecord(
            UNIT_SEGMENTS.name,
            encode_key(UNIT_SEGMENTS, unit),
            None if segment == UNASSIGNED else encode(UnitSegment(segment, version)),
        )
        for unit, segment in changed.items()
    ]
