"""Pages as merchandisers declare them: slots, candidates, rules and policies."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.messages.fields import (
    MOST_SLATES,
    Item,
    Label,
    Millis,
    Page,
    Share,
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
        names = {MAIN, *(branch.name for branch in self.branches)}
        if len(names) <= len(self.branches):
            raise ValueError(f"Expected `branches` to have a name each, other than {MAIN!r}")
        if sum(branch.share for branch in self.branches) > 1.0 - LEAST_MAIN + 1e-9:
            raise ValueError(f"Expected the shares of `branches` to leave {LEAST_MAIN} to the page's own policy")
        choices = [self.policy, *(branch.policy for branch in self.branches)]
        if sum(choice.variants + choice.exploration_slates for choice in choices) > MOST_SLATES:
            raise ValueError(f"Expected the slates of `policy` and `branches` to be at most {MOST_SLATES} together")
