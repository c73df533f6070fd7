"""Pages of shelves drawn at random, with what is believed of their items and shelves."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from policy.hashes import arm_hashes
from policy.model.posteriors import Beta
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Items, Names, Shelves
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.model.counts import ShelfCounts
from policy.pages.model.fitting import fit_shelves
from policy.pages.rules import LeastExposure, MostOfKind, NotAbove, NotBelow, ShelfRule
from policy.slates.scoring import Belief

NAMES = Names("home", "hikers", 3)


class Drawn(NamedTuple):
    """A page with what is believed of it."""

    page: CompiledPage
    items: Items
    shelves: Shelves


def random_page(seed: int) -> Drawn:
    """A small page with all that a declaration may have."""
    rng = np.random.default_rng(seed)
    count, rows, size = int(rng.integers(1, 7)), int(rng.integers(1, 6)), int(rng.integers(0, 40))
    names, places = [f"shelf-{at}" for at in range(count)], [f"row-{at}" for at in range(rows)]
    widths = rng.integers(1, 5, rows).tolist()
    pinned = {int(rng.integers(count)): str(rng.choice(places))} if rng.random() < 0.4 else {}
    shelves = [
        Shelf(
            name,
            kind=str(rng.choice(["carousel", "grid"])),
            least_columns=int(rng.integers(1, max(widths) + 1)),
            most_columns=int(rng.integers(max(widths), 6)),
            keeps=bool(rng.random() < 0.2),
            pinned=pinned.get(at, ""),
        )
        for at, name in enumerate(names)
    ]
    widest = widths.index(max(widths))
    standing = [() if rng.random() < 0.6 or pinned or at == widest else tuple(names[:1]) for at in range(rows)]
    if pinned:
        shelves = [Shelf(shelf.name, shelf.kind, keeps=shelf.keeps, pinned=shelf.pinned) for shelf in shelves]
    declared = ShelfPage(
        tuple(shelves),
        tuple(Row.of(place, width, own) for place, width, own in zip(places, widths, standing, strict=True)),
        tuple(_rules(rng, names, places, [shelf.kind for shelf in shelves])),
    )
    page = CompiledPage.of(declared)
    return Drawn(page, _items(rng, count, size), _shelves(rng, page))


def _rules(rng: np.random.Generator, names: list[str], places: list[str], kinds: list[str]) -> list[ShelfRule]:
    rules: list[ShelfRule] = [
        NotAbove("high", str(rng.choice(names)), str(rng.choice(places))),
        NotBelow("low", str(rng.choice(names)), str(rng.choice(places))),
        MostOfKind("few", str(rng.choice(kinds)), int(rng.integers(0, 4))),
        LeastExposure("often", str(rng.choice(names)), float(rng.uniform(0.1, 1.0))),
    ]
    return [rule for rule in rules if rng.random() < 0.4]


def _items(rng: np.random.Generator, shelves: int, size: int) -> Items:
    names = [f"item-{at}" for at in range(size)]
    clicks = rng.integers(0, 5, size).astype(np.float64)
    factor = rng.choice([0.0, 1.0, 1.5], size) if rng.random() < 0.3 else None
    belief = Belief(Beta(clicks + 0.5, rng.integers(10, 90, size).astype(np.float64)), factor=factor)
    return Items(names, arm_hashes(names), rng.random((shelves, size)) < 0.5, belief)


def _shelves(rng: np.random.Generator, page: CompiledPage) -> Shelves:
    fit = fit_shelves(page, ShelfCounts.empty(page, 2, 0))
    start = Shelves.of(page, fit, 1)
    return Shelves(start.weights * rng.uniform(0.5, 1.0, start.weights.shape), start.factors, start.spots)


def shuffled(drawn: Drawn, rng: np.random.Generator) -> Drawn:
    """The same with items in another order."""
    order = rng.permutation(len(drawn.items.names))
    belief = drawn.items.belief
    other = Items(
        [drawn.items.names[at] for at in order.tolist()],
        drawn.items.hashes[order],
        drawn.items.candidates[:, order],
        Belief(
            Beta(belief.beta.a[order], belief.beta.b[order]),
            factor=None if belief.factor is None else belief.factor[order],
        ),
    )
    return drawn._replace(items=other)


def flat_page(slots: list[str]) -> Any:
    """A page that is a list of slots."""
    return CompiledPage.of(ShelfPage.flat(slots))
