"""Whether the interval of a rule's price holds what the rule truly costs: random rules in simulated shops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.special import betaincinv

from bench.random_rules import random_rule
from policy.model.priors import interest_variance
from policy.prices.earnings import Draws, Interval, Knowledge, interval_of
from policy.prices.places import Slate, places_of
from policy.rules.compiled import compile_rules
from policy.rules.matching import Arms
from policy.simulation.learned import PAGE, Learned, Setup
from policy.simulation.race import opened, race
from policy.simulation.shop import Offer, Shop
from policy.simulation.shops import SHOPS
from policy.slates.composition import Statistics, compose
from schemas.messages.pages import PageRules
from schemas.rules import Rule, kind_in_words

EPOCHS = range(4)
OF_A_SHOP = 5
"""Rules that are priced in each shop."""


@dataclass(frozen=True, slots=True)
class RulesPlan:
    """How many rules are priced, in shops of which kind, or on a `page` with shelves, after how many page views.

    Rules are of these `kinds` for items alone (`bench.random_rules.KINDS`); without, of all, and on pages for shelves.
    """

    rules: int = 200
    seed: int = 1
    shop: str = "ours"
    page: str = ""
    kinds: tuple[str, ...] = ()
    views: int = 10_000
    segments: int = 4
    items: int = 100
    views_per_day: int = 10_000


class Priced(NamedTuple):
    """A rule's kind, its price and its true cost, in clicks per page view as shares of what the page brings."""

    kind: str
    price: Interval
    truth: float

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth."""
        return self.price.low <= self.truth <= self.price.high


def prices(plan: RulesPlan, advance: Callable[[], None] = lambda: None) -> list[Priced]:
    """Price random rules; those that change nothing are drawn again."""
    return prices_in(_Shopped, plan, advance)


class PricedWorld(Protocol):
    """A simulated shop or page in which our policy has learned for a while."""

    def prices(self, count: int) -> Iterator[Priced]:
        """So many rules that change something."""
        ...


def prices_in(
    learned: Callable[[RulesPlan, int], PricedWorld], plan: RulesPlan, advance: Callable[[], None]
) -> list[Priced]:
    """Price some rules in each of as many places as it takes; `learned` gives that of a seed."""
    rows: list[Priced] = []
    for number in range(plan.rules):
        place = learned(plan, plan.seed * 10_000 + number)
        for price in place.prices(min(OF_A_SHOP, plan.rules - len(rows))):
            rows.append(price)
            advance()
        if len(rows) >= plan.rules:
            break
    return rows


def summary(rows: Sequence[Priced]) -> dict[str, Any]:
    """Coverage of all rules and by kind; the root mean square error, mean width and bias of prices."""
    kinds = Counter(row.kind for row in rows)
    errors = np.array([row.price.mean - row.truth for row in rows])
    return {
        "rules": len(rows),
        "coverage": _covered(rows),
        "interval": _interval(rows),
        "error": float(np.sqrt(np.mean(np.square(errors)))),
        "bias": float(errors.mean()),
        "width": float(np.mean([row.price.high - row.price.low for row in rows])),
        "kinds": {
            kind: {
                "rules": kinds[kind],
                "coverage": _covered(those := [row for row in rows if row.kind == kind]),
                "interval": _interval(those),
                "cost": float(np.mean([row.truth for row in those])),
                "price": float(np.mean([row.price.mean for row in those])),
            }
            for kind in sorted(kinds)
        },
    }


def _covered(rows: Sequence[Priced]) -> float:
    return float(np.mean([row.covered for row in rows]))


def _interval(rows: Sequence[Priced]) -> tuple[float, float]:
    """The 95 % interval of coverage, were rules independent (Clopper and Pearson 1934)."""
    covered = sum(row.covered for row in rows)
    missed = len(rows) - covered
    low = float(betaincinv(covered, missed + 1, 0.025)) if covered else 0.0
    return low, float(betaincinv(covered + 1, missed, 0.975)) if missed else 1.0


class _Shopped:
    """A shop in which our policy has learned for a while."""

    def __init__(self, plan: RulesPlan, seed: int) -> None:
        shape = replace(SHOPS[plan.shop], segments=plan.segments, items=plan.items, views_per_day=plan.views_per_day)
        self._random, self._kinds = np.random.default_rng(seed), plan.kinds
        self._shop = opened(shape, seed, plan.views)
        self._learner = Learned(shape, Setup(fit_share=0.1, fit_views=500))
        race(self._shop, self._learner, [plan.views])
        self._offer = self._shop.offer()
        self._statistics = self._learner.statistics(self._offer)

    def prices(self, count: int) -> Iterator[Priced]:
        """So many rules that change something."""
        while count:
            at = int(self._random.integers(len(self._statistics)))
            rule = random_rule(self._random, self._learner.slots, self._offer, self._kinds)
            if price := self._price(rule, at):
                yield price
                count -= 1

    def _price(self, rule: Rule, at: int) -> Priced | None:
        statistics, segment = self._statistics[at], self._learner.segments[at]
        without, under = (self._slates(statistics, segment, rules) for rules in ((), (rule,)))
        if without == under:
            return None
        parameters = self._learner.parameters
        variance = interest_variance(parameters, segment) if parameters else 0.0
        categories = [item.category for item in self._offer.items]
        clicks = np.sum([each.clicks.sum(axis=0) for each in self._statistics], axis=0)
        draws = Draws(Knowledge(PAGE, segment, statistics, categories, variance, clicks))
        before, after = (draws.earnings(places_of(slates)).clicks for slates in (without, under))
        truth, now = true_clicks(self._shop, self._offer, at, under), true_clicks(self._shop, self._offer, at, without)
        price = interval_of((after - before) / now)
        return Priced(kind_in_words(rule), price, truth / now - 1.0)

    def _slates(self, statistics: Statistics, segment: str, rules: Sequence[Rule]) -> list[tuple[Slate, float]]:
        page = PageRules(PAGE, 0, list(statistics.slots), rules=list(rules))
        catalog = {item.item: item for item in self._offer.items}
        arms = Arms.by_hash(statistics.items, statistics.hashes, catalog, self._offer.now_ms)
        bound = compile_rules(page, arms, segment).auctioned(lambda: statistics.posterior().mean)
        choice = self._learner.setup.choice
        slates = [
            slate for epoch in EPOCHS for slate in compose(statistics, choice, PAGE, segment, epoch, rules=bound).slates
        ]
        return [(slate, 1.0 / len(slates)) for slate in slates]


def true_clicks(shop: Shop, offer: Offer, segment: int, slates: Sequence[tuple[Slate, float]]) -> float:
    """Clicks per page view that slates truly bring, by how the shop's visitors look and click."""
    rows: Mapping[str, int] = {item.item: row for item, row in zip(offer.items, offer.rows.tolist(), strict=True)}
    shown = np.array([[rows[item] for item in slate.values()] for slate, _ in slates])
    clicks = shop.visitors.expected(shop.attraction[segment, shown], shop.kinds[shown])
    return float(clicks @ np.array([share for _, share in slates]))
