"""Layouts of many pages drawn at random, for comparison with those recorded: `python -m tests.policy.composed_pages`.

Everything is drawn with `random.Random.random`, whose numbers Python promises to keep.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from random import Random
from typing import Any, TypeVar

import numpy as np

from policy.hashes import arm_hashes
from policy.model.examination import examination
from policy.model.posteriors import Prior
from policy.rules.compiled import compile_rules
from policy.rules.matching import Arms
from policy.slates.composition import Statistics, compose
from policy.slates.scoring import POLICIES
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules, PolicyChoice, PolicyName
from schemas.rules import Boost, Cap, Complements, Exposure, Match, Pin, Placement, Rule, Spacing, Sponsored

T = TypeVar("T")
BATCHES, PAGES_PER_BATCH = 16, 25
DAY_MS = 86_400_000
NOW = 1_000 * DAY_MS
SEGMENTS = ["hikers", "runners"]


class Dice:
    """Draws from one sequence."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def number(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, values: Sequence[T]) -> T:
        return values[self.number(0, len(values) - 1)]

    def some(self, values: Sequence[T], most: int) -> list[T]:
        return [self.pick(values) for _ in range(self.number(0, most))] if values else []


def digests() -> list[str]:
    """A digest of the compositions of each batch of pages."""
    return [_digest(batch) for batch in range(BATCHES)]


def _digest(batch: int) -> str:
    first = batch * PAGES_PER_BATCH
    made = [_composed(Dice(seed)) for seed in range(first, first + PAGES_PER_BATCH)]
    return sha256(json.dumps(made).encode()).hexdigest()[:16]


def _composed(dice: Dice) -> dict[str, Any]:
    slots = [f"slot-{number}" for number in range(dice.number(1, 9))]
    catalog = _catalog(dice, dice.pick([0, 1, 5, 20, 60]))
    blocks = ["guide", "voucher"][: dice.number(0, 2)]
    items = [*catalog, *blocks]
    page = PageRules("home", 1, slots, rules=_rules(dice, slots, items), blocks=blocks)
    pacing = {rule.name: dice.pick([0.0, 0.3, 1.0]) for rule in page.rules if dice.chance(0.9)}
    learned = {item: dice.some(items, 3) for item in dice.some(items, 6)}
    statistics, choice = _statistics(dice, items, slots), _choice(dice)
    rules = compile_rules(page, Arms.by_hash(items, statistics.hashes, catalog, NOW), "hikers", pacing, learned)
    composition = asdict(compose(statistics, choice, "home", "hikers", dice.number(0, 3), rules=rules))
    del composition["value"]
    for name in ("rows", "baseline_rows", "row_propensities"):
        assert not composition.pop(name), "flat pages have no rows"
    return composition | {"until": rules.until}


def _catalog(dice: Dice, count: int) -> dict[str, CatalogItem]:
    names = [f"item-{number}" for number in range(count)]
    return {
        name: CatalogItem(
            name,
            name,
            brand=dice.pick(["", "b0", "b1", "b2"]),
            category=dice.pick(["c0", "c1", "c2", "c3", "c4"]),
            tags=dice.some(["sale", "new"], 1),
            created_at=NOW - dice.number(0, 30) * DAY_MS,
            available=dice.chance(0.95),
            available_until=dice.pick([0, 0, 0, NOW, NOW + 5]),
            complements=dice.some([*names, "gone"], 2),
        )
        for name in names
    }


def _statistics(dice: Dice, items: list[str], slots: list[str]) -> Statistics:
    def counts(most: int) -> np.ndarray[Any, Any]:
        return np.array([[dice.number(0, most) for _ in slots] for _ in items]).reshape(len(items), len(slots))

    impressions, clicks = counts(400), counts(8)
    looks = examination(slots, {"slot-1": 0.9} if dice.chance(0.5) else {})
    return replace(
        Statistics.empty(items, slots, looks, Prior(0.02, 50.0)),
        hashes=arm_hashes(items),
        impressions=impressions,
        clicks=clicks,
        holdout_impressions=impressions // 7,
        holdout_clicks=clicks // 3,
        holdout_conversions=clicks.sum(axis=1) // 20,
    )


def _choice(dice: Dice) -> PolicyChoice:
    names: list[PolicyName] = list(POLICIES)  # type: ignore[arg-type]
    return PolicyChoice(
        name=dice.pick([*names, "thompson", "thompson", "thompson"]),
        variants=dice.number(1, 12),
        exploration_slates=dice.pick([0, 0, 3]),
        shadow=dice.pick(["", "", "greedy", "uniform"]),
    )


def _rules(dice: Dice, slots: list[str], items: list[str]) -> list[Rule]:
    return [_rule(dice, f"r{number}", slots, items) for number in range(dice.number(0, 7))]


def _rule(dice: Dice, name: str, slots: list[str], items: list[str]) -> Rule:
    def match() -> Match:
        return Match(
            items=dice.some(items, 6) if dice.chance(0.4) else [],
            categories=dice.some(["c0", "c1", "gone"], 2) if dice.chance(0.3) else [],
            brands=dice.some(["b0", "b1"], 1) if dice.chance(0.3) else [],
            tags=dice.some(["sale"], 1) if dice.chance(0.2) else [],
            newer_than_days=dice.pick([0.0, 0.0, 0.0, 7.0, 0.5]),
        )

    any_slot = [*slots, "gone"]
    fields: dict[str, Any] = {
        "name": name,
        "segments": dice.pick([[], [], [], [], SEGMENTS, SEGMENTS[1:]]),
        "starts_at": dice.pick([0, 0, 0, 0, 0, NOW + 7]),
        "ends_at": dice.pick([4_102_444_800_000] * 5 + [NOW + 9]),
    }
    kinds: list[Callable[[], Rule]] = [
        lambda: Pin(item=dice.pick([*items, "gone"]), slot=dice.pick(any_slot), **fields),
        lambda: Boost(match=match(), factor=dice.pick([0.0, 0.1, 1.5, 30.0]), **fields),
        lambda: Cap(match=match(), by=dice.pick(["all", "brand", "category"]), most=dice.number(0, 3), **fields),
        lambda: Spacing(by=dice.pick(["brand", "category"]), distance=dice.number(2, 4), **fields),
        lambda: Exposure(
            match=match(), least=dice.pick([0.0, 0.25, 0.5, 1.0]), most=dice.pick([1.0, 0.5, 0.25]), **fields
        ),
        lambda: Placement(match=match(), slots=dice.some(any_slot, 3), reserved=dice.chance(0.4), **fields),
        lambda: Sponsored(match=match(), slot=dice.pick(any_slot), impressions=100, **fields),
        lambda: Complements(factor=dice.pick([1.2, 3.0, 50.0]), learned=dice.chance(0.7), **fields),
    ]
    return dice.pick(kinds)()


if __name__ == "__main__":
    print(json.dumps(digests()))
