"""The shop's pages and segments, and the shelves of its front page with what each adds for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from policy.arrays import Floats
from schemas.messages.pages import column_names

SEGMENTS = ("gardeners", "cooks", "campers", "readers")
SEGMENT_SHARES = (0.35, 0.30, 0.20, 0.15)
FAVOURITES = {
    "gardeners": ("garden", "living"),
    "cooks": ("kitchen", "bath"),
    "campers": ("outdoor", "toys"),
    "readers": ("books", "office"),
}


@dataclass(frozen=True, slots=True)
class ShopShelf:
    """A module of the front page: its items are clicked `adds` times as often as elsewhere.

    `favours` says for which segments that is more, by which factor.
    """

    name: str
    title: str
    kind: str
    adds: float
    favours: Mapping[str, float] = field(default_factory=dict)


SHELVES = (
    ShopShelf("hero", "Of the season", "hero", 0.9),
    ShopShelf("stories", "Stories and guides", "carousel", 0.5, {"readers": 2.4}),
    ShopShelf("new", "Just in", "carousel", 1.1, {"campers": 1.4}),
    ShopShelf("kitchen", "Best of the kitchen", "grid", 0.9, {"cooks": 1.7}),
    ShopShelf("sale", "For less this week", "carousel", 1.5),
)
"""In the order in which the shop's merchants would show them."""


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page: `reach[r]` is the chance that a visitor scrolls as far as row r; with shelves each row is that of one."""

    name: str
    about: str
    share: float
    columns: int
    reach: tuple[float, ...]
    shelves: tuple[ShopShelf, ...] = ()

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows that shelves stand in, from the top; a flat page has none."""
        return tuple(f"row-{number}" for number in range(1, len(self.reach) + 1)) if self.shelves else ()

    @property
    def in_order(self) -> dict[str, ShopShelf]:
        """Row to shelf in the order of the merchants: the last shelves have none."""
        return dict(zip(self.rows, self.shelves, strict=False))

    @property
    def slots(self) -> tuple[str, ...]:
        """Slot addresses in rendered order."""
        if self.shelves:
            return tuple(slot for row in self.rows for slot in column_names(row, self.columns))
        return tuple(f"{self.name}-{number}" for number in range(1, self.columns * len(self.reach) + 1))


FRONT = "front"
PAGES = (
    PageSpec(FRONT, "The front page, in shelves", 0.4, 4, (1.0, 0.75, 0.5, 0.35), SHELVES),
    PageSpec("home", "Picked for you", 0.3, 4, (1.0, 0.75, 0.5)),
    PageSpec("garden", "The garden department", 0.2, 4, (1.0, 0.7)),
    PageSpec("cart", "Goes well with your cart", 0.1, 4, (1.0,)),
)
WIDTH = max(len(page.slots) for page in PAGES)
NO_SHELF = -1


def shelf_factors(*, alike: bool) -> Floats:
    """What shelves add, float64[segments, shelves + 1]: the last one, number -1, is for slots without a shelf."""
    factors = np.ones((len(SEGMENTS), len(SHELVES) + 1))
    if not alike:
        factors[:, :-1] = [[shelf.adds * shelf.favours.get(segment, 1.0) for shelf in SHELVES] for segment in SEGMENTS]
    return factors
