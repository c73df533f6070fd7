"""A shop with segments, items that come and go, interest that texts predict in part, drift, and late purchases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from policy.arrays import Floats, Indices
from policy.simulation.visits import CLICK_MODELS, ClickModel, PositionBased, Visitors
from schemas.messages.catalog import CatalogItem
from schemas.topics import DAY_MS

START_MS = 1_700_000_000_000
KINDS = 8
LOWEST, HIGHEST, USUAL = 0.005, 0.05, 0.016
SPREAD = 0.6
"""Standard deviation of attractiveness on the logit scale."""
KIND, ITEM, PAIR = 0.2, 0.5, 0.3
"""Parts of the variance that text does not predict: of an item's kind, its own, and that of item and segment."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of shop: `new` is the share of items replaced each day, `drift` that of the own part renewed.

    `spread` is the standard deviation of attractiveness on the logit scale; with 0 all items are alike.
    `text_share` is the share of attractiveness's variance that texts predict, half of it common to all segments.
    Attractiveness is cut off at `LOWEST` and `HIGHEST` where it is `bounded`.  The parts that texts do not predict
    are normal, or with `freedom` follow Student's t with that many degrees (more than 2) and the same variance.
    Texts mean nothing to the share `silent` of segments, and to the share `contrary` the opposite of what they mean to
    the others (of the half that is common).
    """

    segments: int = 20
    items: int = 200
    slots: int = 8
    size: int = 16
    views_per_day: int = 30_000
    new: float = 0.05
    drift: float = 0.02
    spread: float = SPREAD
    freedom: float = 0.0
    text_share: float = 0.5
    silent: float = 0.0
    contrary: float = 0.0
    bounded: bool = True
    visitors: ClickModel = "position"
    sales: float = 0.05
    delay_days: float = 0.25

    def click_model(self) -> Visitors:
        """How visitors look and click; the curve is not the one that learners start from."""
        return CLICK_MODELS[self.visitors](self.slots)

    def misfit(self) -> str:
        """What the models of the policy and of an informed learner do not have of such a shop; empty where they fit."""
        if not isinstance(self.click_model(), PositionBased):
            return "visitors do not look at each slot with a chance of its own"
        return "texts mean something else to some segments" if self.silent or self.contrary else ""


class Offer(NamedTuple):
    """What may be shown now: rows of the A items among all that ever are, what the catalog says, vectors [A, D].

    `pictures` are those of their pictures, where the shop has any.
    """

    now_ms: int
    day: int
    rows: NDArray[np.intp]
    items: list[CatalogItem]
    vectors: Floats
    pictures: Floats | None = None


class Feedback(NamedTuple):
    """N page views: segment [N], variant [N], rows shown [N, S] and clicked, bool[N, S]; and purchases that came.

    `sold` is int64[P, 3]: segment, row, amount in minor units.
    """

    segments: NDArray[np.intp]
    variants: NDArray[np.intp]
    slates: NDArray[np.intp]
    clicked: NDArray[np.bool_]
    sold: NDArray[np.int64]


@dataclass(slots=True)
class Shop:
    """The state of a shop; `world` draws what it is, the same for all learners, and `visits` what visitors do."""

    shape: Shape
    world: np.random.Generator
    visits: np.random.Generator
    days: int = 10
    views: int = 0
    visitors: Visitors = field(init=False)
    items: list[CatalogItem] = field(init=False)
    vectors: Floats = field(init=False)
    pictures: Floats | None = field(init=False, default=None)
    kinds: Indices = field(init=False)
    attraction: Floats = field(init=False)
    _predicted: Floats = field(init=False)
    _own: Floats = field(init=False)
    _widths: Floats = field(init=False)
    _active: NDArray[np.intp] = field(init=False)
    _shares: Floats = field(init=False)
    _selling: Floats = field(init=False)
    _bought: list[NDArray[np.int64]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        shape, rng = self.shape, self.world
        everything = shape.items + round(shape.new * shape.items) * self.days
        self.visitors = shape.click_model()
        self.kinds = rng.integers(0, KINDS, everything)
        self.vectors = _vectors(rng, self.kinds, shape.size)
        self._predicted = _predicted(rng, shape, self.vectors, self.kinds)
        self._own = rng.normal(size=(shape.segments + 1, everything))
        self._widths = _widths(rng, shape.freedom, self._own.shape)
        self._selling = shape.sales * rng.gamma(4.0, 0.25, everything)
        self._shares = rng.dirichlet(np.full(shape.segments, 4.0))
        prices = np.exp(rng.normal(8.0, 0.7, everything)).astype(int) + 1
        self.items = [
            CatalogItem(
                item=f"i{row:04}", title=f"i{row:04}", category=f"c{kind}", price=price, created_at=self._born(row)
            )
            for row, (kind, price) in enumerate(zip(self.kinds.tolist(), prices.tolist(), strict=True))
        ]
        self._active = np.arange(shape.items)
        self._settle()

    @property
    def day(self) -> int:
        """Days since the shop opened."""
        return self.views // self.shape.views_per_day

    @property
    def now_ms(self) -> int:
        """The time, milliseconds since 1970."""
        return START_MS + self.views * DAY_MS // self.shape.views_per_day

    def offer(self) -> Offer:
        """What may be shown now."""
        rows = self._active
        items, pictures = [self.items[row] for row in rows.tolist()], self.pictures
        return Offer(
            self.now_ms, self.day, rows, items, self.vectors[rows], None if pictures is None else pictures[rows]
        )

    def predict_from(self, design: Floats) -> None:
        """Attractiveness follows this design, float64[U, D], from now on, where texts were what predicted it."""
        self._predicted = _predicted(self.world, self.shape, design, self.kinds)
        self._settle()

    def regret(self, slates: Indices) -> Floats:
        """Expected clicks per page view that slates [G, V, S] lose against the best ones, float64[G]."""
        attraction = self.attraction[:, self._active]
        best = self._active[self.visitors.best(attraction, self.kinds[self._active])]
        return self._value(best[:, None, :]) - self._value(slates)

    def blame(self, slates: Indices) -> Floats:
        """Which items that regret is for, float64[G, A] over the offer: it adds up to the regret by positions.

        An item is to blame for the examination that it gets too much or too little of against the
        best slates, each weighted by how much it differs from the least attractive item there.
        """
        groups, variants, _ = slates.shape
        attraction, examination = self.attraction[:, self._active], self.visitors.curve
        best = self.visitors.best(attraction, self.kinds[self._active])
        actual, ideal = np.zeros((groups, len(self.items))), np.zeros_like(attraction)
        np.add.at(actual, (np.arange(groups)[:, None, None], slates), examination / variants)
        np.put_along_axis(ideal, best, np.broadcast_to(examination, best.shape), axis=1)
        least = np.take_along_axis(attraction, best, axis=1).min(axis=1, keepdims=True)
        return np.asarray((attraction - least) * (ideal - actual[:, self._active]), dtype=np.float64)

    def fresh(self) -> NDArray[np.bool_]:
        """Which items of the offer came less than a day ago."""
        return np.array([self.now_ms - self.items[row].created_at < DAY_MS for row in self._active.tolist()])

    def serve(self, slates: Indices, views: int) -> Feedback:
        """That many page views, each with one of its segment's slates [G, V, S] (rows) by chance."""
        rng = self.visits
        segments = rng.choice(len(self._shares), size=views, p=self._shares)
        variants = rng.integers(0, slates.shape[1], views)
        rows = slates[segments, variants]
        clicked = self.visitors.clicks(rng, self.attraction[segments[:, None], rows], self.kinds[rows])
        at, slot = np.nonzero(clicked)
        self._buy(self.views + at, segments[at], rows[at, slot])
        before, self.views = self.day, self.views + views
        for _ in range(self.day - before):
            self._pass_a_day()
        return Feedback(segments, variants, rows, clicked, self._arrived())

    def _born(self, row: int) -> int:
        each = max(1, round(self.shape.new * self.shape.items))
        return START_MS + DAY_MS * ((row - self.shape.items) // each + 1 if row >= self.shape.items else -1 - row % 200)

    def _settle(self) -> None:
        """Work attractiveness out, float64[G, U]."""
        item, pair = np.sqrt((1.0 - self.shape.text_share) * np.array([ITEM, PAIR]))
        own = self._own * self._widths
        score = logit(USUAL) + self.shape.spread * (self._predicted + item * own[-1] + pair * own[:-1])
        self.attraction = np.asarray(expit(score), dtype=np.float64)
        if self.shape.bounded:
            np.clip(self.attraction, LOWEST, HIGHEST, out=self.attraction)

    def _pass_a_day(self) -> None:
        """The oldest items give way to new ones, and what is an item's own moves; its spread stays as it is."""
        new = round(self.shape.new * self.shape.items)
        latest = int(self._active.max(initial=-1)) + 1
        self._active = np.append(self._active[new:], np.arange(latest, latest + new))
        moved = self.world.normal(size=self._own.shape)
        self._own = np.sqrt(1.0 - self.shape.drift) * self._own + np.sqrt(self.shape.drift) * moved
        self._settle()

    def _value(self, slates: Indices) -> Floats:
        groups, variants, slots = slates.shape
        attraction = self.attraction[np.arange(groups)[:, None, None], slates].reshape(-1, slots)
        clicks = self.visitors.expected(attraction, self.kinds[slates].reshape(-1, slots))
        return np.asarray(clicks.reshape(groups, variants).mean(axis=1), dtype=np.float64)

    def _buy(self, at: NDArray[np.intp], segments: NDArray[np.intp], rows: NDArray[np.intp]) -> None:
        """Some clicks end in a purchase, after a while."""
        buys = self.visits.random(len(rows)) < self._selling[rows]
        wait = self.visits.exponential(self.shape.delay_days * self.shape.views_per_day, int(buys.sum()))
        amounts = np.array([self.items[row].price for row in rows[buys].tolist()], dtype=np.int64)
        due = (at[buys] + wait).astype(np.int64)
        self._bought.append(np.stack([due, segments[buys], rows[buys], amounts], axis=1))

    def _arrived(self) -> NDArray[np.int64]:
        waiting = np.concatenate(self._bought) if self._bought else np.zeros((0, 4), dtype=np.int64)
        come = waiting[:, 0] <= self.views
        self._bought = [waiting[~come]]
        return waiting[come, 1:]


def _vectors(rng: np.random.Generator, kinds: Indices, size: int) -> Floats:
    """Text vectors of length 1: items of a kind are near each other."""
    raw = 0.7 * rng.normal(size=(KINDS, size))[kinds] + rng.normal(size=(len(kinds), size))
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), dtype=np.float64)


def _widths(rng: np.random.Generator, freedom: float, size: tuple[int, ...]) -> Floats:
    """Factors of normal values that make them Student's t with variance 1, while the normal ones drift; 1 without."""
    if not freedom:
        return np.ones(size)
    return np.asarray(np.sqrt((freedom - 2.0) / rng.chisquare(freedom, size)), dtype=np.float64)


def segments_misled(shape: Shape) -> tuple[slice, slice]:
    """Which segments texts mean nothing to, and which what is common to all means the opposite to: the last ones."""
    silent, contrary = round(shape.silent * shape.segments), round(shape.contrary * shape.segments)
    first = shape.segments - silent - contrary
    return slice(first, first + silent), slice(first + silent, shape.segments)


def _predicted(rng: np.random.Generator, shape: Shape, vectors: Floats, kinds: Indices) -> Floats:
    """The attractiveness that text and kind predict, float64[G, U], in units of its spread.

    Where texts mean nothing, it is that of other items.
    """

    def unit(values: Floats) -> Floats:
        return np.asarray((values - values.mean(axis=0)) / values.std(axis=0), dtype=np.float64)

    text, kind = np.sqrt(shape.text_share / 2.0), np.sqrt((1.0 - shape.text_share) * KIND)
    size, (silent, contrary) = vectors.shape[1], segments_misled(shape)
    common = np.repeat(text * unit(vectors @ rng.normal(size=(size, 1))), shape.segments, axis=1)
    common[:, contrary] *= -1.0
    of_kind = kind * unit(rng.normal(size=(KINDS, 1))[kinds])
    own = text * unit(vectors @ rng.normal(size=(size, shape.segments)))
    if silent.stop > silent.start:
        others = rng.permutation(len(vectors))
        common[:, silent], own[:, silent] = common[others, silent], own[others, silent]
    return np.asarray((common + of_kind + own).T, dtype=np.float64)
