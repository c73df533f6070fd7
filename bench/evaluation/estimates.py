"""How often off-policy intervals hold what they should: simulated logs of our own layouts, whose truth is known.

A page is arranged by Thompson sampling with V variants, a holdout, and rules: a pin, a
cap by brand, a distance between categories, a boost, and a floor for new items.
Layouts are made anew from what visitors did, and visitors differ in taste and return.
A target policy is valued from that log.  Its true value is known, as it is the mean
over the log's layouts of what its slates earn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.texts import ladders
from policy.arrays import Floats, Ints
from policy.assignment import BINS
from policy.evaluation.decisions import EMPTY, Decisions, compare
from policy.evaluation.estimators import Estimate, Evidence
from policy.evaluation.ratio import Interval, Ratio
from policy.evaluation.reward_model import FOLDS, expected_reward, fold_of
from policy.model.examination import examination, fit_examination
from policy.model.posteriors import Prior
from policy.rules.compiled import CompiledRules, compile_rules
from policy.rules.matching import Arms
from policy.slates.composition import Statistics, compose
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules, PolicyChoice, PolicyName
from schemas.rules import Boost, Cap, Exposure, Match, Pin, Rule, Spacing

Reward = Literal["click", "revenue"]

DEFAULTS = ("position-based", "item-position", "doubly-robust")
"""The estimators that are offered first for pages."""
CLUSTERED = "cluster-corrected"
"""The estimator that goes by texts."""
HOLDOUT = 0.1
PRIOR = Prior(0.03, 60.0)
ACTIVITY = 0.7
"""Shape of the gamma distribution of how often visitors come: the smaller, the more they differ."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of each log."""

    items: int = 30
    slots: int = 6
    variants: int = 16
    exploration_slates: int = 0
    units: int = 3_000
    views: int = 12_000
    layouts: int = 6
    epochs: int = 2

    def policy(self, name: PolicyName = "thompson", exploration: float = 1.0) -> PolicyChoice:
        """A policy of this plan's layouts."""
        return PolicyChoice(name, self.variants, exploration, exploration_slates=self.exploration_slates)


class Target(NamedTuple):
    """A policy that is evaluated; `near` says whether it is near the one that is served."""

    policy: PolicyName
    exploration: float = 1.0
    near: bool = True


TARGETS = Target("thompson", 0.7), Target("thompson", 0.4), Target("greedy"), Target("uniform", near=False)


def rules(statistics: Statistics) -> CompiledRules:
    """The rules of the page, which hold for every policy on it."""
    catalog = {
        item: CatalogItem(item, item, brand=f"b{number % 6}", category=f"c{number % 5}")
        for number, item in enumerate(statistics.items)
    }
    declared: list[Rule] = [
        Boost(name="boost", match=Match(items=["i1"]), factor=1.2),
        Pin(name="pin", item="i0", slot="s1"),
        Cap(name="brand", by="brand", most=2),
        Spacing(name="category", by="category", distance=2),
        Exposure(name="new", match=Match(items=list(statistics.items[-3:])), least=0.1),
    ]
    page = PageRules("page", 1, list(statistics.slots), rules=declared)
    return compile_rules(page, Arms.by_hash(statistics.items, statistics.hashes, catalog, 0), "*")


class World(NamedTuple):
    """What is true of a page: attractiveness, conversion and price by item, examination by slot, and its visitors.

    Behind the items stands what an empty slot earns, which is nothing.  `ladders` has clusters of the
    items by texts that tell more or less of what is true.
    """

    attraction: Floats
    conversion: Floats
    price: Floats
    looked_at: Floats
    activity: Floats
    eagerness: Floats
    bins: Ints
    held: NDArray[np.bool_]
    ladders: Mapping[str, Ints]

    def worth(self, slates: Ints) -> Floats:
        """What slates [V, S] earn per page view on average, equally likely: clicks and revenue."""
        clicks = self.attraction[slates] * self.looked_at
        sales = clicks * self.conversion[slates] * self.price[slates]
        worth: Floats = np.stack([clicks.sum(axis=1), sales.sum(axis=1)]).mean(axis=1)
        return worth

    def true_value(self, slates: Ints) -> dict[Reward, float]:
        """The same by name."""
        clicks, revenue = self.worth(slates).tolist()
        return {"click": clicks, "revenue": revenue}


def world(random: np.random.Generator, plan: Plan) -> World:
    """A page drawn at random: click rates of 0.5 to 10 %, one in thirty clicks buys."""
    attraction = np.clip(random.beta(1.5, 40.0, plan.items), 0.005, 0.1)
    return World(
        attraction=np.append(attraction, 0.0),
        conversion=np.append(random.beta(3.0, 87.0, plan.items), 0.0),
        price=np.append(random.lognormal(8.0, 0.5, plan.items), 0.0),
        looked_at=np.power(1.0 + np.arange(plan.slots), -random.uniform(0.3, 0.8)),
        activity=random.gamma(ACTIVITY, 1.0, plan.units),
        eagerness=random.gamma(4.0, 0.25, plan.units),
        bins=random.integers(0, BINS, plan.units),
        held=random.random(plan.units) < HOLDOUT,
        ladders=ladders(random.spawn(1)[0], attraction),
    )


class Views(NamedTuple):
    """Page views of one layout: the visitor, the slate's row, the slate and what it earned."""

    unit: Ints
    row: Ints
    slates: Ints
    earned: dict[Reward, Floats]


class Part(NamedTuple):
    """The page views of one layout, and what each target would have shown."""

    views: Views
    served: Ints
    target_slates: list[Ints]
    statistics: Statistics


def show(random: np.random.Generator, world: World, units: Ints, rows: Ints, slates: Ints) -> Views:
    """Visitors look at slates, click and buy."""
    items = slates[rows]
    chance = world.attraction[items] * world.looked_at * world.eagerness[units][:, None]
    clicked = random.random(items.shape) < chance
    bought = clicked & (random.random(items.shape) < world.conversion[items])
    paid = bought * world.price[items] * random.lognormal(-0.125, 0.5, items.shape)
    return Views(units, rows, items, {"click": clicked.astype(np.float64), "revenue": paid})


def simulated(random: np.random.Generator, world: World, plan: Plan, targets: Sequence[Target]) -> Iterator[Part]:
    """The log, layout by layout; each is made from what the ones before it have taught."""
    items, slots = [f"i{number}" for number in range(plan.items)], [f"s{number}" for number in range(plan.slots)]
    statistics = Statistics.empty(items, slots, examination(slots, {}), PRIOR)
    drawn = random.random((plan.epochs, plan.units))
    often = world.activity / world.activity.sum()
    seed = str(random.integers(2**31))
    bound = rules(statistics)
    for number in range(plan.layouts):
        epoch = number * plan.epochs // plan.layouts
        composition = compose(statistics, plan.policy(), seed, "*", epoch, rules=bound)
        served = coded([*composition.slates, composition.baseline], plan)
        units = random.choice(plan.units, plan.views // plan.layouts, p=often)
        variants = (drawn[epoch][units] * (len(served) - 1)).astype(np.int64)
        rows = np.where(world.held[units], len(served) - 1, variants)
        target_slates = []
        for target in targets:
            choice = plan.policy(target.policy, target.exploration)
            other = compose(statistics, choice, seed, "*", epoch, rules=bound)
            target_slates.append(coded(other.slates[: plan.variants], plan))
        part = Part(show(random, world, units, rows, served), served, target_slates, statistics)
        yield part
        statistics = learned(statistics, part.views, world.held)


def coded(slates: Sequence[dict[str, str]], plan: Plan) -> Ints:
    """Int64[V, S], -1 for an empty slot."""
    rows = [[int(slate[f"s{at}"][1:]) if f"s{at}" in slate else EMPTY for at in range(plan.slots)] for slate in slates]
    return np.array(rows, dtype=np.int64)


def learned(statistics: Statistics, views: Views, held: NDArray[np.bool_]) -> Statistics:
    """What the layout producer knows after these page views."""

    def counts(side: NDArray[np.bool_], values: Floats) -> Ints:
        sums = np.zeros((len(statistics.items) + 1, len(statistics.slots)), dtype=np.int64)
        np.add.at(sums, (views.slates[side], np.arange(len(statistics.slots))), values[side].astype(np.int64))
        return sums[:-1]

    side, clicked = held[views.unit], views.earned["click"]
    ones = np.ones_like(clicked)
    return replace(
        statistics,
        impressions=statistics.impressions + counts(~side, ones),
        clicks=statistics.clicks + counts(~side, clicked),
        holdout_impressions=statistics.holdout_impressions + counts(side, ones),
        holdout_clicks=statistics.holdout_clicks + counts(side, clicked),
    )


class Valued(NamedTuple):
    """One target on one log: its true value, the estimates, and the interval of a log of its own.

    Estimates are by estimator and by texts, which are "" where none are used.
    """

    truth: float
    estimates: dict[tuple[str, str], Estimate]
    on_policy: Interval


def value(
    random: np.random.Generator, world: World, parts: Sequence[Part], target: int, reward: Reward, plan: Plan
) -> Valued:
    """The estimates of the default estimators for a target, and of that by texts, with the truth."""
    model = _model(world, parts, reward, plan)
    plain = [_decisions(world, part, target, reward, model) for part in parts]
    estimates = {(name, ""): _estimate(name, plain) for name in DEFAULTS}
    for texts, ladder in world.ladders.items():
        decisions = [_decisions(world, part, target, reward, model, ladder) for part in parts]
        estimates[CLUSTERED, texts] = _estimate(CLUSTERED, decisions)
    truth = float(np.mean([world.true_value(part.target_slates[target])[reward] for part in parts]))
    return Valued(truth, estimates, _on_policy(random, world, parts, target, reward))


def _estimate(estimator: str, decisions: Sequence[Decisions]) -> Estimate:
    evidence = [Evidence.of(estimator, some) for some in decisions]
    return sum(evidence[1:], evidence[0]).estimate()


class Model(NamedTuple):
    """What the evaluator fits to a log: examination [S], and expected rewards [K, A, S]."""

    curve: Floats
    expected: Floats


def _model(world: World, parts: Sequence[Part], reward: Reward, plan: Plan) -> Model:
    sums = np.zeros((3, FOLDS, plan.items + 1, plan.slots))
    for part in parts:
        place = fold_of(world.bins[part.views.unit])[:, None], part.views.slates, np.arange(plan.slots)
        earned = part.views.earned
        for total, values in zip(sums, (np.ones_like(earned[reward]), earned["click"], earned[reward]), strict=True):
            np.add.at(total, place, values)
    impressions, clicks = sums[:2, :, :-1].sum(axis=1)
    curve = fit_examination(impressions, clicks, parts[0].statistics.examination)
    expected = expected_reward(sums[0], sums[2], curve)
    expected[:, EMPTY] = 0.0
    return Model(curve, expected)


def _decisions(
    world: World, part: Part, target: int, reward: Reward, model: Model, ladder: Ints | None = None
) -> Decisions:
    served, target_slates, views = part.served, part.target_slates[target], part.views
    variants = len(served) - 1
    chance = np.array([(1.0 - HOLDOUT) / variants] * variants + [HOLDOUT])
    even = np.full(len(target_slates), 1.0 / len(target_slates))
    chances = compare(served, chance, target_slates, even, model.curve, ladder=ladder).at(views.row)
    bins = world.bins[views.unit]
    folds, places = fold_of(bins), np.arange(served.shape[1])
    expected = model.expected[folds[:, None], views.slates, places]
    return Decisions(
        bins, views.earned[reward], chances, expected, model.expected[:, target_slates, places].mean(axis=1)[folds]
    )


def _on_policy(
    random: np.random.Generator, world: World, parts: Sequence[Part], target: int, reward: Reward
) -> Interval:
    """The interval of as many page views that the target had served itself."""
    total = Ratio.empty()
    for part in parts:
        units = part.views.unit
        rows = random.integers(0, len(part.target_slates[target]), len(units))
        earned = show(random, world, units, rows, part.target_slates[target]).earned[reward].sum(axis=1)
        total += Ratio.of(world.bins[units], earned, np.ones(len(units)), np.ones(len(units)))
    return total.interval()
