"""A page of shelves from beliefs: shelves in rows, items in slots, and how likely each is where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from policy.arrays import Bools, Codes, Floats, Hashes
from policy.pages.compiled import CompiledPage
from policy.pages.drawing import Arrangement, arrange
from policy.pages.item_rules.fixed_items import ItemRules
from policy.pages.lists import ItemScores, ShelfScores
from policy.pages.model.fitting import ShelfFit
from policy.rules.compiled import CompiledRules
from policy.slates.arrangement import named, named_propensities
from policy.slates.fill import fill
from policy.slates.sampling import factor_draws, normals, spread, uniforms
from policy.slates.scoring import POLICIES, Belief, random_of
from schemas.messages.pages import PolicyChoice

DRAWN = ("thompson",)
"""Policies that draw; the others take a shelf for what it is most likely worth."""


class Names(NamedTuple):
    """What random numbers belong to: page, segment and epoch."""

    page: str
    segment: str
    epoch: int

    @property
    def texts(self) -> tuple[str, str, str]:
        """What decides how shares of slates are rounded."""
        return self.page, self.segment, str(self.epoch)


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A items that may be on the page: names, hashes [A], which shelves may show them, bool[H, A], and the belief.

    The belief's `factor` is what scores are multiplied by; 0 where an item may not be shown.
    """

    names: Sequence[str]
    hashes: Hashes
    candidates: Bools
    belief: Belief

    @property
    def usable(self) -> Bools:
        """Which of them each shelf may show now, bool[H, A]."""
        factor = self.belief.factor
        return self.candidates if factor is None else self.candidates & (factor > 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Shelves:
    """What is believed of shelves in a segment: `weights` [R, H, C], reach times look, and their factors.

    Factors [H] and those of rows beside [R, H], each a mean with its relative variance; and those of orders [H].
    """

    weights: Floats
    factors: tuple[Floats, Floats]
    spots: tuple[Floats, Floats]
    orders: tuple[Floats, Floats] | None = None

    @classmethod
    def of(cls, page: CompiledPage, fit: ShelfFit, segment: int | None) -> Shelves:
        """What was fitted for the segment with this number; None for the whole page."""
        reach = fit.reach.mean(axis=0) if segment is None else fit.reach[segment]
        factors, orders = fit.factors, fit.orders
        of_page, of_segments, of_spots = factors.variances
        own = (factors.page, of_page) if segment is None else (factors.segments[segment], of_segments[segment])
        return cls(
            weights=page.by_column(fit.looks.of_slots(page)) * reach[:, None, None],
            factors=own,
            spots=(factors.spots.T, of_spots.T),
            orders=orders and (orders.segments[segment or 0], orders.variances[segment or 0]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PageComposition:
    """Pages as a layout carries them: by slate, slot to item and row to shelf; what is not there is left out.

    The last `exploration_slates` of the slates are drawn uniformly, shelves and items.  Propensities are counted
    over slates: of items in slots, and of shelves in rows.  `scores` [A, V] are those that items were chosen by.
    """

    slates: list[dict[str, str]]
    rows: list[dict[str, str]]
    propensities: dict[str, dict[str, float]]
    row_propensities: dict[str, dict[str, float]]
    relaxed: list[str]
    arrangement: Arrangement
    scores: Floats


def compose_page(
    page: CompiledPage,
    items: Items,
    shelves: Shelves,
    choice: PolicyChoice,
    names: Names,
    rules: CompiledRules | None = None,
    rows: Codes | None = None,
    z: Floats | None = None,
) -> PageComposition:
    """The composition of these names: the same arguments always give the same.

    With `rows` int32[V, R] shelves stand as they did in an earlier composition, and items alone are chosen anew.
    `rules` for items hold as far as they can.  `z` are the `stage_normals` of just these names, where the caller has
    kept them.
    """
    scores = _item_scores(items, choice, names, len(page.row_of), z)
    if page.page.is_flat:
        arrangement = _flat(page, scores, shelves, rules or CompiledRules.none(items.hashes, page.page.slots), names)
    else:
        factor = items.belief.factor
        if factor is not None:
            sales = None if scores.sales is None else scores.sales * factor[:, None]
            scores = ItemScores(scores.clicks * factor[:, None], sales)
        added = _shelf_scores(page, shelves, choice, names)
        those = None if rules is None else ItemRules(rules, names.texts)
        arrangement = arrange(page, scores, added, items.usable, items.hashes, rows, rules=those)
    return _composition(page, items, arrangement, rules, scores.whole)


class DeclaredPage(NamedTuple):
    """A page in the order of its declaration: slot to item, row to shelf, and the rules that do not hold, in words."""

    slate: dict[str, str]
    rows: dict[str, str]
    relaxed: list[str]


def declared_page(page: CompiledPage, items: Items, scores: Floats, rules: CompiledRules | None = None) -> DeclaredPage:
    """What the holdout gets: down the rows, each with the first declared shelf that fits, its best items from the left.

    `scores` float64[A] say which items are best.  Rules for shelves and `rules` for items hold as far as they are about
    single pages.
    """
    rows, shelves, columns = page.shape
    usable = np.arange(columns) < page.columns[:, :, None]
    looks = np.where(usable, columns - np.arange(columns), 0).astype(np.float64)
    weights = looks / np.maximum(looks.sum(axis=2, keepdims=True), 1.0) * (rows - np.arange(rows))[:, None, None]
    order = np.broadcast_to(-np.arange(shelves, dtype=np.float64), (1, rows, shelves))
    single = replace(page, floors=())
    shelf_scores = ShelfScores(weights, np.ones((1, rows, shelves)), rows=order)
    # Nothing is rounded where there are no shares of slates.
    those = None if rules is None else ItemRules(rules.baseline, ())
    of_items = ItemScores(scores[:, None])
    arrangement = arrange(single, of_items, shelf_scores, items.usable, items.hashes, rules=those)
    return DeclaredPage(
        slate=named(arrangement.slates[0].tolist(), page.page.slots, items.names),
        rows=named(arrangement.rows[0].tolist(), page.page.row_names, page.page.shelf_names),
        relaxed=[f"{rule}: not in the baseline" for rule, _ in arrangement.broken],
    )


def _flat(page: CompiledPage, scores: ItemScores, shelves: Shelves, rules: CompiledRules, names: Names) -> Arrangement:
    filled = fill(scores.whole, shelves.weights[0, 0], rules, names.texts)
    return Arrangement(np.zeros((len(filled.slates), 1), dtype=np.int32), filled.slates, filled.broken)


def _item_scores(items: Items, choice: PolicyChoice, names: Names, slots: int, z: Floats | None = None) -> ItemScores:
    """Those of the page's policy, and uniform ones for exploration slates behind them."""
    belief, value = items.belief, items.belief.click_value
    keys = names.page, names.segment, items.hashes
    random = random_of(*keys, choice.variants, names.epoch, z, sales=value is not None)
    scores = POLICIES[choice.name](belief, random, choice, slots)
    sales: Floats | None = None
    if value is not None:
        # Scores are linear in what a click is worth: the part of its own value is that without sales.
        whole, scores = (
            scores,
            value.click * POLICIES[choice.name](belief._replace(click_value=None), random, choice, slots),
        )
        sales = whole - scores
    if choice.exploration_slates:
        chance = uniforms(*keys, "exploration", choice.exploration_slates, names.epoch)
        scores = np.concatenate([scores, chance], axis=1)
        sales = sales if sales is None else np.concatenate([sales, np.zeros_like(chance)], axis=1)
    return ItemScores(scores, sales)


def _shelf_scores(page: CompiledPage, shelves: Shelves, choice: PolicyChoice, names: Names) -> ShelfScores:
    """What shelves add, drawn with the full spread, [V, R, H], and rows of exploration slates by chance alone.

    What a shelf adds in one row and not in another is drawn as items are.
    """
    explored, variants = choice.exploration_slates, choice.variants + choice.exploration_slates
    rows, count, _ = page.shape

    def drawn(pair: tuple[Floats, Floats], hashes: Hashes, stage: str, scale: Floats | float = 1.0) -> Floats:
        mean, variance = pair[0].ravel(), pair[1].ravel()
        if choice.name not in DRAWN:
            return np.broadcast_to(mean, (variants, len(mean)))
        z = normals(names.page, names.segment, hashes, stage, variants, names.epoch)
        return factor_draws(mean, variance * np.square(scale), z).T

    factors = drawn(shelves.factors, page.hashes, "shelf")[:, None, :]
    scale = spread(np.sqrt(shelves.spots[1]), count, choice.exploration).ravel()
    factors = factors * drawn(shelves.spots, page.spot_hashes, "shelf in row", scale).reshape(variants, rows, count)
    orders = drawn(shelves.orders, page.hashes, "shelf orders") if shelves.orders else None
    chance: Floats | None = None
    if explored:
        chance = np.full((variants, rows * count), np.nan)
        chance[choice.variants :] = uniforms(*names[:2], page.spot_hashes, "rows", explored, names.epoch).T
        chance = chance.reshape(variants, rows, count)
    return ShelfScores(shelves.weights, factors, orders, chance)


def _composition(
    page: CompiledPage, items: Items, arrangement: Arrangement, rules: CompiledRules | None, scores: Floats
) -> PageComposition:
    slots, row_names, shelf_names = page.page.slots, page.page.row_names, page.page.shelf_names
    return PageComposition(
        slates=[named(slate, slots, items.names) for slate in arrangement.slates.tolist()],
        rows=[] if page.page.is_flat else [named(row, row_names, shelf_names) for row in arrangement.rows.tolist()],
        propensities=named_propensities(arrangement.slates, slots, items.names),
        row_propensities={} if page.page.is_flat else named_propensities(arrangement.rows, row_names, shelf_names),
        relaxed=[*(rules.idle if rules else ()), *arrangement.relaxed],
        arrangement=arrangement,
        scores=scores,
    )
