"""Logs of simulated pages with shelves: what is estimated of another arrangement, and what it is really worth.

A log has layouts that are composed again from what visitors did.  Asked is for the exchange of each two rows,
where shelves take their items with them, which is worth what the page's truth says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np

from policy.arrays import Codes, Floats
from policy.evaluation.estimators import Estimate
from policy.evaluation.shelves import Arrangements, ShelfEvidence, exchanged, row_shares
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import ShelfCounts
from policy.simulation.pages.learners import DEFAULT, Joint, Pages
from policy.simulation.pages.race import opened, sizes, value
from policy.simulation.pages.world import PAGES, PageWorld
from schemas.messages.pages import PolicyChoice


@dataclass(frozen=True, slots=True)
class ArrangementPlan:
    """A kind of page, its segments, how long a log is, of how many layouts, and slates drawn by chance."""

    kind: str = "main"
    segments: int = 3
    before: int = 8_000
    views: int = 36_000
    layouts: int = 2
    exploration_slates: int = 0
    parts: int = 16
    rows: int = 8


class Answer(NamedTuple):
    """An estimate and the truth, and what was served is worth, in clicks per page view."""

    estimate: Estimate
    truth: float
    served: float

    @property
    def error(self) -> float:
        """Relative to the truth."""
        return self.estimate.value / self.truth - 1.0

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth."""
        return self.estimate.low <= self.truth <= self.estimate.high

    @property
    def covers_gain(self) -> bool:
        """Whether that of the gain holds the true one."""
        return self.estimate.gain_low <= self.truth / self.served - 1.0 <= self.estimate.gain_high


@dataclass(slots=True)
class Tally:
    """Errors of the answers that were given, how many intervals of values and gains held, and how many were refused."""

    errors: list[float] = field(default_factory=list)
    covered: int = 0
    gains_covered: int = 0
    refused: int = 0

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        if answer.estimate.refused:
            self.refused += 1
            return
        self.errors.append(abs(answer.error))
        self.covered += answer.covers
        self.gains_covered += answer.covers_gain


class ShelfLog(NamedTuple):
    """A page's truth, the pages that were served one after another, and the counts by part of the units.

    Counts are of the slates of the policy in each segment, and behind these of exploration slates, if there are some.
    """

    world: PageWorld
    variants: int
    served: Sequence[Pages]
    parts: Sequence[ShelfCounts]

    def shares(self, pages: Sequence[Pages]) -> Floats:
        """How likely shelves stand in rows of pages like those that were served, [G, R, H], in the order of counts."""
        page, slates = self.world.page, [each.rows for each in pages]
        own, explored = ([rows[:, part] for rows in slates] for part in _kinds(self.variants))
        of_own = shares_of(page, own)
        return np.concatenate([of_own, shares_of(page, explored)]) if explored[0].size else of_own


def shelf_log(plan: ArrangementPlan, seed: int) -> ShelfLog:
    """The log of a seed: the policy has learned from page views before it."""
    world, visits = opened(replace(PAGES[plan.kind], segments=plan.segments, rows=plan.rows), seed)
    choice = msgspec.structs.replace(DEFAULT, exploration_slates=plan.exploration_slates)
    learner = Joint(world, choice)
    for size in sizes([plan.before]):
        learner.observe(world.serve(*learner.pages(), size, visits))
    groups = plan.segments * (2 if plan.exploration_slates else 1)
    parts = [ShelfCounts.empty(world.page, groups, world.shape.items) for _ in range(plan.parts)]
    served = []
    for _ in range(plan.layouts):
        served.append(learner.pages())
        for at in range(plan.parts):
            size = plan.views // plan.layouts // plan.parts
            some = _served(world, served[-1], choice, size, visits)
            parts[at] = parts[at].plus(_stacked(some))
            for counts in some:
                learner.observe(counts)
    return ShelfLog(world, choice.variants, served, parts)


def _kinds(variants: int) -> tuple[slice, slice]:
    """Slates of the policy, and of exploration."""
    return slice(variants), slice(variants, None)


def _served(
    world: PageWorld, pages: Pages, choice: PolicyChoice, size: int, visits: np.random.Generator
) -> list[ShelfCounts]:
    """The counts of some page views, of the policy's slates and of exploration slates."""
    slates = choice.variants + choice.exploration_slates
    explored = int(visits.binomial(size, choice.exploration_slates / slates)) if choice.exploration_slates else 0
    sizes_of = [size - explored, explored] if choice.exploration_slates else [size]
    return [
        world.serve(pages.rows[:, part], pages.slates[:, part], views, visits)
        for part, views in zip(_kinds(choice.variants), sizes_of, strict=False)
    ]


def _stacked(some: Sequence[ShelfCounts]) -> ShelfCounts:
    """The segments of several counts behind each other."""
    names = [field.name for field in fields(ShelfCounts)]
    return ShelfCounts(*(np.concatenate([getattr(counts, name) for counts in some]) for name in names))


def answers(log: ShelfLog, pairs: Sequence[tuple[int, int]] | None = None) -> Iterator[Answer]:
    """What is said of the exchange of each two rows, or of some `pairs`, and the truth."""
    rows, world = log.world.page.shape[0], log.world
    served, worth = log.shares(log.served), float(np.mean([world.shares @ value(world, each) for each in log.served]))
    evidence = ShelfEvidence.of(world.page, log.parts)
    for upper, lower in pairs or list(combinations(range(rows), 2)):
        moved = [_moved(world.page, pages, upper, lower) for pages in log.served]
        truth = float(np.mean([world.shares @ value(world, pages) for pages in moved]))
        yield Answer(evidence.estimate(Arrangements(served, log.shares(moved))), truth, worth)


def shares_of(page: CompiledPage, rows: Sequence[Codes]) -> Floats:
    """How likely shelves stand in rows over layouts of the same weight, [G, R, H], from rows [G, V, R] of each."""
    even = np.full(rows[0].shape[1], 1.0 / rows[0].shape[1])
    of_layouts = [[row_shares(slates, even, page.shape[1]) for slates in layout] for layout in rows]
    return np.asarray(np.mean(of_layouts, axis=0), dtype=np.float64)


def _moved(page: CompiledPage, pages: Pages, upper: int, lower: int) -> Pages:
    """Two rows exchanged, with the items that stand in them."""
    slates, first, second = pages.slates.copy(), page.slots[upper], page.slots[lower]
    slates[..., first], slates[..., second] = pages.slates[..., second], pages.slates[..., first]
    return Pages(np.stack([exchanged(rows, upper, lower) for rows in pages.rows]), slates)
