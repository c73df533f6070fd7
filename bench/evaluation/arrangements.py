"""Logs of simulated pages with shelves: what is estimated of another arrangement, and what it is really worth.

A log has layouts that are composed again from what visitors did.  Asked is for the exchange of each two rows,
where shelves take their items with them, which is worth what the page's truth says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
    """An estimate and the truth, in clicks per page view."""

    estimate: Estimate
    truth: float

    @property
    def error(self) -> float:
        """Relative to the truth."""
        return self.estimate.value / self.truth - 1.0

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth."""
        return self.estimate.low <= self.truth <= self.estimate.high


@dataclass(slots=True)
class Tally:
    """Errors of the answers that were given, how many intervals held, and how many were refused."""

    errors: list[float] = field(default_factory=list)
    covered: int = 0
    refused: int = 0

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        if answer.estimate.refused:
            self.refused += 1
            return
        self.errors.append(abs(answer.error))
        self.covered += answer.covers


class ShelfLog(NamedTuple):
    """A page's truth, the pages that were served one after another, and the counts by part of the units."""

    world: PageWorld
    served: Sequence[Pages]
    parts: Sequence[ShelfCounts]


def shelf_log(plan: ArrangementPlan, seed: int) -> ShelfLog:
    """The log of a seed: the policy has learned from page views before it."""
    world, visits = opened(replace(PAGES[plan.kind], segments=plan.segments, rows=plan.rows), seed)
    choice = msgspec.structs.replace(DEFAULT, exploration_slates=plan.exploration_slates)
    learner = Joint(world, choice)
    for size in sizes([plan.before]):
        learner.observe(world.serve(*learner.pages(), size, visits))
    parts = [ShelfCounts.empty(world.page, plan.segments, world.shape.items) for _ in range(plan.parts)]
    served = []
    for _ in range(plan.layouts):
        served.append(learner.pages())
        for at in range(plan.parts):
            counts = world.serve(*served[-1], plan.views // plan.layouts // plan.parts, visits)
            parts[at] = parts[at].plus(counts)
            learner.observe(counts)
    return ShelfLog(world, served, parts)


def answers(log: ShelfLog, pairs: Sequence[tuple[int, int]] | None = None) -> Iterator[Answer]:
    """What is said of the exchange of each two rows, or of some `pairs`, and the truth."""
    rows, world = log.world.page.shape[0], log.world
    served = shares_of(world.page, [pages.rows for pages in log.served])
    evidence = ShelfEvidence.of(world.page, log.parts)
    for upper, lower in pairs or list(combinations(range(rows), 2)):
        moved = [_moved(world.page, pages, upper, lower) for pages in log.served]
        target = shares_of(world.page, [pages.rows for pages in moved])
        truth = float(np.mean([world.shares @ value(world, pages) for pages in moved]))
        yield Answer(evidence.estimate(Arrangements(served, target)), truth)


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
