"""The model of segments, its history, and why items lead to a segment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from rich.table import Table

from policy.segments.fitting import Published
from policy.segments.rule import OTHER, choose_segment, last_items, segment_sums
from reshelf.numbers import gain
from reshelf.terminal.tables import table
from schemas.messages.segments import SegmentModel
from schemas.times import in_words


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


def heading(model: SegmentModel, zone: tzinfo) -> str:
    """What there is to say of a model as a whole."""
    attribute = f", with {model.attribute}" if model.attribute else ""
    return (
        f"{len(model.names)} segments of generation {model.generation}{attribute}, published "
        f"{in_words(model.published_at, zone)}, learned from {model.units:,} visitors. They make an item that was held "
        f"out {math.expm1(model.gain):.1%} likelier; {model.moved:.1%} of the visitors moved with this version."
    )


def segments_table(model: SegmentModel) -> Table:
    """A row for each segment: its size, its words, and the items that set it apart."""
    rows = [
        [name, f"{about.units:,}", f"{about.share:.1%}", ", ".join(about.words), ", ".join(about.items)]
        for name, about in zip(model.names, model.segments, strict=False)
    ]
    return table(["segment", "visitors", "share", "words", "set apart by"], rows, spare=2)


def history_table(models: Sequence[SegmentModel], zone: tzinfo) -> Table:
    """A row for each version, the newest last."""
    rows = [
        [
            str(model.version),
            in_words(model.published_at, zone),
            str(model.generation),
            " ".join(model.names) or "none",
            f"{model.units:,}",
            f"{model.moved:.1%}",
            gain(math.expm1(model.gain)),
            model.attribute,
        ]
        for model in models
    ]
    head = ["version", "published", "generation", "segments", "visitors", "moved", "gain", "attribute"]
    return table(head, rows)
