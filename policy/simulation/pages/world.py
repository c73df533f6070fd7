"""A page of shelves whose truth is known: what shelves add, how rows are reached and looked at, and the best pages."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from policy.arrays import Bools, Codes, Floats, Indices
from policy.hashes import arm_hashes
from policy.pages.compiled import CompiledPage
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.drawing import arrange
from policy.pages.lists import ItemScores, ShelfScores
from policy.pages.model.counts import ShelfCounts
from policy.simulation.shop import Offer, Shape, Shop

KINDS = {"carousel": 0.7, "grid": 0.97}
"""Kinds of shelves, and how much each column is looked at against the one before."""
THEMES = 5
SLOTS_APART = 0.1
"""Deviation of the logarithm of what slots differ by beside row and column."""
SEARCHES = 20
"""Steps to better pages, at most."""


@dataclass(frozen=True, slots=True)
class PageShape:
    """What kind of page: each row is reached `reach` times as often as the one above, and looked at `look` times.

    Shelves' factors are log-normal with these deviations: of the page, of segments, of rows.  Each shelf has about
    `candidates` of the items; with `thin` that share of shelves has just over a row of them, and with
    `disjoint` no two have one in common.  Declared shelves are in the order of their factors with noise of the size
    `misjudged` on top.  Where shelves take clicks from each other, each of the same theme further up multiplies those
    of a shelf by `cannibals`.
    """

    segments: int = 10
    items: int = 200
    rows: int = 8
    columns: int = 4
    shelves: int = 14
    candidates: int = 40
    reach: float = 0.85
    look: float = 0.93
    of_page: float = 0.35
    of_segments: float = 0.2
    of_rows: float = 0.0
    thin: float = 0.0
    disjoint: bool = False
    misjudged: float = 0.5
    cannibals: float = 1.0


PAGES = {
    "main": PageShape(),
    "equal_reach": PageShape(reach=1.0, look=0.8),
    "suited_rows": PageShape(of_rows=0.3),
    "thin": PageShape(thin=0.5),
    "disjoint": PageShape(disjoint=True),
    "cannibals": PageShape(cannibals=0.75),
}
"""Pages by name: shelves with common candidates; all rows are reached; shelves suit rows; half of the shelves have few
items; no two shelves show the same item; shelves take clicks from each other."""


@dataclass(slots=True, eq=False)
class PageWorld:
    """The truth of a page; `world` draws what it is, the same for all learners."""

    shape: PageShape
    world: np.random.Generator
    page: CompiledPage = field(init=False)
    offer: Offer = field(init=False)
    attraction: Floats = field(init=False)
    candidates: Bools = field(init=False)
    factors: Floats = field(init=False)
    """Of each shelf in each row, float64[G, R, H]."""
    looks: Floats = field(init=False)
    """Of each slot in the hands of each shelf, float64[H, S]."""
    reach: Floats = field(init=False)
    shares: Floats = field(init=False)
    themes: Indices = field(init=False)
    best: Floats = field(init=False)
    """Expected clicks of the best pages, float64[G]."""

    def __post_init__(self) -> None:
        shape, rng = self.shape, self.world
        of_shop, visits = rng.spawn(2)
        shop = Shop(Shape(segments=shape.segments, items=shape.items, new=0.0, drift=0.0), of_shop, visits, days=0)
        self.offer, self.attraction = shop.offer(), shop.attraction
        self.shares = rng.dirichlet(np.full(shape.segments, 4.0))
        self.candidates = _candidates(shape, shop.kinds, rng)
        self.themes = rng.integers(0, THEMES, shape.shelves)
        of_page = rng.normal(0.0, shape.of_page, shape.shelves)
        # The best shelves are declared first, as far as merchants can tell.
        order = np.argsort(-(of_page + rng.normal(0.0, shape.misjudged, shape.shelves)))
        of_page, self.candidates = of_page[order], self.candidates[order]
        of_segments = rng.normal(0.0, shape.of_segments, (shape.segments, 1, shape.shelves))
        of_rows = rng.normal(0.0, shape.of_rows, (shape.rows, shape.shelves))
        self.factors = np.asarray(np.exp(of_page + of_segments + of_rows), dtype=np.float64)
        kinds = [list(KINDS)[kind] for kind in rng.integers(0, len(KINDS), shape.shelves).tolist()]
        shelves = tuple(Shelf(f"shelf-{at:02}", kind) for at, kind in enumerate(kinds))
        rows = tuple(Row.of(f"row-{at}", shape.columns) for at in range(shape.rows))
        self.page = CompiledPage.of(ShelfPage(shelves, rows))
        steepness = np.array([KINDS[kind] for kind in kinds])
        own = np.exp(rng.normal(0.0, SLOTS_APART, len(self.page.row_of)))
        looks = shape.look**self.page.row_of * steepness[:, None] ** self.page.column_of * own
        self.looks = np.asarray(looks / looks.max(), dtype=np.float64)
        self.reach = np.asarray(shape.reach ** np.arange(shape.rows), dtype=np.float64)
        self.best = self._search()

    @property
    def weights(self) -> Floats:
        """Reach times look, float64[R, H, C]."""
        weights: Floats = self.looks[:, self.page.slots].transpose(1, 0, 2) * self.reach[:, None, None]
        return weights

    def chances(self, segments: Indices, rows: Codes, slates: Codes) -> Floats:
        """The chance of a click in each slot once it came into view, float64[N, S], of N pages.

        Segments are [N], shelves in rows [N, R], items in slots [N, S]; -1 where there is none.
        """
        shelf_of = rows[:, self.page.row_of]
        filled = (shelf_of >= 0) & (slates >= 0)
        at, slots = segments[:, None], np.arange(slates.shape[1])
        chance = self.attraction[at, slates] * self.looks[shelf_of, slots]
        chance = chance * self.factors[at, self.page.row_of, shelf_of] * self._left(rows)[:, self.page.row_of]
        return np.where(filled, np.minimum(chance, 1.0), 0.0)

    def expected(self, segments: Indices, rows: Codes, slates: Codes) -> Floats:
        """Expected clicks per page view of N pages, float64[N]."""
        return np.asarray(self.chances(segments, rows, slates) @ self.reach[self.page.row_of], dtype=np.float64)

    def _left(self, rows: Codes) -> Floats:
        """What shelves of the same theme further up leave of a row's clicks, float64[N, R]."""
        if self.shape.cannibals >= 1.0:
            return np.ones(rows.shape)
        themes = np.where(rows >= 0, self.themes[rows], -1)
        above = np.tril(themes[:, :, None] == themes[:, None, :], -1).sum(axis=2)
        return np.asarray(self.shape.cannibals**above, dtype=np.float64)

    def serve(self, rows: Codes, slates: Codes, views: int, rng: np.random.Generator) -> ShelfCounts:
        """The counts of that many page views, each with one of its segment's pages [G, V, R] and [G, V, S] by chance.

        Who reaches a row has seen those above.
        """
        groups, variants, _ = rows.shape
        chance = np.repeat(self.shares / variants, variants)
        pages = rng.multinomial(views, chance / chance.sum())
        leaving = -np.diff(np.append(self.reach, 0.0))
        depths = rng.multinomial(pages, leaving / leaving.sum())
        in_view = depths[:, ::-1].cumsum(axis=1)[:, ::-1][:, self.page.row_of]
        flat = rows.reshape(-1, rows.shape[2]), slates.reshape(-1, slates.shape[2])
        segments = np.repeat(np.arange(groups), variants)
        clicks = rng.binomial(in_view, self.chances(segments, *flat))
        return self._counted(segments, *flat, pages, in_view, clicks)

    def _counted(
        self, segments: Indices, rows: Codes, slates: Codes, pages: Indices, in_view: Indices, clicks: Indices
    ) -> ShelfCounts:
        counts = ShelfCounts.empty(self.page, self.shape.segments, self.shape.items)
        shelf_of = rows[:, self.page.row_of]
        at, slot = np.nonzero((shelf_of >= 0) & (slates >= 0))
        group, item, shelf = segments[at], slates[at, slot], shelf_of[at, slot]
        np.add.at(counts.views, segments, pages)
        np.add.at(counts.impressions, (group, item, slot), in_view[at, slot])
        np.add.at(counts.clicks, (group, item, slot), clicks[at, slot])
        np.add.at(counts.shelf_impressions, (group, shelf, slot), in_view[at, slot])
        np.add.at(counts.shelf_clicks, (group, shelf, slot), clicks[at, slot])
        np.add.at(counts.placed, (group, item, shelf), in_view[at, slot])
        return counts

    def place(self, segments: Indices, rows: Codes | None) -> tuple[Codes, Codes]:
        """The best items for pages [N, R] of segments [N]; with rows None, shelves chosen down the rows, too."""
        drawn = arrange(
            self.page,
            ItemScores(np.ascontiguousarray(self.attraction[segments].T)),
            ShelfScores(self.weights, self.factors[segments]),
            self.candidates,
            arm_hashes([item.item for item in self.offer.items]),
            rows,
        )
        return drawn.rows, drawn.slates

    def _search(self) -> Floats:
        """The best pages there are by exchanging and replacing shelves, from those drawn down the rows."""
        everybody = np.arange(self.shape.segments)
        rows, slates = self.place(everybody, None)
        best = self.expected(everybody, rows, slates)
        for segment in everybody.tolist():
            for _ in range(SEARCHES):
                others = _neighbours(rows[segment], self.shape.shelves)
                here = np.full(len(others), segment)
                values = self.expected(here, *self.place(here, others))
                if values.max() <= best[segment]:
                    break
                rows[segment], best[segment] = others[values.argmax()], values.max()
        return best


def _neighbours(rows: Codes, shelves: int) -> Codes:
    """All orders that exchange two rows or replace one's shelf, int32[N, R]."""
    others = []
    for row in range(len(rows)):
        for below in range(row + 1, len(rows)):
            swapped = rows.copy()
            swapped[[row, below]] = rows[[below, row]]
            others.append(swapped)
        for shelf in sorted(set(range(shelves)) - set(rows.tolist())):
            replaced = rows.copy()
            replaced[row] = shelf
            others.append(replaced)
    return np.array(others, dtype=np.int32)


def _candidates(shape: PageShape, kinds: Indices, rng: np.random.Generator) -> Bools:
    """Which items each shelf may show, bool[H, A]: each likes some kinds of items more."""
    if shape.disjoint:
        owners = rng.integers(0, shape.shelves, shape.items)
        return np.asarray(owners == np.arange(shape.shelves)[:, None])
    liking = rng.gamma(1.0, 1.0, (shape.shelves, int(kinds.max()) + 1))[:, kinds]
    sizes = np.full(shape.shelves, shape.candidates)
    sizes[rng.permutation(shape.shelves)[: round(shape.thin * shape.shelves)]] = shape.columns + 1
    mask = np.zeros((shape.shelves, shape.items), dtype=np.bool_)
    for shelf, size in enumerate(sizes.tolist()):
        chance = liking[shelf] / liking[shelf].sum()
        mask[shelf, rng.choice(shape.items, size, replace=False, p=chance)] = True
    return mask
