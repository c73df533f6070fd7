"""Whether the interval of a rule's price holds what the rule truly costs, on simulated pages with shelves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bench.random_rules import random_rule
from bench.rules import EPOCHS, Priced, RulesPlan, prices_in
from policy.hashes import arm_hashes
from policy.model.priors import interest_variance
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Items, Names, PageComposition, compose_page
from policy.pages.declaration import ShelfPage
from policy.pages.published import SegmentShelves, shelves_fit
from policy.pages.rules import MostOfKind, NotAbove, NotBelow
from policy.prices.earnings import Draws, Knowledge, errors_of, interval_of
from policy.prices.looks import ShelfLooks
from policy.prices.places import Places, shelf_places_of
from policy.rules.compiled import compile_rules
from policy.rules.matching import Arms
from policy.simulation.pages.learners import DEFAULT, PAGE, Joint
from policy.simulation.pages.race import opened, sizes
from policy.simulation.pages.world import PAGES
from policy.slates.composition import Statistics
from policy.slates.scoring import Belief
from schemas.messages.pages import PageRules
from schemas.rules import Rule, kind_in_words

ABOUT_SHELVES = 0.4
"""The share of rules that are about shelves."""


class _Ruled(NamedTuple):
    """A page under a rule of some kind: about shelves, or about items."""

    kind: str
    page: CompiledPage
    rules: Sequence[Rule] = ()


def shelf_prices(plan: RulesPlan, advance: Callable[[], None] = lambda: None) -> list[Priced]:
    """Price random rules for items and for shelves; those that change nothing are drawn again."""
    return prices_in(_Arranged, plan, advance)


class _Arranged:
    """A page that our policy has arranged for a while."""

    def __init__(self, plan: RulesPlan, seed: int) -> None:
        shape = replace(PAGES[plan.page], segments=plan.segments, items=plan.items)
        self._random, self._kinds = np.random.default_rng(seed), plan.kinds
        self._world, visits = opened(shape, seed)
        self._learner = Joint(self._world)
        for size in sizes([plan.views]):
            self._learner.observe(self._world.serve(*self._learner.pages(), size, visits))
        self._beliefs, fit = self._learner.fitted()
        message = shelves_fit(self._world.page, fit, self._learner.segments, None)
        self._shelves = [SegmentShelves.of(self._world.page, message, name) for name in self._learner.segments]
        self._examined = fit.examined

    def prices(self, count: int) -> Iterator[Priced]:
        """So many rules that change something."""
        while count:
            at = int(self._random.integers(len(self._beliefs)))
            if price := self._price(self._ruled(), at):
                yield price
                count -= 1

    def _ruled(self) -> _Ruled:
        page = self._world.page
        if not self._kinds and self._random.random() < ABOUT_SHELVES:
            kind, declared = _shelf_rule(self._random, page.page)
            return _Ruled(kind, CompiledPage.of(declared))
        rule = random_rule(self._random, page.page.slots, self._world.offer, self._kinds)
        return _Ruled(kind_in_words(rule), page, [rule])

    def _price(self, ruled: _Ruled, at: int) -> Priced | None:
        without, under = (self._composed(each, at) for each in (_Ruled("", self._world.page), ruled))
        if [page.slates for page in without] == [page.slates for page in under]:
            return None
        knowledge = self._knowledge(at)
        names = knowledge.page, knowledge.segment
        draws = Draws(knowledge, ShelfLooks(self._world.page, self._shelves[at], names, errors_of(knowledge)))
        before, after = (draws.earnings(self._places(pages)).clicks for pages in (without, under))
        now, truth = (self._true_clicks(pages, at) for pages in (without, under))
        return Priced(ruled.kind, interval_of((after - before) / now), truth / now - 1.0)

    def _composed(self, ruled: _Ruled, at: int) -> list[PageComposition]:
        """The pages of some epochs in a segment."""
        world, segment, names = self._world, self._learner.segments[at], self._learner.names
        hashes, catalog = arm_hashes(names), {item.item: item for item in world.offer.items}
        arms = Arms.by_hash(names, hashes, catalog, world.offer.now_ms)
        declared = PageRules(PAGE, 0, list(world.page.page.slots), rules=list(ruled.rules))
        bound = compile_rules(declared, arms, segment).auctioned(lambda: self._beliefs[at].mean)
        belief = Belief(self._beliefs[at], None, bound.score_factor)
        items, shelves = Items(names, hashes, world.candidates, belief), self._shelves[at].shelves
        return [
            compose_page(ruled.page, items, shelves, DEFAULT, Names(PAGE, segment, epoch), bound) for epoch in EPOCHS
        ]

    def _knowledge(self, at: int) -> Knowledge:
        """Impressions are those that were looked at in full, whatever the slot."""
        learner, page = self._learner, self._world.page.page
        clicks = learner.counts.clicks[at]
        shares = learner.counts.impressions[at] / np.maximum(learner.counts.impressions[at].sum(axis=1), 1.0)[:, None]
        looked_at = shares * np.maximum(self._examined[at], clicks.sum(axis=1))[:, None]
        nothing = np.zeros_like(clicks)
        statistics = Statistics(
            learner.names, page.slots, arm_hashes(learner.names), looked_at, clicks, nothing, nothing, nothing[:, 0],
            np.ones(len(page.slots)), learner.priors[at], learner.priors[at],
        )  # fmt: skip
        variance = interest_variance(learner.parameters, learner.segments[at]) if learner.parameters else 0.0
        categories = [item.category for item in self._world.offer.items]
        of_slots = learner.counts.clicks.sum(axis=(0, 1))
        return Knowledge(
            PAGE, learner.segments[at], statistics, categories, variance, of_slots, None, learner.counts.placed[at]
        )

    def _places(self, pages: Sequence[PageComposition]) -> Places:
        page = self._world.page
        row_of = {slot: page.page.row_names[row] for slot, row in zip(page.page.slots, page.row_of, strict=True)}
        slates = [pair for each in pages for pair in zip(each.slates, each.rows, strict=True)]
        return shelf_places_of([(*pair, 1.0 / len(slates)) for pair in slates], row_of)

    def _true_clicks(self, pages: Sequence[PageComposition], at: int) -> float:
        rows, slates = (
            np.concatenate([getattr(page.arrangement, part) for page in pages]) for part in ("rows", "slates")
        )
        return float(self._world.expected(np.full(len(rows), at), rows, slates).mean())


def _shelf_rule(random: np.random.Generator, page: ShelfPage) -> tuple[str, ShelfPage]:
    """A rule of any kind that a merchant might publish for shelves, and the page with it."""
    shelf, row = str(random.choice(page.shelf_names)), str(random.choice(page.row_names))
    pinned = tuple(replace(each, pinned=row if each.name == shelf else "") for each in page.shelves)
    most = MostOfKind("rule", page.shelves[0].kind, int(random.integers(1, len(page.rows) - 1)))
    pages = {
        "shelf-pin": replace(page, shelves=pinned),
        "not-above": replace(page, rules=(NotAbove("rule", shelf, row),)),
        "not-below": replace(page, rules=(NotBelow("rule", shelf, row),)),
        "most-of-kind": replace(page, rules=(most,)),
    }
    kind = str(random.choice(list(pages)))
    return kind, pages[kind]
