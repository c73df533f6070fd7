"""Serving the pages that a learner arranges, batch by batch as the layout producer does, and counting what is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.simulation.pages.learners import PageLearner, Pages
from policy.simulation.pages.world import PageShape, PageWorld

LEAST_BATCH, MOST_BATCH, SHARE = 250, 10_000, 6
WATCHED, WATCHED_VIEWS = 10, 1_000
"""Refreshes that are looked at behind the end of a race, and the page views before each."""


class PageCourse(NamedTuple):
    """Clicks lost until each checkpoint, as a share of what the best pages earn; and what moves behind the last one.

    `moved` is the mean share of rows that have another shelf after a refresh of `WATCHED_VIEWS` page views, and
    `constant` that after one before which nothing was counted.
    """

    regret: tuple[float, ...]
    moved: float
    constant: float


def opened(shape: PageShape, seed: int) -> tuple[PageWorld, np.random.Generator]:
    """The page of a seed, the same for all learners, and the generator of visitors' chances."""
    world, visits = np.random.default_rng([seed, 5]).spawn(2)
    return PageWorld(shape, world), visits


def race(world: PageWorld, learner: PageLearner, checkpoints: Sequence[int], visits: np.random.Generator) -> PageCourse:
    """The regret of a learner up to each of the ascending checkpoints (page views)."""
    lost, done, regret = 0.0, 0, list[float]()
    best = float(world.shares @ world.best)
    for size in sizes(checkpoints):
        pages = learner.pages()
        lost += size * (best - float(world.shares @ value(world, pages)))
        done += size
        learner.observe(world.serve(*pages, size, visits))
        if done in checkpoints:
            regret.append(lost / (done * best))
    return PageCourse(tuple(regret), *_moves(world, learner, visits))


def _moves(world: PageWorld, learner: PageLearner, visits: np.random.Generator) -> tuple[float, float]:
    before, moved = learner.pages(), list[float]()
    constant = float((before.rows != learner.pages().rows).mean())
    for _ in range(WATCHED):
        learner.observe(world.serve(*before, WATCHED_VIEWS, visits))
        after = learner.pages()
        moved.append(float((before.rows != after.rows).mean()))
        before = after
    return float(np.mean(moved)), constant


def sizes(checkpoints: Sequence[int]) -> Iterator[int]:
    """Page views until each refresh: a sixth of those before, between two limits; none reaches over a checkpoint."""
    done = 0
    while done < checkpoints[-1]:
        size = min(max(done // SHARE, LEAST_BATCH), MOST_BATCH, min(at for at in checkpoints if at > done) - done)
        done += size
        yield size


def value(world: PageWorld, pages: Pages) -> Floats:
    """Expected clicks per page view of each segment, float64[G]."""
    groups, variants, _ = pages.rows.shape
    segments = np.repeat(np.arange(groups), variants)
    flat = pages.rows.reshape(groups * variants, -1), pages.slates.reshape(groups * variants, -1)
    return np.asarray(world.expected(segments, *flat).reshape(groups, variants).mean(axis=1), dtype=np.float64)
