"""The policy that the layout producer runs, as a learner in a race: the same fit, priors and slates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from policy import defaults
from policy.arrays import Codes, Floats, Indices
from policy.hashes import arm_hashes
from policy.model.examination import examination
from policy.model.features import describe
from policy.model.fitting import Described, PageCounts, fit_page
from policy.model.posteriors import Beta, DayCounts, Prior, Remembered
from policy.model.priors import arm_priors, fitted, rates_of
from policy.model.visits.cells import PageViews
from policy.model.visits.choice import VisitHistory
from policy.model.visits.lowering import Lowering, kinds_of, lowering_of
from policy.simulation.days import Days
from policy.simulation.shop import Feedback, Offer, Shape
from policy.slates.alike import Alike
from policy.slates.composition import Statistics, compose
from policy.slates.renewal import gain, is_enough
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PolicyChoice
from schemas.messages.parameters import AffinityFit, PolicyParameters
from schemas.topics import DAY_MS

PAGE = "home"
SAMPLE = 20_000
"""Page views that what is above a slot is fitted to: the newest."""
SAMPLE_GROWTH = 0.2
"""By which share of these page views come until that is fitted again."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What of the settings of rules, layouts and fitter matters to the regret; without `text` no text is looked at.

    `fit_views` page views pass between fits at least, and `fit_share` of those before; 0 fits before each layout.
    A segment's slates are composed when its counts grew by `growth_share`, and shown when they gain more than
    `change_threshold`.  Without `visits` slots are taken not to bear on each other.
    """

    choice: PolicyChoice = field(default_factory=lambda: PolicyChoice(exploration=defaults.EXPLORATION))
    click_rate: float = defaults.CLICK_RATE
    strength: float = defaults.STRENGTH
    half_life_days: float = defaults.HALF_LIFE_MS / DAY_MS
    drift: float = defaults.DRIFT
    fit_views: int = 0
    fit_share: float = 0.0
    growth_share: float = 0.0
    change_threshold: float = 0.0
    text: bool = True
    pictures: bool = True
    fitted: bool = True
    visits: bool = True


class _Shown(NamedTuple):
    """A segment's slates of a day, as numbers of the offer's items, and the counts that it was composed from last."""

    day: int
    amounts: Sequence[float]
    slates: Codes


@dataclass(slots=True)
class Learned:
    """Counts by day, the parameters fitted to them, and the slates of all segments."""

    shape: Shape
    setup: Setup
    segments: list[str] = field(init=False)
    slots: list[str] = field(init=False)
    parameters: PolicyParameters | None = field(init=False, default=None)
    affinity: AffinityFit | None = field(init=False, default=None)
    composed: int = field(init=False, default=0)
    _days: Days = field(init=False)
    _catalog: list[CatalogItem] = field(init=False, default_factory=list)
    _vectors: Floats = field(init=False)
    _pictures: Floats | None = field(init=False, default=None)
    _day: int = field(init=False, default=0)
    _since_fit: int = field(init=False, default=0)
    _seen: int = field(init=False, default=0)
    _shown: dict[str, _Shown] = field(init=False, default_factory=dict)
    _views: list[Feedback] = field(init=False, default_factory=list)
    _history: VisitHistory = field(init=False, default_factory=VisitHistory)
    _visits_at: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.segments = [f"s{segment}" for segment in range(self.shape.segments)]
        self.slots = [f"p{slot}" for slot in range(self.shape.slots)]
        self._vectors = np.zeros((0, self.shape.size))
        self._days = Days(self.shape, self.setup.half_life_days)

    def observe(self, feedback: Feedback) -> None:
        """Add impressions and clicks to the day's."""
        self._days.add(feedback, self._day)
        self._since_fit += len(feedback.segments)
        self._seen += len(feedback.segments)
        self._views.append(feedback)
        while sum(len(views.segments) for views in self._views[1:]) >= SAMPLE:
            del self._views[0]

    def slates(self, offer: Offer) -> NDArray[np.intp]:
        """See `Learner`."""
        self._meet(offer)
        counts = self._days.total()
        if self.setup.fitted and self._since_fit > max(self.setup.fit_views, self.setup.fit_share * self._seen):
            self._fit(counts, offer.now_ms)
        amounts = counts.sum(axis=(2, 3)).T.tolist()
        due = [at for at, segment in enumerate(self.segments) if self._is_due(segment, amounts[at], offer.day)]
        for at, statistics in zip(due, self._statistics(offer, counts, due), strict=True):
            self._compose(self.segments[at], statistics, amounts[at], offer.day)
        return offer.rows[np.stack([self._shown[segment].slates for segment in self.segments])]

    def _is_due(self, segment: str, amounts: Sequence[float], day: int) -> bool:
        shown = self._shown.get(segment)
        if shown is None or shown.day != day or not self.setup.growth_share:
            return True
        growth = [now - then for now, then in zip(amounts, shown.amounts, strict=True)]
        return is_enough(growth, shown.amounts, self.setup.growth_share)

    def _compose(self, segment: str, statistics: Statistics, amounts: Sequence[float], day: int) -> None:
        """What the producer does with a key that is due; on a new day slates are shown whatever they gain."""
        value = compose(statistics, self.setup.choice, PAGE, segment, day).value
        self.composed += 1
        before, threshold = self._shown.get(segment), self.setup.change_threshold
        stays = before is not None and before.day == day and threshold and gain([value], [before.slates]) <= threshold
        self._shown[segment] = _Shown(day, amounts, before.slates if before and stays else value.slates)

    def beliefs(self, offer: Offer) -> list[Beta]:
        """What is known of each arm's attractiveness, by segment."""
        return [statistics.posterior() for statistics in self.statistics(offer)]

    def statistics(self, offer: Offer) -> list[Statistics]:
        """What slates are made from, by segment."""
        self._meet(offer)
        return self._statistics(offer, self._days.total(), range(len(self.segments)))

    def shown(self, offer: Offer) -> Floats:
        """How often each arm was shown, float64[G, A], weighted by age."""
        self._meet(offer)
        return np.asarray(self._days.total()[0][:, offer.rows].sum(axis=2))

    def _priors(self, offer: Offer, counts: Floats) -> list[tuple[Prior, Remembered | None]]:
        """By segment, with what is remembered of the counts [2, G, U, S] where rates are known to move."""
        parameters = self.parameters
        if parameters is None:
            return [(Prior(self.setup.click_rate, self.setup.strength), None)] * len(self.segments)
        names = [item.item for item in offer.items]
        labels = sorted({*parameters.weights}.union(*(fit.weights for fit in parameters.segments.values())))
        features, _ = describe(offer.items, parameters.fitted_at, labels, parameters.scales)
        vectors = offer.vectors if self.setup.text else None, offer.pictures if self.setup.pictures else None
        arms = [fitted(parameters, segment, names, features, *vectors) for segment in self.segments]
        own = self._remembered(counts, offer.rows, np.stack([rates_of(parameters, each) for each in arms]))
        of_segments = [Remembered(*counted) for counted in zip(*own, strict=True)]
        return [
            (
                arm_priors(parameters, segment, each, counted.clicks, counted.examined).prior,
                counted if self.setup.drift else None,
            )
            for segment, each, counted in zip(self.segments, arms, of_segments, strict=True)
        ]

    def _remembered(self, counts: Floats, rows: Indices, rates: Floats) -> Remembered:
        """Looks and clicks [G, A] of some rows, of all counts [2, G, U, S]."""
        looks = counts[0][:, rows] @ self._examination()
        if (days := self._by_day(rows)) is None:
            return Remembered(looks, counts[1][:, rows].sum(axis=2))
        return days.remembered(looks, self._examination(), rates, self.setup.drift)

    def _by_day(self, rows: Indices, segments: Indices | slice = slice(None)) -> DayCounts | None:
        """The counts of some rows and segments; None where none of them are forgotten."""
        return self._days.of(rows, segments) if self.setup.drift and len(self._days) > 1 else None

    def _statistics(self, offer: Offer, counts: Floats, segments: Sequence[int]) -> list[Statistics]:
        """Those of some segments, from counts [2, G, U, S]."""
        if not segments:
            return []
        counts = self._lowered(counts)
        priors = self._priors(offer, counts)
        names, nothing = [item.item for item in offer.items], np.zeros((len(offer.items), self.shape.slots))
        lowering = self._lowering(offer.rows)
        hashes = arm_hashes(names)
        return [
            Statistics(
                items=names,
                slots=self.slots,
                hashes=hashes,
                impressions=counts[0, at, offer.rows],
                clicks=counts[1, at, offer.rows],
                holdout_impressions=nothing,
                holdout_clicks=nothing,
                holdout_conversions=nothing[:, 0],
                examination=self._examination(),
                prior=priors[at][0],
                base=Prior(self.setup.click_rate, self.setup.strength),
                remembered=priors[at][1],
                alike=Alike.of(lowering),
            )
            for at in segments
        ]

    def _examination(self) -> Floats:
        return examination(self.slots, self.parameters.examination if self.parameters else {})

    def _fit(self, counts: Floats, now_ms: int) -> None:
        """As the fitter does it: from all items that were ever shown, and segments that came."""
        grown = self._seen - self._visits_at
        if self.setup.visits and grown >= SAMPLE_GROWTH * min(self._seen, SAMPLE):
            self._fit_visits()
        counts = self._lowered(counts)
        active, present = (np.flatnonzero(counts[0].any(axis=axes)) for axes in ((0, 2), (1, 2)))
        features, scales = describe([self._catalog[row] for row in active.tolist()], now_ms)
        vectors = self._vectors[active] if self.setup.text else None
        table = PageCounts(
            [self.segments[at] for at in present.tolist()],
            [self._catalog[row].item for row in active.tolist()],
            self.slots,
            impressions=counts[0, present][:, active],
            clicks=counts[1, present][:, active],
            by_day=self._by_day(active, present),
        )
        pictures = self._pictures[active] if self.setup.pictures and self._pictures is not None else None
        described = Described(
            features, scales, vectors, "text" if self.setup.text else "", pictures, affinity=self.affinity
        )
        base = self.setup.click_rate, self.setup.strength
        fitted = fit_page(PAGE, table, described, now_ms, base, drift=self.setup.drift)
        self.parameters = msgspec.structs.replace(fitted, visits=self._history.latest or msgspec.UNSET)
        self._since_fit = 0

    def _fit_visits(self) -> None:
        """To the newest page views, of which each is another visitor's."""
        segments, _, slates, clicked, _ = (np.concatenate(parts) for parts in zip(*self._views, strict=True))
        layouts = np.repeat(np.arange(len(self._views)), [len(views.segments) for views in self._views])
        strata = layouts * self.shape.segments + segments
        views = PageViews(
            pairs=strata[:, None] * len(self._catalog) + slates,
            kinds=self._kinds()[slates],
            seen=np.ones(slates.shape, dtype=np.bool_),
            clicked=clicked,
        )
        self._history.add(self._seen, views, np.arange(len(slates)) % 2 == 0)
        self._visits_at = self._seen

    def _kinds(self) -> Codes:
        return kinds_of([item.category for item in self._catalog])

    def _lowering(self, rows: Indices | slice = slice(None)) -> Lowering | None:
        """What holds for these rows of the catalog."""
        return lowering_of(self._history.latest, self._kinds()[rows])

    def _lowered(self, counts: Floats) -> Floats:
        """Counts [2, G, U, S] whose impressions are as if nothing had been above them that matters."""
        lowering = self._lowering()
        return counts if lowering is None else np.stack([lowering.lower(*counts), counts[1]])

    def _meet(self, offer: Offer) -> None:
        """Remember what the catalog says of items; their rows only ever grow."""
        self._day = offer.day
        for at, (row, item) in enumerate(zip(offer.rows.tolist(), offer.items, strict=True)):
            if row == len(self._catalog):
                self._catalog.append(item)
                self._vectors = np.concatenate([self._vectors, offer.vectors[at, None]])
                if offer.pictures is not None:
                    before = offer.pictures[:0] if self._pictures is None else self._pictures
                    self._pictures = np.concatenate([before, offer.pictures[at, None]])
        self._days.widen(len(self._catalog))
