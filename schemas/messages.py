"""Every message as a typed struct; the annotations are the limits.

Compatibility: fields are only ever added, always with a default, and a field
never changes its meaning.  Readers ignore fields that they do not know.

Events hold lists but opt out of garbage collection all the same: decoded values
cannot form cycles, and the collector has less to walk while a batch is held.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.rules import Rule

BASELINE = -1
FALLBACK = -2
MOST_SLATES = 256
ATTRIBUTION_WINDOW_MS = 7 * 86_400_000
"""Click to purchase at most where neither page nor settings say otherwise."""

EventId = Annotated[str, Meta(min_length=1, max_length=128, description="Unique per event; the same on every retry.")]
Unit = Annotated[
    str, Meta(min_length=1, max_length=128, description="Sticky pseudonym of a visitor; the record's key.")
]
Page = Annotated[str, Meta(min_length=1, max_length=64, description="The page, as named in page-rules.")]
Segment = Annotated[
    str, Meta(min_length=1, max_length=64, description="The segment, as named by the web tier; '*' is the whole page.")
]
Slot = Annotated[str, Meta(min_length=1, max_length=64, description="An addressable place, unique on its page.")]
Item = Annotated[
    str, Meta(min_length=1, max_length=128, description="The arm: an item of the catalog or a content block.")
]
PageView = Annotated[str, Meta(min_length=1, max_length=128, description="One rendering of a page for one visitor.")]
Millis = Annotated[int, Meta(ge=0, le=4_102_444_800_000, description="Milliseconds since 1970-01-01 UTC.")]
Version = Annotated[int, Meta(ge=0, le=2**53, description="Grows with every publication.")]
Variant = Annotated[
    int,
    Meta(
        ge=FALLBACK,
        le=255,
        description="0..V-1 a slate of the layout, -1 the holdout's baseline, -2 the renderer's own fallback.",
    ),
]
Amount = Annotated[int, Meta(ge=0, le=1_000_000_000_000, description="Money in minor units.")]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$", description="ISO 4217 code.")]
Offset = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Weight = Annotated[float, Meta(ge=-100.0, le=100.0)]
NotNegative = Annotated[float, Meta(ge=0.0, le=1e15)]
Strength = Annotated[float, Meta(gt=0.0, le=1e9, description="Prior weight of a factor around 1, in expected clicks.")]
Doubt = Annotated[float, Meta(ge=0.0, le=1e6, description="Variance of what the weights say, logit scale.")]
TextWeights = Annotated[
    bytes, Meta(max_length=8_192, description="Little-endian float16, one for each dimension of a text vector.")
]
Text = Annotated[str, Meta(max_length=10_000)]
Label = Annotated[str, Meta(max_length=256)]


class SlotItem(Struct, frozen=True, gc=False):
    """An item that was visible in a slot."""

    slot: Slot
    item: Item


class Impression(Struct, frozen=True, gc=False):
    """Slots of one page view that a visitor really saw."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    page: Page
    segment: Segment
    page_view_id: PageView
    layout_version: Version
    variant: Variant
    slots: Annotated[list[SlotItem], Meta(min_length=1, max_length=64)]


class Click(Struct, frozen=True, gc=False):
    """A visitor clicked the item in a slot."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    page: Page
    segment: Segment
    slot: Slot
    item: Item
    page_view_id: PageView
    layout_version: Version
    variant: Variant


class PurchaseLine(Struct, frozen=True, gc=False):
    """One line of an order; `amount` is the line's total."""

    item: Item
    quantity: Quantity
    amount: Amount


class Purchase(Struct, frozen=True, gc=False):
    """An order that a visitor placed."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    order_id: EventId
    currency: Currency
    lines: Annotated[list[PurchaseLine], Meta(min_length=1, max_length=100)]


class Conversion(Struct, frozen=True, gc=False):
    """A purchase line credited to a click; `event_id` is derived from purchase and line."""

    event_id: Annotated[str, Meta(min_length=1, max_length=140)]
    occurred_at: Millis
    unit: Unit
    order_id: EventId
    purchase_id: EventId
    line: Annotated[int, Meta(ge=0, le=99)]
    click_id: EventId
    clicked_at: Millis
    delay: Annotated[
        int, Meta(ge=0, le=4_102_444_800_000, description="Purchase minus click, in milliseconds of event time.")
    ]
    page: Page
    segment: Segment
    slot: Slot
    item: Item
    layout_version: Version
    variant: Variant
    quantity: Quantity
    amount: Amount
    currency: Currency


class CatalogItem(Struct, frozen=True):
    """An item as the catalog team writes it; a null value deletes it."""

    item: Item
    title: Label
    description: Text = ""
    category: Label = ""
    brand: Label = ""
    price: Amount = 0
    currency: Currency = "EUR"
    available: bool = True
    created_at: Millis = 0
    tags: Annotated[list[Label], Meta(max_length=64)] = []
    attributes: Annotated[dict[Label, Label], Meta(max_length=64)] = {}
    margin: Annotated[Share, Meta(description="Part of the price that the shop earns by a sale.")] = 1.0
    available_from: Annotated[Millis, Meta(description="May be shown from then on; 0: always.")] = 0
    available_until: Annotated[Millis, Meta(description="May be shown until then; 0: for ever.")] = 0
    complements: Annotated[list[Item], Meta(max_length=64, description="Items that go with this one.")] = []


class CatalogEmbedding(Struct, frozen=True):
    """An item's text as a vector; `content_hash` says of which text.

    The vector is `scale` times the numbers in `vector`.  Vectors can be compared
    where `model` and `revision` are the same.
    """

    item: Item
    model: Label
    content_hash: Label
    vector: Annotated[list[float], Meta(min_length=1, max_length=4096)]
    revision: Label = ""
    scale: Annotated[float, Meta(gt=0.0, le=1e9)] = 1.0


class Candidates(Struct, frozen=True):
    """Which catalog items may be placed: all that match every filter that is set.

    An empty list sets no filter.  Where more than `limit` match, the best by
    prior mean are kept, and `reserve` places go to the newest items.
    """

    items: Annotated[list[Item], Meta(max_length=10_000)] = []
    categories: Annotated[list[Label], Meta(max_length=256)] = []
    brands: Annotated[list[Label], Meta(max_length=256)] = []
    tags: Annotated[list[Label], Meta(max_length=256)] = []
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 2_000
    reserve: Annotated[int, Meta(ge=0, le=10_000)] = 100


PolicyName = Literal["thompson", "greedy", "uniform", "ucb", "epsilon-greedy", "baseline"]


class PolicyChoice(Struct, frozen=True):
    """How a page's slates are chosen."""

    name: PolicyName = "thompson"
    variants: Annotated[int, Meta(ge=1, le=256)] = 16
    exploration: Annotated[
        float,
        Meta(ge=0.0, le=10.0, description="Scale of the spread of draws, times `layouts.exploration` of the settings."),
    ] = 1.0
    epsilon: Annotated[Share, Meta(description="Share of slots that epsilon-greedy fills at random.")] = 0.1
    exploration_slates: Annotated[
        int, Meta(ge=0, le=128, description="Further slates, drawn uniformly each epoch, for evaluation.")
    ] = 0
    shadow: Annotated[
        PolicyName | Literal[""], Meta(description="A policy whose slates are recorded in the history, not served.")
    ] = ""

    def __post_init__(self) -> None:
        if self.variants + self.exploration_slates > MOST_SLATES:
            raise ValueError(f"Expected `variants` and `exploration_slates` to be at most {MOST_SLATES} together")


MAIN = "main"
"""The branch of the units that no other takes."""
LEAST_MAIN = 0.1


class Branch(Struct, frozen=True):
    """A policy on trial: some of a page's units get its slates, always the same units."""

    name: Annotated[Label, Meta(min_length=1, description="Not `main`, which is the page's own policy.")]
    share: Annotated[float, Meta(gt=0.0, lt=1.0, description="Of the units outside the holdout.")]
    policy: PolicyChoice


class PageRules(Struct, frozen=True):
    """A page as merchandisers declare it."""

    page: Page
    version: Version
    slots: Annotated[
        list[Slot],
        Meta(
            min_length=1,
            max_length=64,
            description="Slots in rendered order, each once.",
            extra_json_schema={"uniqueItems": True},
        ),
    ]
    template: Label = "default"
    candidates: Candidates = Candidates()
    policy: PolicyChoice = PolicyChoice()
    attribution_window: Annotated[
        Annotated[int, Meta(ge=1_000, le=7_776_000_000)] | UnsetType,
        Meta(
            description="Click to purchase, milliseconds. Where it is left out it is `attribution.window_ms` of the "
            "settings, 7 days by default.",
            extra_json_schema={"default": ATTRIBUTION_WINDOW_MS},
        ),
    ] = UNSET
    blocks: Annotated[
        list[Item], Meta(max_length=256, description="Content blocks: arms beside the items of the catalog.")
    ] = []
    rules: Annotated[list[Rule], Meta(max_length=256, description="Of two that cannot both hold, the first does.")] = []
    branches: Annotated[
        list[Branch], Meta(max_length=7, description="Policies on trial beside the page's own, which has the rest.")
    ] = []
    branch_salt: Annotated[
        Label, Meta(min_length=1, description="Decides which units each branch gets; a new trial takes a new one.")
    ] = "branches-1"
    author: Annotated[Label, Meta(description="Who published this version.")] = ""
    reason: Annotated[Label, Meta(description="Why this version was published.")] = ""
    published_at: Millis = 0

    def __post_init__(self) -> None:
        if len(set(self.slots)) < len(self.slots):
            raise ValueError("Expected `slots` to name each slot once")
        if len({rule.name for rule in self.rules}) < len(self.rules):
            raise ValueError("Expected `rules` to have a name each")
        names = {MAIN, *(one.name for one in self.branches)}
        if len(names) <= len(self.branches):
            raise ValueError(f"Expected `branches` to have a name each, other than {MAIN!r}")
        if sum(one.share for one in self.branches) > 1.0 - LEAST_MAIN + 1e-9:
            raise ValueError(f"Expected the shares of `branches` to leave {LEAST_MAIN} to the page's own policy")
        choices = [self.policy, *(one.policy for one in self.branches)]
        if sum(one.variants + one.exploration_slates for one in choices) > MOST_SLATES:
            raise ValueError(f"Expected the slates of `policy` and `branches` to be at most {MOST_SLATES} together")


class SegmentFit(Struct, frozen=True):
    """What sets a segment apart from its page, on the logit scale of attractiveness.

    `examined` are the segment's impressions that were probably looked at, of those that were fitted.
    """

    base: Weight = 0.0
    weights: dict[Label, Weight] = {}
    text: TextWeights = b""
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


class PolicyParameters(Struct, frozen=True):
    """What was fitted for a page: priors, what its visitors look at, and what they are interested in.

    The prior mean of an arm's attractiveness is, on the logit scale, that of
    `click_rate` plus weight times value over the arm's features (see
    `policy.model.features`) plus `text` times the arm's vector, each with the segment's own
    part; and then what `arms` says of its clicks in the other segments.
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

    def __post_init__(self) -> None:
        sizes = {len(one.text) for one in self.segments.values()} | {len(self.text)}
        if len(sizes - {0}) > 1 or any(size % 2 for size in sizes):
            raise ValueError(f"Expected `text` to hold as many float16 everywhere, got {sorted(sizes)} bytes")


class LayoutRequest(Struct, frozen=True):
    """The statistics of a page and segment changed; the record's key says which."""

    page: Page
    segment: Segment
    clicked: Annotated[bool, Meta(description="By a click or purchase, and not by impressions alone.")] = False


class LayoutBranch(Struct, frozen=True):
    """So many consecutive slates of a layout, for a share of the units outside the holdout."""

    name: Label
    policy: Label
    share: Share
    variants: Annotated[int, Meta(ge=1, le=256)]


class Layout(Struct, frozen=True):
    """The slates of one page for one segment.

    A slate maps slot to item; a slot without an item is left to the renderer.
    `propensities[slot][item]` is the share of variants with the item in the
    slot: the exact probability for a visitor outside the holdout.  `watermarks`
    maps a topic to the next offset of each partition that the layout reflects.
    """

    page: Page
    segment: Segment
    version: Version
    produced_at: Millis
    expires_at: Millis
    epoch: Annotated[int, Meta(ge=0, le=2**53)]
    template: Label
    policy: Label
    settings_digest: Label
    rules_version: Version
    parameters_version: Version
    catalog_position: Annotated[list[Offset], Meta(description="Next offset of each catalog-items partition.")]
    watermarks: dict[str, list[Offset]]
    holdout_share: Share
    holdout_salt: Label
    baseline: dict[Slot, Item]
    slates: Annotated[list[dict[Slot, Item]], Meta(min_length=1, max_length=256)]
    propensities: dict[Slot, dict[Item, Share]]
    relaxed: Annotated[
        list[Label], Meta(description="Rules that could not hold, in the order they were given up.")
    ] = []
    decided_at: Annotated[Millis, Meta(description="The time that campaigns and stock were looked at for.")] = 0
    shadow_policy: Label = ""
    shadow: Annotated[
        list[dict[Slot, Item]],
        Meta(max_length=256, description="Slates of a policy that is not served; in the history only."),
    ] = []
    experiment_since: Annotated[
        Millis, Meta(description="The experiment of learned against holdout counts what happened since then.")
    ] = 0
    guard_rail: Annotated[
        str,
        Meta(max_length=256, description="The loss for which all visitors get the baseline; empty: they do not."),
    ] = ""
    embeddings_position: Annotated[
        list[Offset], Meta(description="Next offset of each catalog-embeddings partition.")
    ] = []
    branches: Annotated[
        list[LayoutBranch],
        Meta(description="Who gets which slates, in their order, `main` first; none: all slates are for all units."),
    ] = []
    branch_salt: Label = ""
