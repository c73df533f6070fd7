"""The slates of a policy, from what is known of a page and segment; on a page with shelves also which stands where."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from policy.arrays import Codes, Floats
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Items, Names, PageComposition, compose_page, declared_page
from policy.pages.messages import with_rows
from policy.pages.published import SegmentShelves
from policy.rules.compiled import CompiledRules
from policy.slates.composition import Composition, Statistics, baseline_scores
from policy.slates.composition import compose as slates_of
from policy.slates.renewal import SlateValue
from policy.slates.scoring import Belief
from schemas.messages.layouts import Arranged, Layout
from schemas.messages.pages import PolicyChoice
from streams.catalog.layouts.arranged import PublishedRows
from streams.catalog.page import Page


class Inputs(NamedTuple):
    """What slates are made from, beside the policy: `z` are normals for the most variants of the page's policies.

    `shelves` are the page's in the segment, None on a flat page.
    """

    statistics: Statistics
    names: Names
    z: Floats
    bound: CompiledRules
    shelves: SegmentShelves | None


class Composer(Protocol):
    """Composes the policies of a page, one after another in the order of their slates."""

    def __call__(self, choice: PolicyChoice, template: str, bound: CompiledRules) -> Composition:
        """The slates of a policy under rules and a template of the page, which a flat page has none of."""

    def skip(self, slates: int) -> None:
        """So many of the next slates come from elsewhere."""

    def with_rows(self, layout: Layout, composition: Composition) -> Layout:
        """The layout with its rows, on a page with shelves."""


def composer_of(page: Page, inputs: Inputs, views: float, now_ms: int, published: PublishedRows | None) -> Composer:
    """What composes policies of the page, one after another, as of a time, with so many page views of the segment.

    Shelves stay as `published` where these still hold.
    """
    if inputs.shelves:
        return ShelfComposer(page, inputs, inputs.shelves, views, now_ms, published)
    return _FlatComposer(inputs)


class _FlatComposer:
    """Composes the policies of a page without shelves."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def __call__(self, choice: PolicyChoice, template: str, bound: CompiledRules) -> Composition:
        statistics, names, z, _, _ = self._inputs
        return slates_of(statistics, choice, *names, z[..., : choice.variants], bound)

    def skip(self, slates: int) -> None:
        pass

    def with_rows(self, layout: Layout, composition: Composition) -> Layout:
        return layout


class ShelfComposer:
    """Composes the policies of a page with shelves: each takes the next of the slates whose shelves stand still."""

    def __init__(
        self,
        page: Page,
        inputs: Inputs,
        fitted: SegmentShelves,
        views: float,
        now_ms: int,
        published: PublishedRows | None,
    ) -> None:
        statistics, names, self._z, bound, _ = inputs
        self._names, self._views, self._fitted = names, views, fitted
        self._compiled = partial(page.compiled, names.segment, now_ms)
        self._page = self._compiled(page.rules.template)
        belief = Belief(statistics.posterior(), statistics.click_value, bound.score_factor)
        mask = page.candidates.mask(self._page.page.shelf_names)
        self._items = Items(statistics.items, statistics.hashes, mask, belief)
        scores = baseline_scores(statistics) * bound.score_factor
        self._baseline = declared_page(self._page, self._items, scores, bound)
        now = page.rules, names.segment, names.epoch, views, now_ms
        self._standing = published if published and published.holds(*now) else None
        self._fixed = self._standing.codes(self._page) if self._standing else None
        self._used = 0

    def __call__(self, choice: PolicyChoice, template: str, bound: CompiledRules) -> Composition:
        """The slates of a policy under rules and a template."""
        page = self._compiled(template)
        served = self._compose(page, choice, bound, self._rows(choice.variants + choice.exploration_slates))
        shadow: list[dict[str, str]] = []
        if choice.shadow:
            watched = msgspec.structs.replace(choice, name=choice.shadow, exploration_slates=0)
            shadow = self._compose(page, watched, bound, served.arrangement.rows[: choice.variants]).slates
        looked_at = self._fitted.looks.mean(axis=0) * self._fitted.reach[self._page.row_of]
        return Composition(
            baseline=self._baseline.slate,
            slates=served.slates,
            propensities=served.propensities,
            shadow=shadow,
            relaxed=[*served.relaxed, *self._baseline.relaxed],
            value=SlateValue(served.arrangement.slates, served.scores, looked_at),
            rows=served.rows,
            baseline_rows=self._baseline.rows,
            row_propensities=served.row_propensities,
        )

    def with_rows(self, layout: Layout, composition: Composition) -> Layout:
        """The layout with its rows, and when they were decided: version 0 stands for the layout itself."""
        rows = composition.rows, composition.baseline_rows, composition.row_propensities
        arranged = self._standing.arranged if self._standing else Arranged(0, self._views)
        return msgspec.structs.replace(with_rows(layout, self._page.page, *rows), arranged=arranged)

    def skip(self, slates: int) -> None:
        """So many of the next slates come from elsewhere, with their rows."""
        self._used += slates

    def _rows(self, slates: int) -> Codes | None:
        if self._fixed is None:
            return None
        first, self._used = self._used, self._used + slates
        return self._fixed[first : self._used]

    def _compose(
        self, page: CompiledPage, choice: PolicyChoice, bound: CompiledRules, rows: Codes | None
    ) -> PageComposition:
        z = self._z[..., : choice.variants]
        items = replace(self._items, belief=self._items.belief._replace(factor=bound.score_factor))
        return compose_page(page, items, self._fitted.shelves, choice, self._names, bound, rows, z)
