"""Clicks, orders and revenue of places on a page, as draws from what is known of items and slots.

Draws come from the posteriors at their full width, whatever a page explores.  An item has the same draws wherever it
stands, and a slot whatever stands there, so what is compared differs by places alone, and sums over segments and
rules are taken draw by draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats, Hashes, Indices
from policy.defaults import LEVEL
from policy.hashes import arm_hashes
from policy.model.reward import ClickValue
from policy.prices.looks import DRAWS, Looks, SlotLooks, slot_errors
from policy.prices.places import Places
from policy.slates.composition import Statistics
from policy.slates.sampling import CLICK_STAGES, SALE_STAGES, beta_draws, normals

EXPECTED_ERROR = 0.15
"""Relative error of what is expected of all items that are hardly shown: they are not quite like those that are."""


class Knowledge(NamedTuple):
    """What is known of the items of a page and segment.

    `categories` are theirs, and `variance` is the relative variance of what features let expect
    (`policy.model.priors.interest_variance`).  `slot_clicks`, float64[S], are the clicks that looks at each slot were
    fitted from.  `sales` is what is known of orders, None where none are counted.  `placed`, float64[A, H], is how
    often items were on shelves, on a page that has some.
    """

    page: str
    segment: str
    statistics: Statistics
    categories: Sequence[str]
    variance: float
    slot_clicks: Floats
    sales: ClickValue | None = None
    placed: Floats | None = None


class Earnings(NamedTuple):
    """Draws of what is earned, float64[D] each; revenue in minor units.

    `orders` and `revenue` are None where no orders are counted.
    """

    clicks: Floats
    orders: Floats | None = None
    revenue: Floats | None = None

    def plus(self, other: Earnings, factor: float = 1.0) -> Earnings:
        """And `factor` times the other, draw by draw; what one of both does not know, the sum does not know."""
        return Earnings(
            self.clicks + factor * other.clicks,
            _sum(self.orders, other.orders, factor),
            _sum(self.revenue, other.revenue, factor),
        )


class Interval(NamedTuple):
    """A mean, and the central interval that holds the truth with the probability of a level."""

    mean: float
    low: float
    high: float


class Draws:
    """Draws of what a look at each item brings, made when an item first stands somewhere, and of looks at places.

    Without `looks` places are the slots of a flat page.
    """

    def __init__(self, knowledge: Knowledge, looks: Looks | None = None) -> None:
        self._knowledge = knowledge
        self._rows = {item: row for row, item in enumerate(knowledge.statistics.items)}
        self._places: dict[str, int] = {}
        self._drawn = [np.zeros((0, DRAWS)) for _ in range(1 if knowledge.sales is None else len(Earnings._fields))]
        self._looked_at_more = np.zeros((0, DRAWS))
        self.looks: Looks = looks or SlotLooks(
            knowledge.statistics.slots, knowledge.statistics.examination, errors_of(knowledge)
        )

    def earnings(self, places: Places) -> Earnings:
        """What items in places bring, in so many page views; each must be among those of the statistics."""
        if new := [item for item in dict.fromkeys(item for item, _ in places) if item not in self._places]:
            self._draw(new)
        cells = self.looks.cells(place for _, place in places)
        columns = {place: column for column, place in enumerate(cells)}
        weights = np.zeros((len(self._places), len(cells)))
        for (item, place), share in places.items():
            weights[self._places[item], columns[place]] = share
        looks, bought = self.looks.draws(cells), self.looks.orders(cells)
        clicked = self._clicked(weights, looks)
        ordered = clicked if bought is None else self._clicked(weights, looks * bought)
        clicks, *sales = self._drawn
        return Earnings((clicked * clicks).sum(axis=0), *((ordered * drawn).sum(axis=0) for drawn in sales))

    def _clicked(self, weights: Floats, looks: Floats) -> Floats:
        """Draws of looks at items [N, D] from `weights` [N, C] and looks at places [C, D].

        What is counted are clicks, looks times likes: an item that was looked at more than is believed is liked less,
        so what stays where it was brings what it brought, however little is known of looks there.
        """
        believed = looks.mean(axis=1, keepdims=True)
        return np.asarray(weights @ looks - (weights @ believed) * self._looked_at_more)

    def _draw(self, items: Sequence[str]) -> None:
        """Where items' own clicks are few, their rates come from their features, and an error of these is that of a
        whole category: rules about a category would else look surer than they are.
        """
        knowledge, at = self._knowledge, np.array([self._rows[item] for item in items], dtype=np.intp)
        statistics, beta = knowledge.statistics, knowledge.statistics.posterior()
        a, b, prior = beta.a[at], beta.b[at], np.broadcast_to(statistics.prior.strength, beta.a.shape)[at]
        clicks = beta_draws(a, b, self._normals(CLICK_STAGES, statistics.hashes[at]))
        expected = a / (a + b) * np.minimum(prior / (a + b), 1.0)
        errors = np.sqrt(knowledge.variance) * self._shared(at) + EXPECTED_ERROR * self._of_all()
        clicks += expected[:, None] * errors
        drawn = [clicks]
        if knowledge.sales is not None:
            buying, z = knowledge.sales.buying, self._normals(SALE_STAGES, statistics.hashes[at])
            orders = clicks * beta_draws(buying.a[at], buying.b[at], z[:2])
            paid = np.maximum(0.0, knowledge.sales.amount[at, None] + z[2] * knowledge.sales.error[at, None])
            drawn += [orders, orders * paid]
        more = self._more_than_believed(at, prior / (a + b))
        self._looked_at_more = np.concatenate([self._looked_at_more, more])
        self._drawn = [np.concatenate(pair) for pair in zip(self._drawn, drawn, strict=True)]
        self._places |= {item: len(self._places) + number for number, item in enumerate(items)}

    def _more_than_believed(self, at: Indices, prior: Floats) -> Floats:
        """How much more items were looked at than is believed, [N, D], as far as what is known of them is counted.

        The share `prior` [N] of it is not.
        """
        statistics, placed = self._knowledge.statistics, self._knowledge.placed
        looked_at = np.asarray(statistics.impressions[at] * statistics.examination, dtype=np.float64)
        more = self.looks.counted(looked_at, None if placed is None else placed[at]) - 1.0
        return np.asarray(np.maximum(1.0 - prior, 0.0)[:, None] * more)

    def _normals(self, stages: Sequence[str], hashes: Hashes) -> Floats:
        names = self._knowledge.page, self._knowledge.segment, hashes
        return np.stack([normals(*names, f"earnings {stage}", DRAWS, 0) for stage in stages])

    def _of_all(self) -> Floats:
        """A standard normal for all items together, float64[1, D]."""
        (drawn,) = self._normals(["expected"], arm_hashes([""]))
        return np.asarray(drawn)

    def _shared(self, at: Indices) -> Floats:
        """A standard normal for each category, for each of its items, float64[A, D]."""
        categories = [self._knowledge.categories[row] for row in at.tolist()]
        names = sorted(set(categories))
        (drawn,) = self._normals(["shared"], arm_hashes(names))
        return np.asarray(drawn[[names.index(name) for name in categories]])


def errors_of(knowledge: Knowledge) -> Floats:
    """Draws of how far looks at slots are from what was fitted, as factors [S, D]."""
    slots = knowledge.statistics.slots
    return slot_errors(knowledge.page, knowledge.segment, slots, knowledge.slot_clicks)


def interval_of(draws: Floats, level: float = LEVEL) -> Interval:
    """The mean of draws, float64[D], and between which two `level` of them are."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail])
    return Interval(float(draws.mean()), float(low), float(high))


def _sum(draws: Floats | None, other: Floats | None, factor: float) -> Floats | None:
    return None if draws is None or other is None else draws + factor * other
