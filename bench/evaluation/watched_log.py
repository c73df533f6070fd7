"""Logs in which nothing is to be gained, whatever they teach: a target shows other items that earn as much.

A page's items come in families whose members earn alike.  Each slate of the policy that is served is
shown with every member of its families, and the target shows one of these.  Layouts are made
anew from the clicks before them, visitors differ in taste and return, and a holdout sees a baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.estimates import ACTIVITY, HOLDOUT, World, show
from policy.arrays import Floats, Ints
from policy.assignment import BINS

REWARDS = ("clicks", "revenue")
START_CLICKS, START_VIEWS = 1.0, 30.0
"""What is known of a family at the beginning: the counts of a Beta distribution."""


@dataclass(frozen=True, slots=True)
class WatchedPlan:
    """The size of each log, and how often it is looked at."""

    families: int = 10
    members: int = 4
    slots: int = 6
    slates: int = 4
    units: int = 4_000
    views: int = 24_000
    layouts: int = 6
    looks: int = 60

    @property
    def items(self) -> int:
        """Items of all families."""
        return self.families * self.members

    @property
    def ladder(self) -> Ints:
        """Clusters, int64[2, A + 1]: each item alone, then families, which earn alike; behind them an empty slot."""
        items = np.arange(self.items + 1)
        return np.stack([items, items // self.members])

    def looked_at(self, looks: int) -> WatchedPlan:
        """The same with about so many looks: as many at each layout."""
        layouts = min(self.layouts, looks)
        return replace(self, layouts=layouts, looks=looks // layouts * layouts)


class Part(NamedTuple):
    """Page views of one layout, N: their units' bins, holdout, row in `served`, and rewards [2, N, S].

    `served` int64[V + 1, S] has the baseline last; `target` are the slates of the target, and `truth` [2] what
    these earn per page view on average.
    """

    bins: Ints
    held: NDArray[np.bool_]
    rows: Ints
    rewards: Floats
    served: Ints
    target: Ints
    truth: Floats


def shop(random: np.random.Generator, plan: WatchedPlan) -> World:
    """A page drawn at random: click rates of 0.5 to 15 %, one in eight clicks buys."""
    activity = random.gamma(ACTIVITY, 1.0, plan.units)
    return World(
        attraction=np.clip(random.beta(1.5, 28.0, plan.families), 0.005, 0.15).repeat(plan.members),
        conversion=random.beta(4.0, 28.0, plan.families).repeat(plan.members),
        price=random.lognormal(8.0, 0.5, plan.families).repeat(plan.members),
        looked_at=np.power(1.0 + np.arange(plan.slots), -random.uniform(0.3, 1.2)),
        activity=activity / activity.sum(),
        eagerness=random.gamma(4.0, 0.25, plan.units),
        bins=random.integers(0, BINS, plan.units),
        held=random.random(plan.units) < HOLDOUT,
        ladders={},
    )


def simulated(random: np.random.Generator, plan: WatchedPlan) -> list[Part]:
    """A log, layout by layout."""
    page, parts = shop(random, plan), list[Part]()
    clicks, views = np.full(plan.families, START_CLICKS), np.full(plan.families, START_VIEWS)
    for _ in range(plan.layouts):
        served, target = _slates(random, plan, random.beta(clicks, views, (plan.slates, plan.families)))
        part = _shown(random, page, plan, served, target)
        parts.append(part)
        families = (served[part.rows] // plan.members).ravel()
        clicks += np.bincount(families, part.rewards[0].ravel(), plan.families)
        looks = np.broadcast_to(page.looked_at, (len(part.rows), plan.slots))
        views += np.bincount(families, looks.ravel(), plan.families)
    return parts


def _slates(random: np.random.Generator, plan: WatchedPlan, drawn: Floats) -> tuple[Ints, Ints]:
    """Those that are served, with the baseline last, and those of the target: the best families by what was drawn."""
    best = np.argsort(-drawn, axis=1)[:, : plan.slots]
    first = random.integers(0, plan.members, best.shape)
    members = [best * plan.members + (first + turn) % plan.members for turn in range(plan.members)]
    baseline = np.arange(plan.slots) * plan.members
    return np.concatenate([*members, baseline[None]]), members[0]


def _shown(random: np.random.Generator, page: World, plan: WatchedPlan, served: Ints, target: Ints) -> Part:
    """Visitors look at slates, click and buy; a visitor sees the same slate all the time."""
    units = random.choice(plan.units, plan.views // plan.layouts, p=page.activity)
    variants = (random.random(plan.units)[units] * (len(served) - 1)).astype(np.int64)
    held = page.held[units]
    rows = np.where(held, len(served) - 1, variants)
    rewards = np.stack(list(show(random, page, units, rows, served).earned.values()))
    return Part(page.bins[units], held, rows, rewards, served, target, page.worth(target))
