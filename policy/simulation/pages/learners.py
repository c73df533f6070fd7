"""Who arranges a simulated page: our policy, the declared order, and click rates of shelves by row.

All of them choose items as the layout producer does; they differ in shelves alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np

from policy import defaults
from policy.arrays import Codes, Floats
from policy.hashes import arm_hashes
from policy.model.examination import examination
from policy.model.features import describe
from policy.model.fitting import Described, PageCounts, fit_page
from policy.model.posteriors import Beta, Prior, posterior
from policy.model.priors import arm_priors, fitted
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Items, Names, Shelves, compose_page
from policy.pages.model.counts import ShelfCounts, by_row, reach
from policy.pages.model.fitting import ShelfFit, fit_shelves
from policy.pages.period import is_over
from policy.simulation.pages.world import PageWorld
from policy.slates.scoring import Belief
from schemas.messages.pages import PolicyChoice
from schemas.messages.parameters import PolicyParameters

PAGE = "home"
DEFAULT = PolicyChoice(exploration=defaults.EXPLORATION)
BASE = defaults.CLICK_RATE, defaults.STRENGTH


class Pages(NamedTuple):
    """Shelves in rows, int32[G, V, R], and items in slots, int32[G, V, S]."""

    rows: Codes
    slates: Codes


class PageLearner(Protocol):
    """What takes part in a race of pages."""

    def observe(self, counts: ShelfCounts) -> None:
        """Take the counts of some page views in."""
        ...

    def pages(self) -> Pages:
        """The pages of all segments from now on."""
        ...


@dataclass(slots=True, eq=False)
class _Learner:
    """Counts so far, and what the layout producer makes of them for items."""

    world: PageWorld
    choice: PolicyChoice = DEFAULT
    counts: ShelfCounts = field(init=False)
    segments: list[str] = field(init=False)
    names: list[str] = field(init=False)
    parameters: PolicyParameters | None = field(init=False, default=None)
    """What was fitted of items last."""
    priors: list[Prior] = field(init=False, default_factory=list)
    """What items' click rates start at in each segment, once something was clicked."""
    _described: Described = field(init=False)

    def __post_init__(self) -> None:
        shape, offer = self.world.shape, self.world.offer
        self.counts = ShelfCounts.empty(self.page, shape.segments, shape.items)
        self.segments = [f"s{segment}" for segment in range(shape.segments)]
        self.names = [item.item for item in offer.items]
        features, scales = describe(offer.items, offer.now_ms)
        self._described = Described(features, scales, offer.vectors, "text")

    @property
    def page(self) -> CompiledPage:
        """The declared page."""
        return self.world.page

    def observe(self, counts: ShelfCounts) -> None:
        """See `PageLearner`."""
        self.counts = self.counts.plus(counts)

    def beliefs(self, impressions: Floats, clicks: Floats, slots: list[str]) -> tuple[list[Beta], Floats]:
        """What is believed of items in each segment from counts [G, A, S], and how much slots are looked at [S]."""
        if not clicks.any():
            nothing = Beta(*(np.full(len(self.names), part) for part in _base()))
            return [nothing] * len(self.segments), examination(slots, {})
        table = PageCounts(self.segments, self.names, slots, impressions, clicks)
        fit, described = fit_page(PAGE, table, self._described, 0, BASE), self._described
        self.parameters, self.priors = fit, []
        looks = examination(slots, fit.examination)
        examined, clicked = impressions @ looks, clicks.sum(axis=2)
        beliefs = []
        for at, segment in enumerate(self.segments):
            arms = fitted(fit, segment, self.names, described.features, described.vectors)
            self.priors.append(arm_priors(fit, segment, arms, clicked[at], examined[at]).prior)
            beliefs.append(posterior(impressions[at], clicks[at], looks, self.priors[at]))
        return beliefs, looks

    def compose(self, beliefs: list[Beta], shelves: list[Shelves], rows: Codes | None) -> Pages:
        """The pages of all segments, with the shelves of `rows` [G, V, R] if there are some."""
        hashes = arm_hashes(self.names)
        arranged = [
            compose_page(
                self.page,
                Items(self.names, hashes, self.world.candidates, Belief(beliefs[at])),
                shelves[at],
                self.choice,
                Names(PAGE, segment, 0),
                rows=None if rows is None else rows[at],
            ).arrangement
            for at, segment in enumerate(self.segments)
        ]
        return Pages(np.stack([page.rows for page in arranged]), np.stack([page.slates for page in arranged]))


def _base() -> tuple[float, float]:
    rate, strength = Prior(*BASE)
    return float(rate * strength), float((1.0 - rate) * strength)


@dataclass(slots=True, eq=False)
class Joint(_Learner):
    """Items, shelves and looks fitted together; shelves stand still for a period where they are `calm`."""

    calm: bool = True
    fit: ShelfFit | None = None
    _rows: Codes | None = None
    _since: float = 0.0

    def pages(self) -> Pages:
        """See `PageLearner`."""
        beliefs, fit = self.fitted()
        shelves = [Shelves.of(self.page, fit, at) for at in range(len(self.segments))]
        views = float(self.counts.views.sum())
        if self._rows is None or not self.calm or is_over(views, self._since):
            self._rows, self._since = None, views
        pages = self.compose(beliefs, shelves, self._rows)
        self._rows = pages.rows
        return pages

    def fitted(self) -> tuple[list[Beta], ShelfFit]:
        """What is believed of items in each segment, and of shelves."""
        self.fit = fit_shelves(self.page, self.counts, self.fit)
        examined, clicks = self.fit.examined[:, :, None], self.counts.clicks.sum(axis=2)[:, :, None]
        beliefs, _ = self.beliefs(examined, clicks, ["examined"])
        return beliefs, self.fit


class ByRow(_Learner):
    """Items chosen as on a flat page, and shelves in rows by some rule."""

    def rows(self) -> Codes:
        """Shelves in rows, int32[G, V, R]."""
        raise NotImplementedError

    def pages(self) -> Pages:
        """See `PageLearner`."""
        beliefs, looks = self.beliefs(self.counts.impressions, self.counts.clicks, list(self.page.page.slots))
        _, shelves, _ = self.page.shape
        weights = self.page.by_column(np.tile(looks, (shelves, 1)))
        nothing = np.ones(shelves), np.zeros(shelves)
        spots = np.ones(weights.shape[:2]), np.zeros(weights.shape[:2])
        shares = reach(self.page, self.counts)
        believed = [Shelves(weights * share[:, None, None], nothing, spots) for share in shares]
        return self.compose(beliefs, believed, self.rows())


class FixedOrder(ByRow):
    """The first shelves in the declared order, one to a row."""

    def rows(self) -> Codes:
        """See `ByRow`."""
        rows = np.arange(self.page.shape[0], dtype=np.int32)
        return np.broadcast_to(rows, (len(self.segments), self.choice.variants, len(rows))).copy()


@dataclass(slots=True, eq=False)
class RowWise(ByRow):
    """Thompson sampling on click rates of shelves in rows, down the rows: of each segment, or of all together.

    A rate starts at that of all shelves in all rows, which weighs `clicks` clicks.
    """

    by: Literal["segment", "page"] = "segment"
    clicks: float = 1.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def rows(self) -> Codes:
        """See `ByRow`."""
        rows = self.page.shape[0]
        starts = np.flatnonzero(self.page.column_of == 0)
        tries = self.counts.shelf_impressions[:, :, starts]
        clicked = by_row(self.page, self.counts.shelf_clicks)
        if self.by == "page":
            tries, clicked = (np.broadcast_to(part.sum(axis=0), part.shape) for part in (tries, clicked))
        rate = (clicked.sum() + 0.1) / (tries.sum() + 1.0)
        a, b = clicked + self.clicks, np.maximum(tries - clicked, 0.0) + self.clicks * max(1.0 / rate - 1.0, 1.0)
        size = (self.choice.variants, *a.shape)
        drawn = self.rng.beta(np.broadcast_to(a, size), np.broadcast_to(b, size)).transpose(1, 0, 3, 2)
        chosen = np.full(drawn.shape[:3], -1, dtype=np.int32)
        for row in range(rows):
            best = drawn[:, :, row].argmax(axis=2)
            chosen[:, :, row] = best
            np.put_along_axis(drawn, best[:, :, None, None], -1.0, axis=3)
        return chosen
