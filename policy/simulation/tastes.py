"""A page whose visitors come again and have tastes, which nobody names: what learned segments are worth on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec.structs import replace as replaced
from scipy.special import expit, logit

from policy.arrays import Bools, Floats, Indices
from policy.segments.affinity import affinity_of
from policy.segments.fitting import MARGIN, ItemFacts, Published, fit_segments, likeliest_names
from policy.segments.points import whole
from policy.segments.rule import UNASSIGNED
from policy.segments.votes import Votes, votes_of
from policy.simulation.learned import Learned, Setup
from policy.simulation.race import batches
from policy.simulation.shop import HIGHEST, LOWEST, USUAL, Feedback, Shape, Shop
from schemas.messages.parameters import AffinityFit
from schemas.messages.segments import SegmentModel

NAMES = 12
"""So many names of segments are told apart in a race; who is in one given later counts as not assigned."""
MOST_SEGMENTS = 8
MIN_UNITS = 1_000
FIT_GROWTH = 1.3
"""Segments are fitted again when page views grew by this."""
REMEMBERED = 64
"""Items that are remembered of a visitor, the same ones included; the window is cut from them."""
DIMENSIONS = 3
NO_SALES = np.zeros((0, 4), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Tastes:
    """How visitors differ: standard deviations on the logit scale of what all agree on and of what is a taste's own.

    Where they are `continuous`, a taste is a point in a few dimensions, else all tastes are unrelated.  A visitor
    looks at `elsewhere` further items for each page view.  Of some visitors each page view is of a taste by chance
    (`shared` devices), and others look at and click on anything (`robots`).  `new` and `drift` are those of a `Shape`.
    """

    count: int = 4
    common: float = 0.5
    own: float = 0.9
    continuous: bool = False
    elsewhere: int = 1
    shared: float = 0.0
    robots: float = 0.0
    new: float = 0.0
    drift: float = 0.0


WORLDS: Mapping[str, Tastes] = {
    "strong": Tastes(),
    "weak": Tastes(common=0.6, own=0.15),
    "continuous": Tastes(count=64, own=0.9, continuous=True),
    "none": Tastes(count=1, common=0.6, own=0.0),
    "drift": Tastes(drift=0.02),
    "new_items": Tastes(new=0.05),
    "shared_devices": Tastes(shared=0.3),
    "robots": Tastes(robots=0.03),
}
SHAPE = Shape(text_share=0.0, size=1, sales=0.0)


@dataclass(slots=True)
class TasteShop(Shop):
    """A shop whose segments are tastes, and `units` visitors who have one of them each."""

    tastes: Tastes = field(default_factory=Tastes)
    units: int = 5_000
    taste_of: Indices = field(init=False)
    is_shared: Bools = field(init=False)
    is_robot: Bools = field(init=False)
    _points: Floats = field(init=False)
    _aside: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        (self._aside,) = self.world.spawn(1)
        self._points = self.world.normal(size=(self.tastes.count, DIMENSIONS)) / np.sqrt(DIMENSIONS)
        Shop.__post_init__(self)
        self.taste_of = self.world.integers(0, self.tastes.count, self.units)
        self.is_shared = self.world.random(self.units) < self.tastes.shared
        self.is_robot = self.world.random(self.units) < self.tastes.robots

    def _settle(self) -> None:
        """Work attractiveness out, float64[G, U]."""
        tastes, own = self.tastes, self._own
        differing = self._points @ own[:DIMENSIONS] if tastes.continuous else own[:-1]
        score = logit(USUAL) + tastes.common * own[-1] + tastes.own * differing
        self.attraction = np.asarray(np.clip(expit(score), LOWEST, HIGHEST), dtype=np.float64)

    def visit(self, views: int) -> tuple[Indices, Indices]:
        """Who comes: units, and the taste that each has this time."""
        units = self.visits.integers(0, self.units, views)
        anybody = self.visits.integers(0, self.tastes.count, views)
        return units, np.where(self.is_shared[units], anybody, self.taste_of[units])

    def show(self, slates: Indices, segments: Indices, units: Indices, tastes: Indices) -> Feedback:
        """Page views of these units, each with one of its segment's slates [K, V, S] by chance."""
        variants = self.visits.integers(0, slates.shape[1], len(units))
        rows = slates[segments, variants]
        attraction = np.where(self.is_robot[units][:, None], HIGHEST, self.attraction[tastes[:, None], rows])
        clicked = self.visitors.clicks(self.visits, attraction, self.kinds[rows])
        before, self.views = self.day, self.views + len(units)
        for _ in range(self.day - before):
            self._pass_a_day()
        return Feedback(segments, variants, rows, clicked, NO_SALES)

    def look_elsewhere(self, units: Indices, tastes: Indices) -> Iterator[tuple[int, int]]:
        """Units and the rows of items that they look at elsewhere: the likelier, the more attractive.

        Chances of its own decide: what happens on the page is the same whether or not anybody asks.
        """
        for _ in range(self.tastes.elsewhere):
            weights = np.cumsum(self.attraction[:, self._active], axis=1)
            drawn = self._aside.random(len(units))
            for unit, taste, at in zip(units.tolist(), tastes.tolist(), drawn.tolist(), strict=True):
                own = weights[taste]
                place = int(at * len(own)) if self.is_robot[unit] else int(np.searchsorted(own, at * own[-1]))
                yield unit, int(self._active[min(place, len(own) - 1)])

    def losses(self, slates: Indices) -> Floats:
        """Expected clicks that a page view loses, by segment of slates [K, V, S] and taste, float64[K, G]."""
        groups = self.tastes.count
        by_taste = [self.regret(np.broadcast_to(own, (groups, *own.shape))) for own in slates]
        return np.stack(by_taste)


@dataclass(slots=True)
class Visitors:
    """What visitors looked at, the segments that were learned from it, and in which of them each is.

    `true_model` has the segments of a learner that is told the tastes, and never learns any.
    """

    units: int
    seed: int
    true_model: Published | None = None
    published: Published | None = None
    looked_at: list[list[str]] = field(init=False)
    names: list[str] = field(init=False)
    _fitted_at: float = 0.0

    def __post_init__(self) -> None:
        self.looked_at = [[] for _ in range(self.units)]
        self.names = [UNASSIGNED] * self.units

    def numbers(self) -> Indices:
        """The number of each unit's segment, int[N]; 0 for those who are not assigned."""
        numbers = np.array([int(name[1:]) for name in self.names], dtype=np.intp)
        return np.where(numbers <= NAMES, numbers, 0)

    def affinity(self) -> AffinityFit | None:
        """What the model says of items, by the numbers of its segments."""
        if self.published is None:
            return None
        model, points = self.published
        fit = affinity_of(model, points, points)
        return fit and replaced(fit, names=[f"s{int(name[1:])}" for name in model.names])

    def see(self, looked_at: Iterator[tuple[int, str]]) -> None:
        """Remember what was looked at."""
        for unit, item in looked_at:
            items = self.looked_at[unit]
            items.append(item)
            if len(items) > REMEMBERED:
                del items[: REMEMBERED // 2]

    def learn(self, views: int, now_ms: int) -> None:
        """Fit the segments when enough came since they were, and assign everybody anew."""
        votes = votes_of(self.looked_at)
        if self.true_model is not None:
            self.published = self.true_model
        elif views >= FIT_GROWTH * self._fitted_at and int((np.diff(votes.starts) >= 2).sum()) >= MIN_UNITS:
            rng = np.random.default_rng([self.seed, views])
            self.published = fit_segments(_there(votes), ItemFacts(), self.published, MOST_SEGMENTS, now_ms, rng)
            self._fitted_at = views
        if self.published is not None:
            self.names = likeliest_names(self.published, votes, self.names)


def _there(votes: Votes) -> Votes:
    """The votes of those who looked at anything."""
    return votes.some(np.flatnonzero(np.diff(votes.starts) > 0))


def true_segments(shop: TasteShop) -> Published:
    """A segment for each taste, with the points that how attractive the items are to it makes true."""
    chances = shop.attraction / shop.attraction.sum(axis=1, keepdims=True)
    points = whole(np.log(chances / chances.mean(axis=0))).T.tolist()
    names = [f"t{number:02d}" for number in range(1, len(chances) + 1)]
    model = SegmentModel(1, 1, 0, names, [0] * len(names), 0, margin=MARGIN)
    return Published(model, {item.item: own for item, own in zip(shop.items, points, strict=True)})


def open_tastes(tastes: Tastes, units: int, seed: int, views: int) -> TasteShop:
    """The shop of a seed: the same for all learners."""
    world, visits = np.random.default_rng(seed).spawn(2)
    shape = replace(SHAPE, segments=max(tastes.count, DIMENSIONS), new=tastes.new, drift=tastes.drift)
    return TasteShop(shape, world, visits, days=views // shape.views_per_day + 1, tastes=tastes, units=units)


def race_tastes(
    shop: TasteShop, setup: Setup, checkpoints: Sequence[int], segmented: bool, seed: int = 0, informed: bool = False
) -> list[float]:
    """Clicks lost up to each checkpoint, in page views, by people; with learned segments, or with one for all.

    Who is `informed` is told the tastes, and not who has which.
    """
    learner = Learned(replace(shop.shape, segments=1 + NAMES if segmented else 1), setup)
    visitors = Visitors(shop.units, seed, true_segments(shop) if informed else None)
    lost, losses = 0.0, []
    for size in batches(checkpoints[-1], shop.shape.views_per_day, checkpoints):
        slates = learner.slates(shop.offer())
        units, tastes = shop.visit(size)
        segments = visitors.numbers()[units] if segmented else np.zeros(size, dtype=np.intp)
        lost += float((shop.losses(slates)[segments, tastes] * ~shop.is_robot[units]).sum())
        feedback = shop.show(slates, segments, units, tastes)
        learner.observe(feedback)
        if segmented:
            visitors.see(_seen(shop, feedback, units, tastes))
            visitors.learn(shop.views, shop.now_ms)
            learner.affinity = visitors.affinity()
        if shop.views in checkpoints:
            losses.append(lost)
    return losses


def _seen(shop: TasteShop, feedback: Feedback, units: Indices, tastes: Indices) -> Iterator[tuple[int, str]]:
    """What units looked at in these page views: what they clicked, and what they looked at elsewhere."""
    at, slot = np.nonzero(feedback.clicked)
    for unit, row in zip(units[at].tolist(), feedback.slates[at, slot].tolist(), strict=True):
        yield unit, shop.items[row].item
    for unit, row in shop.look_elsewhere(units, tastes):
        yield unit, shop.items[row].item
