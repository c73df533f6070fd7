"""Layouts, and requests for them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.messages.fields import (
    Item,
    Label,
    Millis,
    NotNegative,
    Offset,
    Page,
    Row,
    Segment,
    Share,
    Shelf,
    Slot,
    Version,
)


class LayoutRequest(Struct, frozen=True):
    """The statistics of a page and segment changed; the record's key says which.

    `impressions` and `clicks` add up over requests to what was counted.
    """

    page: Page
    segment: Segment
    clicked: Annotated[bool, Meta(description="By a click or purchase, and not by impressions alone.")] = False
    impressions: Annotated[
        int, Meta(ge=0, le=2**53, description="Items that were seen in a slot, since the request before.")
    ] = 0
    clicks: Annotated[
        int, Meta(ge=0, le=2**53, description="Clicks, and purchases that came from them, since the request before.")
    ] = 0


class LayoutBranch(Struct, frozen=True):
    """So many consecutive slates of a layout, for a share of the units outside the holdout."""

    name: Label
    policy: Label
    share: Share
    variants: Annotated[int, Meta(ge=1, le=256)]
    template: Annotated[
        Label | UnsetType, Meta(description="The template that its slates are for, where the page has several.")
    ] = UNSET
    segment: Annotated[
        Literal["*"] | UnsetType, Meta(description="`*`: its slates are those of the whole page in each segment.")
    ] = UNSET


class LayoutShelf(Struct, frozen=True, omit_defaults=True):
    """What a renderer needs to know of a shelf beside its items."""

    title: Label = ""
    kind: Label = "carousel"


class Arranged(Struct, frozen=True):
    """When the shelves of a layout were decided: in the layout of a version, with so many page views counted then.

    They stand still from there until enough came for another decision; items go on living within them.
    """

    version: Version
    views: NotNegative


class Layout(Struct, frozen=True):
    """The slates of one page for one segment.

    A slate maps slot to item; a slot without an item is left to the renderer.
    `propensities[slot][item]` is the share of variants with the item in the
    slot: the exact probability for a visitor outside the holdout.  `watermarks`
    maps a topic to the next offset of each partition that the layout reflects.

    On a page with shelves `rows` says for each slate which shelf stands in which row; a row without one is left
    out of the page.  `row_propensities[row][shelf]` is the share of variants in which the shelf stands there.
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
    life: Annotated[
        Label,
        Meta(
            description="The record of layout-lives that says how much longer than `expires_at` this layout is good, "
            "as long as it is the newest of its key; empty: none."
        ),
    ] = ""
    rows: Annotated[
        list[dict[Row, Shelf]] | UnsetType,
        Meta(description="Row to shelf for each of `slates`, on a page with shelves."),
    ] = UNSET
    baseline_rows: Annotated[dict[Row, Shelf] | UnsetType, Meta(description="Row to shelf for `baseline`.")] = UNSET
    row_propensities: dict[Row, dict[Shelf, Share]] | UnsetType = UNSET
    arranged: Annotated[Arranged | UnsetType, Meta(description="When `rows` were decided, on a page with shelves.")] = (
        UNSET
    )
    shelves: Annotated[
        dict[Shelf, LayoutShelf] | UnsetType,
        Meta(description="The shelves that `rows` and `baseline_rows` name."),
    ] = UNSET

    segments: Annotated[
        Literal["learned"] | UnsetType,
        Meta(
            description="`learned`: whoever shows the page chooses the visitor's segment by the model on the topic "
            "segments."
        ),
    ] = UNSET
    whole_version: Annotated[
        Version | UnsetType,
        Meta(
            description="The version of the layout of `*` that its baseline is taken from, on a page with learned "
            "segments, and the slates of branches with a `segment`."
        ),
    ] = UNSET
    segments_withdrawn: Annotated[
        Annotated[str, Meta(max_length=256)] | UnsetType,
        Meta(description="The loss for which all segments have the slates of `*`; left out: they have their own."),
    ] = UNSET

    def __post_init__(self) -> None:
        if self.rows is not UNSET and len(self.rows) != len(self.slates):
            raise ValueError(f"Expected `rows` for each of the {len(self.slates)} `slates`, got {len(self.rows)}")

    @property
    def has_shelves(self) -> bool:
        """Whether shelves stand in its rows; if not, its slates are flat lists of slots."""
        return self.rows is not UNSET


class LayoutLife(Struct, frozen=True):
    """A sign of life: the newest layout of each key that names it is good until `expires_at`, if not longer by itself.

    Its writer has brought all of them up to date.  Where it could not, `expires_at` stays as it was and
    `held_up_by` says why.
    """

    life: Annotated[Label, Meta(description="The record's key; layouts name it in their field `life`.")]
    produced_at: Millis
    expires_at: Millis
    held_up_by: Annotated[
        str, Meta(max_length=1_000, description="What kept the writer from moving `expires_at` on; empty: nothing.")
    ] = ""
