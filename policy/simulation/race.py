"""Serving what a learner chooses, batch by batch as the layout producer does, and counting what is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from policy.simulation.shop import Feedback, Offer, Shape, Shop

LEAST_BATCH, MOST_BATCH = 250, 5_000
SHARE = 30
"""Slates are renewed after 1 / SHARE more page views, between the two limits."""


class Learner(Protocol):
    """What takes part in a race."""

    def observe(self, feedback: Feedback) -> None:
        """Take page views in, with the purchases that came meanwhile."""
        ...

    def slates(self, offer: Offer) -> NDArray[np.intp]:
        """Rows of the offer for each segment, variant and slot, int[G, V, S]; variants are equally likely."""
        ...


class Course(NamedTuple):
    """Clicks lost until each checkpoint, what uniform slates would have lost, and those lost by new items.

    `first_day` is the part of the regret that items in their first day are to blame for, `per_view` the regret of
    a page view in the last tenth of those until a checkpoint.  A race that was stopped after `views` page views
    has the checkpoints that it reached alone.
    """

    regret: tuple[float, ...]
    uniform: tuple[float, ...]
    first_day: tuple[float, ...]
    per_view: tuple[float, ...]
    views: int


def opened(shape: Shape, seed: int, views: int) -> Shop:
    """The shop of a seed: the same for all learners, visitors' chances apart from the world's."""
    world, visits = np.random.default_rng(seed).spawn(2)
    return Shop(shape, world, visits, days=views // shape.views_per_day + 1)


def batches(views: int, day: int, checkpoints: Sequence[int], step: int = 0) -> Iterator[int]:
    """Sizes of batches, `views` in all, of `step` if that is set; none reaches over a day's end or a checkpoint."""
    done = 0
    while done < views:
        size = step or min(max(done // SHARE, LEAST_BATCH), MOST_BATCH)
        ends = [(done // day + 1) * day, views, *(at for at in checkpoints if at > done)]
        size = min(size, min(ends) - done)
        done += size
        yield size


def race(
    shop: Shop,
    learner: Learner,
    checkpoints: Sequence[int],
    delay: int = 0,
    look: Callable[[], None] = lambda: None,
    step: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> Course:
    """The regret of a learner up to each of the ascending checkpoints (page views).

    What happened is known to the learner `delay` page views later, or at the end
    of the batch, which has `step` page views if that is set.  `look` is called at each checkpoint, `stop` after
    each batch: the race ends where it says so.
    """
    waiting: deque[tuple[int, Feedback]] = deque()
    lost = np.zeros(3)
    losses: list[tuple[float, ...]] = []
    course = [(0, 0.0)]
    for size in batches(checkpoints[-1], shop.shape.views_per_day, checkpoints, step):
        offer = shop.offer()
        slates = learner.slates(offer)
        regret, chance = shop.regret(slates), shop.regret(_any(offer, slates.shape))
        young = shop.blame(slates)[:, shop.fresh()].sum(axis=1)
        feedback = shop.serve(slates, size)
        views = np.bincount(feedback.segments, minlength=len(slates))
        lost += np.stack([regret, chance, young]) @ views
        course.append((shop.views, float(lost[0])))
        waiting.append((shop.views, feedback))
        while waiting and waiting[0][0] + delay <= shop.views:
            learner.observe(waiting.popleft()[1])
        if shop.views in checkpoints:
            losses.append((*lost.tolist(), _last_tenth(course)))
            look()
        if stop():
            break
    columns: list[tuple[float, ...]] = list(zip(*losses, strict=True)) or [()] * 4
    return Course(columns[0], columns[1], columns[2], columns[3], shop.views)


def _last_tenth(course: Sequence[tuple[int, float]]) -> float:
    """Regret per page view in the last tenth of a course of page views and regret so far; even within each batch."""
    views, lost = zip(*course, strict=True)
    return float((lost[-1] - np.interp(0.9 * views[-1], views, lost)) / (0.1 * views[-1]))


def _any(offer: Offer, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Slates that hold each item as often as any other."""
    segments, _, slots = shape
    size = len(offer.rows)
    places = (np.arange(size)[:, None] + np.arange(slots)) % size
    return np.broadcast_to(offer.rows[places], (segments, size, slots))
