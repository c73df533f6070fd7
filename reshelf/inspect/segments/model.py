"""The model of segments, its history, and why items lead to a segment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from rich.table import Table

from policy.segments.fitting import Published
from policy.segments.rule import OTHER, choose_segment, last_items, segment_sums
from reshelf.numbers import gain, number, share
from reshelf.terminal.tables import table
from schemas.messages.segments import SegmentModel
from schemas.times import in_words

NONE_YET = (
    "No segments are published. Set segments.learned for the fitter, which needs the views or clicks of "
    "segments.min_units visitors."
)
NO_TASTES = "Tastes foretell nothing for certain: all visitors are in t00."


class Reason(NamedTuple):
    """What adds points to the sum of each segment: an item, the start, or the attribute; None: it adds nothing."""

    what: str
    points: list[int] | None


class Explanation(NamedTuple):
    """The segment that items lead to, the reasons, the newest item first, and the sum of each segment."""

    segment: str
    reasons: list[Reason]
    sums: list[int]


def explained(published: Published, items: Sequence[str], current: str = "", value: str = "") -> Explanation:
    """Why a visitor who is in `current` and looked at `items`, the newest last, is in their segment."""
    model, points = published
    reasons = [Reason(item, list(points[item]) if item in points else None) for item in last_items(items, model.window)]
    reasons.append(Reason("start", list(model.starts)))
    if model.attribute:
        of_value = model.values.get(value) or model.values.get(OTHER)
        reasons.append(Reason(f"{model.attribute} {value or OTHER}", of_value))
    sums = [total.points for total in segment_sums(model, points, items, value)]
    return Explanation(choose_segment(model, points, items, current, value), reasons, sums)


def explanation_table(model: SegmentModel, explanation: Explanation) -> Table:
    """A row for each reason and their sum, a column for each segment."""
    size = len(model.names)
    rows = [
        [reason.what, *(["-"] * size if reason.points is None else [f"{points:+d}" for points in reason.points])]
        for reason in explanation.reasons
    ]
    rows.append(["sum", *([str(points) for points in explanation.sums] or ["-"] * size)])
    return table(["", *model.names], rows)


class SegmentRow(NamedTuple):
    """A segment as people read it: visitors of the sample, their share, its words, and items that set it apart."""

    name: str
    units: int
    share: float
    words: list[str]
    items: list[str]


class VersionRow(NamedTuple):
    """A version as people read it: the share of visitors who moved, and how much likelier it makes items held out."""

    version: int
    published_at: int
    generation: int
    names: list[str]
    units: int
    moved: float
    likelier: float
    attribute: str


def segment_rows(model: SegmentModel) -> list[SegmentRow]:
    """The segments of a model, in its order."""
    named = zip(model.names, model.segments, strict=False)
    return [SegmentRow(name, about.units, about.share, about.words, about.items) for name, about in named]


def version_row(model: SegmentModel) -> VersionRow:
    """What there is to say of a version beside others."""
    likelier, attribute = math.expm1(model.gain), model.attribute
    about = model.version, model.published_at, model.generation, model.names, model.units, model.moved
    return VersionRow(*about, likelier, attribute)


def heading(model: SegmentModel, zone: tzinfo) -> str:
    """What there is to say of a model as a whole."""
    attribute = f", with {model.attribute}" if model.attribute else ""
    return (
        f"{len(model.names)} segments of generation {model.generation}{attribute}, published "
        f"{in_words(model.published_at, zone)}, learned from {number(model.units)} visitors. They make an item that "
        f"was held out {share(math.expm1(model.gain))} likelier; {share(model.moved)} of the visitors moved with this "
        "version."
    )


def segments_table(model: SegmentModel) -> Table:
    """A row for each segment: its size, its words, and the items that set it apart."""
    rows = [
        [row.name, number(row.units), share(row.share), ", ".join(row.words), ", ".join(row.items)]
        for row in segment_rows(model)
    ]
    return table(["segment", "visitors", "share", "words", "set apart by"], rows, spare=2)


def history_table(models: Sequence[SegmentModel], zone: tzinfo) -> Table:
    """A row for each version, the newest last."""
    rows = [
        [
            str(row.version),
            in_words(row.published_at, zone),
            str(row.generation),
            " ".join(row.names) or "none",
            number(row.units),
            share(row.moved),
            gain(row.likelier),
            row.attribute,
        ]
        for row in map(version_row, models)
    ]
    head = ["version", "published", "generation", "segments", "visitors", "moved", "gain", "attribute"]
    return table(head, rows)
