"""Pages as merchandisers declare them: slots, candidates, rules and policies."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import force_setattr

from schemas.messages.fields import (
    MOST_SLATES,
    MOST_SLOTS,
    Item,
    Label,
    Millis,
    Page,
    Row,
    Share,
    Shelf,
    Slot,
    Version,
)
from schemas.rules import Rule

ATTRIBUTION_WINDOW_MS = 7 * 86_400_000
"""Click to purchase at most where neither page nor settings say otherwise."""


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
        Meta(ge=0.0, le=10.0, description="How much is tried: multiplies `layouts.exploration` of the settings."),
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
FLAT_SLOTS = 64
"""Pages with more slots than that, and those with rows, have at most MOST_CELLS in all their slates together."""
MOST_CELLS = 2_560
"""Slots times slates: a layout of so many has less than 256 KB where names of items have up to 20 characters."""


class Branch(Struct, frozen=True):
    """A policy on trial: some of a page's units get its slates, always the same units."""

    name: Annotated[Label, Meta(min_length=1, description="Not `main`, which is the page's own policy.")]
    share: Annotated[float, Meta(gt=0.0, lt=1.0, description="Of the units outside the holdout.")]
    policy: PolicyChoice
    template: Annotated[
        Label | UnsetType,
        Meta(description="One of the page's `templates`, or `default` for all its rows; left out: that of the page."),
    ] = UNSET
    segment: Annotated[
        Literal["*"] | UnsetType,
        Meta(
            description="`*`: in the layout of each segment it has the slates of the whole page, so that the trial "
            "tells what segments gain."
        ),
    ] = UNSET


MOST_SHELVES = 64
MOST_ROWS = 64
MOST_TEMPLATES = 8
WHOLE_TEMPLATE = "default"
"""The template of all rows of a page, as they are declared."""


class PageShelf(Struct, frozen=True):
    """A module of a page: a carousel, a grid, a banner."""

    name: Shelf
    kind: Annotated[
        Label, Meta(min_length=1, description="How its columns are looked at: shelves of one kind have this in common.")
    ] = "carousel"
    title: Annotated[Label, Meta(description="What visitors read above it.")] = ""
    candidates: Annotated[
        Candidates | None,
        Meta(description="Which items it may show, and which blocks of the page; left out: the items of the page."),
    ] = None
    least_columns: Annotated[
        int, Meta(ge=1, le=MOST_SLOTS, description="It stands in a row only with as many items as that.")
    ] = 1
    most_columns: Annotated[int, Meta(ge=1, le=MOST_SLOTS, description="It shows no more items than that.")] = (
        MOST_SLOTS
    )
    keeps: Annotated[bool, Meta(description="Whether it claims its best items before any other shelf.")] = False
    pinned: Annotated[
        str, Meta(max_length=60, description="The row in which it stands in every slate; empty: it may move.")
    ] = ""


class PageRow(Struct, frozen=True):
    """Slots side by side, in which one shelf stands: by their names, or as many as there are columns."""

    name: Row
    slots: Annotated[
        list[Slot],
        Meta(max_length=MOST_SLOTS, description="In rendered order; left out where `columns` is given."),
    ] = []
    columns: Annotated[
        int,
        Meta(ge=0, le=MOST_SLOTS, description="So many slots, named row.1, row.2 and so on; 0: `slots` has the names."),
    ] = 0
    shelves: Annotated[
        list[Shelf], Meta(max_length=MOST_SHELVES, description="Which shelves may stand there; empty: all.")
    ] = []

    def __post_init__(self) -> None:
        if bool(self.slots) is bool(self.columns):
            raise ValueError("Expected `slots` or `columns`, one of them")

    @property
    def slot_names(self) -> list[str]:
        """Its slots in rendered order."""
        return self.slots or column_names(self.name, self.columns)


class TemplateRow(Struct, frozen=True):
    """A row of the page that a template has, narrower where it says so."""

    name: Row
    columns: Annotated[
        int, Meta(ge=0, le=MOST_SLOTS, description="So many of its slots, from the first; 0: all of them.")
    ] = 0
    shelves: Annotated[
        list[Shelf],
        Meta(max_length=MOST_SHELVES, description="Which shelves may stand there; empty: those of the page's row."),
    ] = []


class PageTemplate(Struct, frozen=True):
    """A narrower form of a page with shelves: some of its rows, with fewer columns or fewer shelves to stand there."""

    name: Annotated[Label, Meta(min_length=1, description="Not `default`, which is the page with all its rows.")]
    rows: Annotated[list[TemplateRow], Meta(min_length=1, max_length=MOST_ROWS)]


def column_names(row: str, columns: int) -> list[str]:
    """The default names of the slots of a row, from left to right."""
    return [f"{row}.{column + 1}" for column in range(columns)]


class PageRules(Struct, frozen=True):
    """A page as merchandisers declare it: a list of slots, or shelves and rows."""

    page: Page
    version: Version
    slots: Annotated[
        list[Slot],
        Meta(
            min_length=1,
            max_length=MOST_SLOTS,
            description="Slots in rendered order, each once. On a page with `rows` those of all rows, filled in where "
            "they are left out.",
            extra_json_schema={"uniqueItems": True},
        ),
    ] = []
    template: Annotated[
        Label,
        Meta(description="What renderers know it by; on a page with `templates` the one that its own policy uses."),
    ] = WHOLE_TEMPLATE
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
    shelves: Annotated[
        Annotated[list[PageShelf], Meta(min_length=1, max_length=MOST_SHELVES)] | UnsetType,
        Meta(description="Modules of the page, in declared order, with `rows` for them to stand in."),
    ] = UNSET
    rows: Annotated[
        Annotated[list[PageRow], Meta(min_length=1, max_length=MOST_ROWS)] | UnsetType,
        Meta(description="Rows of slots in rendered order, on a page with `shelves`."),
    ] = UNSET
    templates: Annotated[
        Annotated[list[PageTemplate], Meta(min_length=1, max_length=MOST_TEMPLATES)] | UnsetType,
        Meta(description="Narrower forms of a page with `rows`, for the page's own policy or for branches."),
    ] = UNSET
    rules: Annotated[list[Rule], Meta(max_length=256, description="Of two that cannot both hold, the first does.")] = []
    branches: Annotated[
        list[Branch], Meta(max_length=7, description="Policies on trial beside the page's own, which has the rest.")
    ] = []
    branch_salt: Annotated[
        Label, Meta(min_length=1, description="Decides which units each branch gets; a new trial takes a new one.")
    ] = "branches-1"
    segments: Annotated[
        Literal["learned"] | UnsetType,
        Meta(description="`learned`: visitors' segments are chosen by what they looked at (topic segments)."),
    ] = UNSET
    author: Annotated[Label, Meta(description="Who published this version.")] = ""
    reason: Annotated[Label, Meta(description="Why this version was published.")] = ""
    published_at: Millis = 0

    def __post_init__(self) -> None:
        self._fill_in_slots()
        if len(set(self.slots)) < len(self.slots):
            raise ValueError("Expected `slots` to name each slot once")
        if len({rule.name for rule in self.rules}) < len(self.rules):
            raise ValueError("Expected `rules` to have a name each")
        names = {MAIN, *(branch.name for branch in self.branches)}
        if len(names) <= len(self.branches):
            raise ValueError(f"Expected `branches` to have a name each, other than {MAIN!r}")
        if sum(branch.share for branch in self.branches) > 1.0 - LEAST_MAIN + 1e-9:
            raise ValueError(f"Expected the shares of `branches` to leave {LEAST_MAIN} to the page's own policy")
        self._check_slates()

    def _fill_in_slots(self) -> None:
        if self.shelves is UNSET and self.rows is UNSET:
            if not self.slots:
                raise ValueError("Expected `slots`, or `shelves` and `rows`")
            return
        if self.shelves is UNSET or self.rows is UNSET:
            raise ValueError("Expected `shelves` and `rows`, both of them or none")
        slots = [slot for row in self.rows for slot in row.slot_names]
        if self.slots and self.slots != slots:
            raise ValueError("Expected `slots` to be left out, or to be those of all `rows`")
        if len(set(slots)) < len(slots):
            raise ValueError("Expected `rows` to name each row and each slot once")
        if len(slots) > MOST_SLOTS:
            raise ValueError(f"Expected at most {MOST_SLOTS} slots in all `rows`, got {len(slots)}")
        force_setattr(self, "slots", slots)

    def _check_slates(self) -> None:
        choices = [self.policy, *(branch.policy for branch in self.branches)]
        slates = sum(choice.variants + choice.exploration_slates for choice in choices)
        if slates > MOST_SLATES:
            raise ValueError(f"Expected the slates of `policy` and `branches` to be at most {MOST_SLATES} together")
        cells = slates * len(self.slots)
        if (self.has_shelves or len(self.slots) > FLAT_SLOTS) and cells > MOST_CELLS:
            raise ValueError(
                f"Expected at most {MOST_CELLS} slots in all slates together, got {slates} slates of {len(self.slots)} "
                f"slots: at most {MOST_CELLS // len(self.slots)} slates, those of branches and exploration among them"
            )

    def template_of(self, branch: Branch | None = None) -> str:
        """The template of a branch, of the page's own policy without one."""
        return self.template if branch is None or branch.template is UNSET else branch.template

    @property
    def has_learned_segments(self) -> bool:
        """Whether its visitors' segments are chosen by the model of tastes."""
        return self.segments is not UNSET

    @property
    def row_of(self) -> dict[str, str]:
        """In which row each slot is; nothing on a flat page."""
        return {slot: row.name for row in self.rows or () for slot in row.slot_names}

    @property
    def has_shelves(self) -> bool:
        """Whether shelves stand in its rows; if not, it is a flat list of slots."""
        return self.rows is not UNSET
