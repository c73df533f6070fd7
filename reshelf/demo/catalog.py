"""The shop's items and pages as the catalog team and the merchandisers publish them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from policy.arrays import Ints
from reshelf.demo.shop import PAGES, WIDTH, Item, Shop
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import Candidates, PageRules

WINDOW_MS = 10 * 60_000
CANDIDATES = {
    "home": Candidates(tags=["front"]),
    "garden": Candidates(categories=["garden"]),
    "cart": Candidates(tags=["small"]),
}


def page_rules() -> list[PageRules]:
    """The pages, not yet numbered; a purchase counts for a click up to ten minutes before it."""
    return [
        PageRules(
            page.name,
            0,
            list(page.slots),
            candidates=CANDIDATES[page.name],
            attribution_window=WINDOW_MS,
        )
        for page in PAGES
    ]


def check_declared(declared: Mapping[str, PageRules]) -> None:
    """Raise `BadSettings` where a page that is declared already has slots that the shop's visitors do not know."""
    for page in PAGES:
        if page.name in declared and (other := set(declared[page.name].slots) - set(page.slots)):
            raise BadSettings(
                f"page {page.name!r} is declared with slots that the demonstration's visitors do not know: expected "
                f"some of {page.slots[0]} to {page.slots[-1]}, got {', '.join(sorted(other))}. Nothing was published: "
                "give the demonstration topics of its own, by another kafka.prefix and redis.namespace."
            )


def catalog_item(item: Item, opened_ms: int) -> CatalogItem:
    """An item as the catalog team publishes it; `opened_ms` is when the shop opened."""
    words, created = item.product, opened_ms + round(item.arrived * 1000)
    return CatalogItem(
        item.key,
        words.title,
        words.description,
        words.category,
        words.brand,
        words.price,
        "EUR",
        item.available,
        created,
        item.tags,
    )


def candidates(page: str, items: Sequence[Item]) -> list[int]:
    """The rows of the items that may stand on a page."""
    rule = CANDIDATES[page]
    categories, tags = set(rule.categories), set(rule.tags)
    return [
        item.row
        for item in items
        if (not categories or item.product.category in categories) and (not tags or tags & set(item.tags))
    ]


def fallback(shop: Shop) -> Ints:
    """A fixed selection for each page, in the order of the catalog: item rows, pages × slots."""
    table = np.full((len(PAGES), WIDTH), -1, dtype=np.int64)
    for number, page in enumerate(PAGES):
        rows = candidates(page.name, shop.items)[: len(page.slots)]
        table[number, : len(rows)] = rows
    return table
