"""What was fitted for a page."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.messages.fields import (
    Doubt,
    Item,
    Label,
    Millis,
    NotNegative,
    Page,
    Row,
    Segment,
    Share,
    Shelf,
    Slot,
    Strength,
    TextWeights,
    Version,
    Weight,
)
from schemas.messages.segments import MOST_SEGMENTS, ManyPoints


class SegmentFit(Struct, frozen=True):
    """What sets a segment apart from its page, on the logit scale of attractiveness.

    `examined` are the segment's impressions that were probably looked at, of those that were fitted.
    """

    base: Weight = 0.0
    weights: dict[Label, Weight] = {}
    text: TextWeights = b""
    picture: TextWeights = b""
    examined: NotNegative = 0.0
    variance: Doubt = 0.0


class Sales(Struct, frozen=True):
    """What is known of purchases on a page before an item's own are looked at.

    `delays` is the share of purchases that come within 1, 2, 4, ... seconds after
    the click, and `maturity` the share that has come by now, for the clicks of each
    time bucket; a bucket that is not named counts as the youngest one that is.
    """

    conversion_rate: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.02
    strength: Annotated[float, Meta(gt=0.0, le=1e9, description="Prior weight of the rate, in clicks.")] = 50.0
    amount: Annotated[float, Meta(ge=0.0, le=1e12, description="Mean of a purchase line, minor units.")] = 0.0
    deviation: Annotated[float, Meta(ge=0.0, le=1e12, description="Standard deviation of a purchase line.")] = 0.0
    delays: Annotated[list[Share], Meta(max_length=32)] = []
    maturity: dict[Label, Share] = {}


class LeftOut(Struct, frozen=True):
    """Tables that log signals otherwise than their page, so that these do not count: a segment's, or a time bucket's.

    An empty `segment` stands for all of them, a `bucket` of -1 too; `coverage` is the share of their
    `orders` that a signal preceded.
    """

    segment: Annotated[str, Meta(max_length=64)] = ""
    bucket: Annotated[int, Meta(ge=-1, le=4_102_444_800_000)] = -1
    coverage: Share = 0.0
    orders: NotNegative = 0.0


class SignalFit(Struct, frozen=True):
    """What is known of the signals behind clicks on a page, and of the orders behind these.

    Rates are per click (`signal_rate`, and `direct_rate` for orders without a signal) or per signal (`order_rate`);
    the others are those of `policy.model.chain.fitting.Chain`.  `coverage` is the share of orders that a
    signal precedes.  `maturity` has, for the clicks of each time bucket, the share of signals that has come by now,
    and of orders behind a signal; a bucket that is not named counts as the youngest one that is.  `delays` is the
    share of signals that come within 1, 2, 4, ... seconds after the click, `order_delays` that of orders after these.
    """

    kind: Annotated[str, Meta(min_length=1, max_length=32, description="The kind that foretells orders best.")]
    signal_rate: Annotated[float, Meta(gt=0.0, lt=1.0)]
    signal_strength: Annotated[float, Meta(gt=0.0, le=1e12, description="Prior weight of signal_rate, in clicks.")]
    order_rate: Annotated[float, Meta(ge=0.0, lt=1.0)]
    direct_rate: Annotated[float, Meta(ge=0.0, lt=1.0)]
    hidden: Share
    weight: Annotated[Share, Meta(description="How far signals count against the page's conversion rate.")]
    shape: Annotated[float, Meta(gt=0.0, le=1e12, description="Prior weight of what they let expect, in orders.")]
    evidence: Annotated[float, Meta(ge=-1e12, le=1e12)] = 0.0
    coverage: Share = 0.0
    maturity: dict[Label, tuple[Share, Share]] = {}
    left_out: list[LeftOut] = []
    delays: Annotated[list[Share], Meta(max_length=32)] = []
    order_delays: Annotated[list[Share], Meta(max_length=32)] = []


class ReturnFit(Struct, frozen=True):
    """What is known of returns on a page before an item's own are looked at.

    `cost` is what a returned line is paid back over the mean of its item's lines.  `maturity` has, for the
    clicks of each time bucket, the share of the returns of their orders that has come by now.  `delays` is the share
    of returns that come within 1, 2, 4, ... seconds after the order.
    """

    rate: Annotated[float, Meta(gt=0.0, lt=1.0, description="Share of orders that are returned.")]
    strength: Annotated[float, Meta(gt=0.0, le=1e12, description="Prior weight of the rate, in orders.")]
    cost: Annotated[float, Meta(ge=0.0, le=1e12)]
    amount: Annotated[float, Meta(ge=0.0, le=1e12, description="Mean of an order that is not returned, minor units.")]
    deviation: Annotated[float, Meta(ge=0.0, le=1e12, description="Standard deviation of one.")]
    maturity: dict[Label, Share] = {}
    delays: Annotated[list[Share], Meta(max_length=32)] = []


class EffectFit(Struct, frozen=True):
    """By which `factor` clicks of a slot are fewer for each of something above it on the page, with a 95 % interval.

    `gain` is by how much the logarithm of the likelihood of page views grew that the factor was not fitted to, and
    `surely` what it exceeds with a chance of 80 %.  `in_force` says whether layouts go by it.
    """

    factor: Annotated[float, Meta(gt=0.0, le=100.0)] = 1.0
    low: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0
    high: Annotated[float, Meta(ge=0.0, le=100.0)] = 100.0
    gain: Annotated[float, Meta(ge=-1e12, le=1e12)] = 0.0
    surely: Annotated[float, Meta(ge=-1e12, le=1e12)] = 0.0
    in_force: bool = False


class VisitFit(Struct, frozen=True):
    """How a slot bears on those below it in the same page view, from a sample of `views` page views with `clicks`."""

    after_click: Annotated[EffectFit, Meta(description="For each click above.")] = EffectFit()
    after_alike: Annotated[EffectFit, Meta(description="For each item of the same category above.")] = EffectFit()
    views: NotNegative = 0.0
    clicks: NotNegative = 0.0


Factor = tuple[NotNegative, Doubt]
"""A factor around 1, and its variance as a share of the factor's square."""


class ShelvesFit(Struct, frozen=True):
    """How the rows of a page are looked at, and what its shelves add to their items.

    The chance that a slot in view is looked at is that of its row, times that of its column in shelves of a kind, times
    the slot's own part.  `reach` is the share of page views in which rows come into view, by segment.  What a shelf
    adds is its factor on the page or, where it is known, in the segment, times that in the row; `orders` are
    factors of orders per click, by segment.  The segment `*` stands for all that are not named.
    """

    rows: dict[Row, Share] = {}
    columns: dict[Label, list[Share]] = {}
    slots: dict[Slot, NotNegative] = {}
    reach: dict[Segment, dict[Row, Share]] = {}
    page: dict[Shelf, Factor] = {}
    segments: dict[Segment, dict[Shelf, Factor]] = {}
    spots: dict[Row, dict[Shelf, Factor]] = {}
    orders: dict[Segment, dict[Shelf, Factor]] = {}
    segment_variance: Annotated[
        Doubt, Meta(description="How much factors differ from segment to segment: their variance around the page's.")
    ] = 0.0


class AffinityFit(Struct, frozen=True):
    """How far what visitors of learned segments look at anywhere foretells what they click on the page.

    On the logit scale an item's attractiveness in the segment `names[n]` is more by `weight` times `points[item][n]`
    / 16: the points are those of `segments`, in its `version`.
    """

    weight: Weight
    version: Version
    names: Annotated[list[Segment], Meta(max_length=MOST_SEGMENTS)]
    points: dict[Item, ManyPoints]

    def __post_init__(self) -> None:
        if sizes := {len(points) for points in self.points.values()} - {len(self.names)}:
            raise ValueError(f"Expected points for each of the {len(self.names)} `names`, got {sorted(sizes)}")


class PolicyParameters(Struct, frozen=True):
    """What was fitted for a page: priors, what its visitors look at, and what they are interested in.

    The prior mean of an arm's attractiveness is, on the logit scale, that of
    `click_rate` plus weight times value over the arm's features (see
    `policy.model.features`) plus `text` and `picture` times the vectors of the arm's text and picture, each with
    the segment's own part; and then what `arms` says of its clicks in the other segments.
    `strength` is the weight of the page's base rate where nothing else is known.
    """

    page: Page
    version: Version
    fitted_at: Millis
    click_rate: Annotated[float, Meta(gt=0.0, lt=1.0, description="Prior mean of attractiveness.")]
    strength: Annotated[float, Meta(gt=0.0, le=1e9, description="Prior weight, in examined impressions.")]
    examination: dict[Slot, Share] = {}
    scales: Annotated[
        dict[Label, tuple[float, float]], Meta(description="Centre and width of each feature that is a quantity.")
    ] = {}
    weights: dict[Label, Weight] = {}
    text_model: Label = ""
    text: TextWeights = b""
    picture_model: Label = ""
    picture: TextWeights = b""
    segments: dict[Segment, SegmentFit] = {}
    arms: Annotated[
        dict[Item, tuple[NotNegative, NotNegative]],
        Meta(
            description="Clicks of each arm on the whole page, and how many its features let expect; "
            "those of a segment count the less, the more it has."
        ),
    ] = {}
    arm_strength: Strength = 4.0
    segment_strength: Strength = 4.0
    variance: Doubt = 0.0
    sales: Sales = Sales()
    pacing: Annotated[
        dict[Label, Share], Meta(description="Share of slates that each sponsored rule gets, by its name.")
    ] = {}
    left_out: Annotated[
        list[Segment], Meta(description="Segments whose clicks are implausible: they teach no other.")
    ] = []
    complements: Annotated[
        dict[Item, list[Item]],
        Meta(description="Items that are bought in one order more often than by chance, the surest first."),
    ] = {}
    signals: Annotated[SignalFit | UnsetType, Meta(description="Absent where signals say nothing of orders.")] = UNSET
    returns: Annotated[ReturnFit | UnsetType, Meta(description="Absent where nothing was returned.")] = UNSET
    visits: Annotated[VisitFit | UnsetType, Meta(description="Absent where few page views were read.")] = UNSET
    shelves: Annotated[ShelvesFit | UnsetType, Meta(description="Absent where the page has no shelves.")] = UNSET
    affinity: Annotated[AffinityFit | UnsetType, Meta(description="Absent where no segments are learned.")] = UNSET

    def __post_init__(self) -> None:
        for name in ("text", "picture"):
            sizes = {len(getattr(part, name)) for part in (self, *self.segments.values())}
            if len(sizes - {0}) > 1 or any(size % 2 for size in sizes):
                raise ValueError(f"Expected `{name}` to hold as many float16 everywhere, got {sorted(sizes)} bytes")
