"""Segments that were learned from what visitors looked at: how a visitor's segment follows from their items."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.messages.fields import Item, Label, Millis, Segment, Share, Version

MOST_SEGMENTS = 16
MODEL_KEY, ITEMS_KEY = "model", "items"
"""Keys of records: that of the model, and the beginning of `items/3`, that of part 3 of its items."""

Points = Annotated[
    int, Meta(ge=-(2**20), le=2**20, description="A logarithm of likelihoods, in sixteenths, for one segment.")
]
ManyPoints = Annotated[list[Points], Meta(max_length=MOST_SEGMENTS, description="Points of each segment of `names`.")]


class LearnedSegment(Struct, frozen=True):
    """What people read of a segment; nothing is decided by it.

    `units` of the sample are in it, `share` of those that are assigned.  `words` are more frequent in what they
    looked at than in what all did, and `items` set it apart from the others, the surest first.
    """

    units: Annotated[int, Meta(ge=0, le=2**53)]
    share: Share
    words: Annotated[list[Label], Meta(max_length=16)] = []
    items: Annotated[list[Item], Meta(max_length=16)] = []


class SegmentModel(Struct, frozen=True):
    """How a visitor's segment follows from the last items that they looked at, all in whole numbers.

    A segment's sum is its start, plus its points for the visitor's value of `attribute`, plus its points for each of
    the last `window` distinct items; the first of the largest sums decides, unless the current segment's is at most
    `margin` lower.  A value that `values` lacks counts as `other`.  The items follow in `parts` records
    of SegmentItems with the same `version`.  A segment that no item leads to is `t00`.

    A `name` is of one generation and never used again: `names_given` were given so far.  `moved` is the share of
    units of the sample that are in another segment than by the version before.  `gain` is by how much the segments
    raise the logarithm of the likelihood of an item that was held out, `attribute_gains` what each attribute adds.
    """

    version: Version
    generation: Annotated[int, Meta(ge=1, le=2**31)]
    published_at: Millis
    names: Annotated[list[Segment], Meta(max_length=MOST_SEGMENTS)]
    starts: ManyPoints
    parts: Annotated[int, Meta(ge=0, le=1_000)]
    attribute: Label = ""
    values: dict[Label, ManyPoints] = {}
    margin: Annotated[int, Meta(ge=0, le=2**20)] = 0
    window: Annotated[int, Meta(ge=1, le=64)] = 16
    names_given: Annotated[int, Meta(ge=0, le=999_999_999)] = 0
    units: Annotated[int, Meta(ge=0, le=2**53, description="Units of the sample.")] = 0
    moved: Share = 0.0
    gain: Annotated[float, Meta(ge=-1e6, le=1e6)] = 0.0
    attribute_gains: dict[Label, Annotated[float, Meta(ge=-1e6, le=1e6)]] = {}
    segments: Annotated[
        list[LearnedSegment], Meta(max_length=MOST_SEGMENTS, description="What people read, for each of `names`.")
    ] = []

    def __post_init__(self) -> None:
        sizes = {len(self.starts)} | {len(points) for points in self.values.values()}
        if sizes != {len(self.names)}:
            raise ValueError(f"Expected points for each of the {len(self.names)} `names`, got {sorted(sizes)}")


class UnitSegment(Struct, frozen=True):
    """The learned segment that a unit of the sample came into, by the model of this version.

    A unit without a record is in `t00`.
    """

    segment: Segment
    version: Version


class SegmentItems(Struct, frozen=True):
    """A part of the items of a model: what having looked at each of them adds to the sum of each segment."""

    version: Version
    part: Annotated[int, Meta(ge=0, le=999)]
    items: dict[Item, ManyPoints]
