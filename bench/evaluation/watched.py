"""Whether the intervals of an evaluation that is always looked at hold: simulated logs in which nothing is to be gained.

A page's items come in families whose members earn alike, so a target that shows other
members than the policy that is served is worth exactly as much, whatever the log has taught.  Layouts
are made anew from clicks, visitors differ in taste and return, and a holdout sees a worse baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Ints
from policy.assignment import BINS
from policy.evaluation.decisions import Comparison, Decisions, compare
from policy.evaluation.estimators import ESTIMATORS, Evidence
from policy.evaluation.ratio import Ratio
from policy.evaluation.reward_model import FOLDS, expected_reward, fold_of
from policy.model.examination import examination, fit_examination

REWARDS = ("click", "revenue")
WATCHED = ("position-based", "item-position", "doubly-robust", "interaction", "ips", "snips")
"""What is right on these logs; `clipped` is `ips` where no weight reaches 10, and `direct` has no bounds."""
KINDS = ("value", "gain")
HOLDOUT = 0.1
FRESH_CLICKS, FRESH_VIEWS = 1.0, 30.0
"""Counts that a family starts with."""


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
        return self.families * self.members


class Shop(NamedTuple):
    """What is true: by family attractiveness, conversion and price [A]; looks by slot [S]; and the visitors [U]."""

    attraction: Floats
    conversion: Floats
    price: Floats
    looked_at: Floats
    activity: Floats
    eagerness: Floats
    bins: Ints
    held: NDArray[np.bool_]


def shop(random: np.random.Generator, plan: WatchedPlan) -> Shop:
    """A page drawn at random: click rates of 0.5 to 15 %, one in eight clicks buys."""
    activity = random.gamma(0.7, 1.0, plan.units)
    return Shop(
        attraction=np.clip(random.beta(1.5, 28.0, plan.families), 0.005, 0.15),
        conversion=random.beta(4.0, 28.0, plan.families),
        price=random.lognormal(8.0, 0.5, plan.families),
        looked_at=np.power(1.0 + np.arange(plan.slots), -random.uniform(0.3, 1.2)),
        activity=activity / activity.sum(),
        eagerness=random.gamma(4.0, 0.25, plan.units),
        bins=random.integers(0, BINS, plan.units),
        held=random.random(plan.units) < HOLDOUT,
    )


@dataclass(frozen=True, slots=True)
class Log:
    """All page views of a run: bins [N], holdout [N], items [N, S], rewards [N, S], and slates by layout.

    `comparisons` are asked with a curve; `truth` [N] is what the target earns per page view on average.
    """

    bins: Ints
    held: NDArray[np.bool_]
    items: Ints
    rewards: Mapping[str, Floats]
    truth: Mapping[str, Floats]
    rows: Ints
    served: list[Ints]
    targets: list[Ints]


def simulated(random: np.random.Generator, plan: WatchedPlan) -> Log:
    """A log, layout by layout; each is made from the clicks before it."""
    page, size = shop(random, plan), plan.views // plan.layouts
    clicks, views = np.full(plan.families, FRESH_CLICKS), np.full(plan.families, FRESH_VIEWS)
    parts: dict[str, list[Any]] = {name: [] for name in ("units", "rows", "items", "served", "targets", *REWARDS)}
    truth: dict[str, list[Floats]] = {reward: [] for reward in REWARDS}
    for _ in range(plan.layouts):
        served, target = layout(random, plan, random.beta(clicks, views, (plan.slates, plan.families)))
        units = random.choice(plan.units, size, p=page.activity)
        variant = (random.random(plan.units)[units] * (len(served) - 1)).astype(np.int64)
        rows = np.where(page.held[units], len(served) - 1, variant)
        items = served[rows]
        family = items // plan.members
        chance = page.attraction[family] * page.looked_at * page.eagerness[units][:, None]
        clicked = random.random(items.shape) < chance
        paid = clicked * (random.random(items.shape) < page.conversion[family]) * page.price[family]
        for name, part in (("units", units), ("rows", rows), ("items", items), ("served", served), ("targets", target)):
            parts[name].append(part)
        parts["click"].append(clicked.astype(np.float64))
        parts["revenue"].append(paid * random.lognormal(-0.125, 0.5, items.shape))
        rates = page.attraction[target // plan.members] * page.looked_at
        sales = rates * (page.conversion * page.price)[target // plan.members]
        for reward, worth in (("click", rates), ("revenue", sales)):
            truth[reward].append(np.full(size, worth.sum(axis=1).mean()))
        clicks += np.bincount(family.ravel(), clicked.ravel(), plan.families)
        views += np.bincount(family.ravel(), np.broadcast_to(page.looked_at, items.shape).ravel(), plan.families)
    units = np.concatenate(parts["units"])
    starts = np.cumsum([0, *(len(served) for served in parts["served"][:-1])])
    return Log(
        page.bins[units],
        page.held[units],
        np.concatenate(parts["items"]),
        {reward: np.concatenate(parts[reward]) for reward in REWARDS},
        {reward: np.concatenate(truth[reward]) for reward in REWARDS},
        np.concatenate([rows + start for rows, start in zip(parts["rows"], starts, strict=True)]),
        parts["served"],
        parts["targets"],
    )


def layout(random: np.random.Generator, plan: WatchedPlan, drawn: Floats) -> tuple[Ints, Ints]:
    """Slates [V * M + 1, S] with the baseline last, and those of the target [V, S].

    Each slate of families is shown with every member of them, and the target shows one of these.
    """
    best = np.argsort(-drawn, axis=1)[:, : plan.slots]
    first = random.integers(0, plan.members, best.shape)
    served = np.concatenate([best * plan.members + (first + turn) % plan.members for turn in range(plan.members)])
    baseline = np.arange(plan.slots) * plan.members
    return np.concatenate([served, baseline[None]]), best * plan.members + first


class Pair(NamedTuple):
    """An interval for one look and the one for all looks, low and high each."""

    one: tuple[float, float]
    always: tuple[float, float]


def followed(log: Log, plan: WatchedPlan) -> Iterator[tuple[int, str, dict[str, Evidence], Ratio]]:
    size = plan.views // plan.looks
    cells = plan.items * plan.slots
    total = np.zeros((1 + len(REWARDS), FOLDS * cells))
    start = examination([str(at) for at in range(plan.slots)], {})
    evidence: dict[tuple[str, str], Evidence] = {}
    served_sums = {reward: Ratio.empty() for reward in REWARDS}
    places = np.arange(plan.slots)
    offsets = np.cumsum([0, *(len(served) for served in log.served[:-1])])
    for look in range(plan.looks):
        rows = slice(look * size, (look + 1) * size)
        number = look * plan.layouts // plan.looks
        folds = fold_of(log.bins[rows])
        cell = (folds[:, None] * cells + log.items[rows] * plan.slots + places).ravel()
        total[0] += np.bincount(cell, minlength=FOLDS * cells)
        for at, reward in enumerate(REWARDS, start=1):
            total[at] += np.bincount(cell, log.rewards[reward][rows].ravel(), FOLDS * cells)
        shaped = total.reshape(-1, FOLDS, plan.items, plan.slots)
        impressions, clicks = shaped[:2].sum(axis=1)
        curve = fit_examination(impressions, clicks, start)
        served, target = log.served[number], log.targets[number]
        variants = len(served) - 1
        chance = np.array([(1.0 - HOLDOUT) / variants] * variants + [HOLDOUT])
        chances = compare(served, chance, target, np.full(len(target), 1.0 / len(target)), curve).at(
            log.rows[rows] - offsets[number]
        )
        learned = ~log.held[rows]
        ones = np.ones(learned.sum())
        for at, reward in enumerate(REWARDS, start=1):
            model = expected_reward(shaped[0], shaped[at], curve)
            expected = model[folds[:, None], log.items[rows], places]
            aim = model[:, target, places].mean(axis=1)[folds]
            decisions = Decisions(log.bins[rows], log.rewards[reward][rows], chances, expected, aim)
            for name in WATCHED:
                more = Evidence.of(name, decisions)
                evidence[reward, name] = evidence[reward, name] + more if look else more
            served_sums[reward] += Ratio.of(
                log.bins[rows][learned], log.rewards[reward][rows][learned].sum(axis=1), ones, ones
            )
            yield look, reward, {name: evidence[reward, name] for name in WATCHED}, served_sums[reward]
