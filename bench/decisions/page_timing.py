"""How long a page of shelves takes to compose: the pure part, on one core."""

from __future__ import annotations

import statistics
import time

import numpy as np

from policy.hashes import arm_hashes
from policy.model.posteriors import Beta
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Items, Names, Shelves, compose_page
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.model.counts import ShelfCounts
from policy.pages.model.fitting import fit_shelves
from policy.slates.sampling import stage_normals
from policy.slates.scoring import Belief
from schemas.messages.pages import PolicyChoice

ROWS, COLUMNS, SHELVES, ITEMS = 12, 6, 20, 1_000
SHARE = 0.2
"""Of the items that each shelf may show."""


def compose_ms(rounds: int = 20) -> dict[str, float]:
    """Milliseconds of the processor for one page of 16 variants, medians: shelves and items, or items alone."""
    rng = np.random.default_rng(1)
    shelves = tuple(Shelf(f"shelf-{at}", ("carousel", "grid")[at % 2]) for at in range(SHELVES))
    page = CompiledPage.of(ShelfPage(shelves, tuple(Row.of(f"row-{at}", COLUMNS) for at in range(ROWS))))
    names = [f"item-{at}" for at in range(ITEMS)]
    clicks, misses = rng.integers(1, 21, ITEMS).astype(np.float64), rng.integers(99, 949, ITEMS).astype(np.float64)
    hashes, candidates = arm_hashes(names), rng.random((SHELVES, ITEMS)) < SHARE
    believed = Shelves.of(page, fit_shelves(page, ShelfCounts.empty(page, 1, 0)), 0)
    choice, keys = PolicyChoice(), Names("home", "*", 1)
    # Kept between compositions, as the layout producer does.
    z = stage_normals(*keys[:2], hashes, choice.variants, keys.epoch, sales=False)
    took: dict[str, list[float]] = {"compose_ms": [], "items_ms": []}
    rows = None
    for turn in range(2 * rounds + 4):
        clicks[turn] += 1.0
        items = Items(names, hashes, candidates, Belief(Beta(clicks.copy(), misses)))
        again = turn % 2 == 1
        began = time.process_time()
        composed = compose_page(page, items, believed, choice, keys, rows=rows if again else None, z=z)
        took["items_ms" if again else "compose_ms"].append(1_000.0 * (time.process_time() - began))
        rows = composed.arrangement.rows
    return {name: round(statistics.median(spent[2:]), 3) for name, spent in took.items()}
