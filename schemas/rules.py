"""What merchandisers ask of a page's slates: one type for each kind of rule, distinguished by `kind`.

A rule has a name, unique on its page, by which layouts say that it had to be
relaxed; it may be for some segments only, and for a time only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=64, description="Unique on the page.")]
Named = Annotated[str, Meta(min_length=1, max_length=128)]
Label = Annotated[str, Meta(min_length=1, max_length=256)]
Slots = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=64)]
Moment = Annotated[int, Meta(ge=0, le=4_102_444_800_000, description="Milliseconds since 1970-01-01 UTC.")]
Part = Annotated[float, Meta(ge=0.0, le=1.0)]
Attribute = Literal["brand", "category"]
FOR_EVER = 4_102_444_800_000


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """Which arms a rule is about: all that pass every filter that is set; an empty one is about all arms."""

    items: Annotated[list[Named], Meta(max_length=10_000)] = []
    categories: Annotated[list[Label], Meta(max_length=256)] = []
    brands: Annotated[list[Label], Meta(max_length=256)] = []
    tags: Annotated[list[Label], Meta(max_length=256)] = []
    newer_than_days: Annotated[float, Meta(ge=0.0, le=36_500.0, description="0: of any age.")] = 0.0


class _Rule(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    name: Name
    segments: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=1_000)] = []
    starts_at: Moment = 0
    ends_at: Moment = FOR_EVER
    branches: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=256)]],
            Meta(
                min_length=1,
                max_length=16,
                description="On trial: the branches of the page in whose slates alone the rule holds.",
            ),
        ]
        | UnsetType
    ) = UNSET


class Pin(_Rule, frozen=True, kw_only=True, tag="pin"):
    """The item stands in the slot, in every slate; with `or_above`, in the slot or in one above it."""

    item: Named
    slot: Annotated[str, Meta(min_length=1, max_length=64)]
    or_above: Annotated[
        bool,
        Meta(description="A soft pin: the policy chooses among the slot and those before it in rendered order."),
    ] = False


class Boost(_Rule, frozen=True, kw_only=True, tag="boost"):
    """Scores of these arms are multiplied: above 1 lifts, below 1 buries, 0 keeps them off the page."""

    match: Match
    factor: Annotated[float, Meta(ge=0.0, le=1_000.0)]


class Cap(_Rule, frozen=True, kw_only=True, tag="cap"):
    """At most `most` of these arms in a slate: all together, or for each brand or category by itself."""

    match: Match = Match()
    by: Attribute | Literal["all"] = "all"
    most: Annotated[int, Meta(ge=0, le=64)]


class Spacing(_Rule, frozen=True, kw_only=True, tag="spacing"):
    """Arms of one brand or category, or that are alike, are `distance` positions apart; 2: not next to each other.

    By likeness, arms of one family are alike, and arms whose pictures have a cosine of at least `similarity`.
    """

    by: Attribute | Literal["likeness"]
    distance: Annotated[int, Meta(ge=2, le=64)]
    similarity: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.95


class Exposure(_Rule, frozen=True, kw_only=True, tag="exposure"):
    """One of these arms is in at least the share `least` of slates; each of them in at most the share `most`."""

    match: Match
    least: Part = 0.0
    most: Part = 1.0


class Placement(_Rule, frozen=True, kw_only=True, tag="place"):
    """These arms may stand in these slots alone; with `reserved`, the slots take no others."""

    match: Match
    slots: Slots
    reserved: bool = False


class Sponsored(_Rule, frozen=True, kw_only=True, tag="sponsored"):
    """The slot goes to the best of these arms in as many slates as its impressions of the day allow.

    `impressions` is what was sold for a day on the whole page; the share of slates
    is worked out anew with each fit from what was shown so far.
    """

    match: Match
    slot: Annotated[str, Meta(min_length=1, max_length=64)]
    impressions: Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Bid(_Rule, frozen=True, kw_only=True, tag="bid"):
    """A sponsor pays for clicks on these arms, which compete with all others for what a look is worth.

    `amount` and `worth` are in the same unit of money, whichever it is.
    """

    match: Match
    amount: Annotated[float, Meta(gt=0.0, le=1e9, description="What the sponsor pays for a click.")]
    worth: Annotated[float, Meta(gt=0.0, le=1e9, description="What a click is worth to the shop that nobody pays for.")]
    floor: Annotated[
        Part,
        Meta(
            description="An arm is not lifted whose own score is below this share of what the last slot would get by "
            "scores alone."
        ),
    ] = 0.5
    sponsor: Annotated[str, Meta(max_length=64, description="Who pays, for reports; empty: the rule's name.")] = ""


class Complements(_Rule, frozen=True, kw_only=True, tag="complements"):
    """Next to an item, its complements' scores are multiplied by `factor`."""

    factor: Annotated[float, Meta(gt=1.0, le=1_000.0)] = 2.0
    learned: Annotated[
        bool,
        Meta(
            description="Whether what is often bought in one order goes together, too, beside what the catalog names."
        ),
    ] = True


ShelfName = Annotated[str, Meta(min_length=1, max_length=64, description="A shelf of the page.")]
RowName = Annotated[str, Meta(min_length=1, max_length=60, description="A row of the page.")]


class NotAbove(_Rule, frozen=True, kw_only=True, tag="not-above"):
    """The shelf does not stand above the row."""

    shelf: ShelfName
    row: RowName


class NotBelow(_Rule, frozen=True, kw_only=True, tag="not-below"):
    """The shelf does not stand below the row."""

    shelf: ShelfName
    row: RowName


class MostOfKind(_Rule, frozen=True, kw_only=True, tag="most-of-kind"):
    """At most `most` shelves of the kind are on the page."""

    shelf_kind: Label
    most: Annotated[int, Meta(ge=0, le=64)]


class LeastExposure(_Rule, frozen=True, kw_only=True, tag="least-exposure"):
    """The shelf is in at least the share `least` of slates."""

    shelf: ShelfName
    least: Annotated[float, Meta(gt=0.0, le=1.0)]


ItemRule = Pin | Boost | Cap | Spacing | Exposure | Placement | Sponsored | Bid | Complements
ShelfRule = NotAbove | NotBelow | MostOfKind | LeastExposure
Rule = ItemRule | ShelfRule
SHELF_KINDS: tuple[type[ShelfRule], ...] = (NotAbove, NotBelow, MostOfKind, LeastExposure)
KINDS: tuple[type[Rule], ...] = (
    Pin,
    Boost,
    Cap,
    Spacing,
    Exposure,
    Placement,
    Sponsored,
    Bid,
    Complements,
    *SHELF_KINDS,
)


def kind_of(rule: type[Rule]) -> str:
    """How a file names the kind."""
    return str(rule.__struct_config__.tag)


def kind_in_words(rule: Rule) -> str:
    """How people call the kind of a rule: a pin that may stand above its slot is one of its own."""
    return "soft pin" if isinstance(rule, Pin) and rule.or_above else kind_of(type(rule))
