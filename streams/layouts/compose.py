"""From the state of one page and segment to its layout: a pure function.

The same state, page, parameters, settings and epoch give the same bytes;
version and times are put in afterwards, when the layout is published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from policy.pages.composition import Names
from policy.rules.compiled import CompiledRules
from policy.slates.composition import Composition
from policy.slates.renewal import SlateValue
from schemas.messages.layouts import Arranged, Layout
from schemas.messages.pages import MAIN, Branch, PageRules, PolicyChoice
from streams.catalog.layouts.arranged import PublishedRows
from streams.catalog.page import Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.layouts.branches import BranchSlates, most_variants, with_branches
from streams.layouts.segments.borrowing import branch_slates, with_borrowed
from streams.layouts.slates.composition import Composer, Inputs, composer_of
from streams.layouts.slates.statistics import statistics_of
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState

SHAPING = (
    "epoch_ms",
    "holdout_share",
    "holdout_salt",
    "half_life_ms",
    "drift",
    "click_rate",
    "strength",
    "exploration",
    "click_value",
    "sale_value",
)
"""Settings that decide what a layout says."""


@lru_cache
def settings_digest(settings: LayoutSettings) -> str:
    """A short digest of the settings that decide what a layout says."""
    shape = settings.model_dump(include=set(SHAPING))
    return sha256(msgspec.json.encode(shape, order="sorted")).hexdigest()[:16]


class Composed(NamedTuple):
    """A layout, and what the slates of each of its policies are worth, the page's own first."""

    layout: Layout
    values: Sequence[SlateValue]


def compose(
    segment: str,
    state: KeyState,
    page: Page,
    settings: LayoutSettings,
    epoch: int,
    weighted_counts: WeightedCounts | None = None,
    now_ms: int = 0,
    published: PublishedRows | None = None,
    whole: Layout | None = None,
) -> Layout:
    """The layout of a page for a segment in an epoch, with counts of its own where none are at hand."""
    weighted_counts = weighted_counts or WeightedCounts(page.candidates, tuple(page.rules.slots))
    return compose_valued(segment, state, page, settings, epoch, weighted_counts, now_ms, published, whole).layout


def compose_valued(
    segment: str,
    state: KeyState,
    page: Page,
    settings: LayoutSettings,
    epoch: int,
    weighted_counts: WeightedCounts,
    now_ms: int = 0,
    published: PublishedRows | None = None,
    whole: Layout | None = None,
) -> Composed:
    """The layout of a page for a segment in an epoch; version and times are 0 (see `stamped`).

    Campaigns and stock are looked at for `now_ms`, which the layout names.

    `weighted_counts` may be those of an earlier call for the same candidates and slots;
    they are moved along and change nothing but the time it takes.  Without
    candidates every slate is empty.  On a page with shelves these stay as `published` where they still hold.
    `whole` is the layout of `*` that this one takes its baseline and slates on trial from, where it takes any
    (`streams.layouts.segments.borrowing`).
    """
    rules, parameters = page.rules, page.parameters
    inputs = _inputs(segment, state, page, settings, epoch, weighted_counts, now_ms)
    composer = composer_of(page, inputs, weighted_counts.views, now_ms, published)
    policies = _Policies(rules, settings, composer, partial(_bound_for, page, inputs, now_ms), whole)
    composition = policies.composition(rules.policy, rules.template, MAIN)
    layout = Layout(
        page=rules.page,
        segment=segment,
        version=0,
        produced_at=0,
        expires_at=0,
        epoch=epoch,
        template=rules.template,
        policy=rules.policy.name,
        settings_digest=settings_digest(settings),
        rules_version=rules.version,
        parameters_version=parameters.version if parameters else 0,
        catalog_position=list(page.position),
        embeddings_position=list(page.embeddings_position),
        watermarks=state.watermarks,
        holdout_share=settings.holdout_share,
        holdout_salt=settings.holdout_salt,
        baseline=composition.baseline,
        slates=composition.slates,
        propensities=composition.propensities,
        relaxed=composition.relaxed,
        decided_at=now_ms,
        shadow_policy=rules.policy.shadow,
        shadow=composition.shadow,
        segments=rules.segments,
    )
    layout = composer.with_rows(layout, composition)
    if rules.branches:
        layout = with_branches(layout, rules, policies.slates_of)
    return Composed(with_borrowed(layout, rules, whole) if whole else layout, policies.values)


@dataclass(frozen=True, slots=True)
class _Policies:
    """Composes the policies of a page, each under the rules `bound` for its branch.

    `whole` is the layout that branches of the whole page are taken from.
    """

    rules: PageRules
    settings: LayoutSettings
    composer: Composer
    bound: Callable[[str], CompiledRules]
    whole: Layout | None
    values: list[SlateValue] = field(default_factory=list)

    def composition(self, choice: PolicyChoice, template: str, branch: str) -> Composition:
        composition = self.composer(explored(choice, self.settings), template, self.bound(branch))
        self.values.append(composition.value)
        return composition

    def slates_of(self, branch: Branch) -> BranchSlates:
        if self.whole and branch.segment is not UNSET and (lent := branch_slates(self.whole, branch)):
            self.composer.skip(len(lent.slates))
            return lent
        own = self.composition(branch.policy, self.rules.template_of(branch), branch.name)
        return BranchSlates(own.slates, own.rows, own.relaxed)


def _inputs(
    segment: str,
    state: KeyState,
    page: Page,
    settings: LayoutSettings,
    epoch: int,
    weighted_counts: WeightedCounts,
    now_ms: int,
) -> Inputs:
    rules = page.rules
    shelves = page.segment_shelves(segment)
    statistics = statistics_of(segment, state, page, settings, weighted_counts, shelves)
    z = weighted_counts.normals(rules.page, segment, most_variants(rules), epoch, sales=settings.sale_value > 0)
    bound = weighted_counts.rules(page, segment, now_ms).auctioned(lambda: statistics.posterior().mean)
    return Inputs(statistics, Names(rules.page, segment, epoch), z, bound, shelves)


def _bound_for(page: Page, inputs: Inputs, now_ms: int, branch: str) -> CompiledRules:
    """The rules for the slates of a branch: others than for all where some are on trial."""
    if all(rule.branches is UNSET for rule in page.rules.rules):
        return inputs.bound
    rates = inputs.statistics.posterior
    return page.bound(inputs.names.segment, now_ms, branch).auctioned(lambda: rates().mean)


def explored(choice: PolicyChoice, settings: LayoutSettings) -> PolicyChoice:
    """The policy with the exploration that its own scale makes of the settings' one."""
    return msgspec.structs.replace(choice, exploration=choice.exploration * settings.exploration)


def stamped(layout: Layout, version: int, produced_at: int, ttl_ms: int, life: str = "") -> Layout:
    """The layout as it is published; `life` is what says how much longer than `ttl_ms` it is good."""
    expires_at = produced_at + ttl_ms
    if layout.arranged is not UNSET and not layout.arranged.version:
        layout = msgspec.structs.replace(layout, arranged=Arranged(version, layout.arranged.views))
    return msgspec.structs.replace(layout, version=version, produced_at=produced_at, expires_at=expires_at, life=life)


def unshadowed(layout: Layout) -> Layout:
    """The layout as renderers need it: without the slates that are only watched."""
    return msgspec.structs.replace(layout, shadow_policy="", shadow=[])
