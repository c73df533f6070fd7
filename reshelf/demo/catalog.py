"""The shop's items and pages as the catalog team and the merchandisers publish them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from policy.arrays import Ints
from reshelf.demo.shop.item import Item
from reshelf.demo.shop.model import Shop
from reshelf.demo.shop.pages import FRONT, PAGES, WIDTH, PageSpec
from reshelf.demo.shop.passing_tags import NEW, SALE
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import (
    Branch,
    Candidates,
    PageRow,
    PageRules,
    PageShelf,
    PageTemplate,
    PolicyChoice,
    TemplateRow,
)

WINDOW_MS = 10 * 60_000
CANDIDATES = {
    FRONT: Candidates(),
    "home": Candidates(tags=["front"]),
    "garden": Candidates(categories=["garden"]),
    "cart": Candidates(tags=["small"]),
}
SHELF_CANDIDATES = {
    "hero": Candidates(tags=["front"]),
    "stories": Candidates(categories=["books"]),
    "new": Candidates(tags=[NEW]),
    "kitchen": Candidates(categories=["kitchen"]),
    "sale": Candidates(tags=[SALE]),
}
IN_ORDER, IN_ORDER_SHARE = "in order", 0.25
"""The branch whose visitors see the front page's shelves in the order of the merchants, with learned items."""
WHOLE, WHOLE_SHARE = "one for all", 0.25
"""The branch whose visitors see layouts that do not go by learned segments."""


def page_rules(*, learned: bool = False) -> list[PageRules]:
    """The pages, not yet numbered; a purchase counts for a click up to ten minutes before it.

    With `learned` segments some visitors of each flat page see the layouts of all visitors.
    """
    pages = [_front_rules(page) if page.shelves else _flat_rules(page) for page in PAGES]
    return [_with_learned_segments(rules) for rules in pages] if learned else pages


def _flat_rules(page: PageSpec) -> PageRules:
    slots = list(page.slots)
    return PageRules(page.name, 0, slots, candidates=CANDIDATES[page.name], attribution_window=WINDOW_MS)


def _with_learned_segments(rules: PageRules) -> PageRules:
    trial = [] if rules.has_shelves else [Branch(WHOLE, WHOLE_SHARE, PolicyChoice(), segment="*")]
    return replace(rules, segments="learned", branches=[*rules.branches, *trial])


def _front_rules(page: PageSpec) -> PageRules:
    """Shelves that may stand in every row, and for some visitors the order of the merchants."""
    in_order = [TemplateRow(row, shelves=[shelf.name]) for row, shelf in page.in_order.items()]
    return PageRules(
        page.name,
        0,
        shelves=[PageShelf(each.name, each.kind, each.title, SHELF_CANDIDATES[each.name]) for each in page.shelves],
        rows=[PageRow(row, columns=page.columns) for row in page.rows],
        candidates=CANDIDATES[page.name],
        templates=[PageTemplate(IN_ORDER, in_order)],
        branches=[Branch(IN_ORDER, IN_ORDER_SHARE, PolicyChoice(), IN_ORDER)],
        attribution_window=WINDOW_MS,
    )


def check_declared(declared: Mapping[str, PageRules], *, learned: bool = False) -> None:
    """Raise `BadSettings` where a page that is declared already has slots or segments that visitors do not know."""
    for page in PAGES:
        if page.name in declared and declared[page.name].has_learned_segments != learned:
            expected, asked = ("learned", "without") if learned else ("its visitors' own", "with")
            raise BadSettings(
                f"page {page.name!r} is declared {asked} learned segments: expected {expected} segments, as --segments "
                "says. Nothing was published: set --segments as the page is declared, or take other topics by "
                "kafka.prefix and redis.namespace."
            )
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


def candidates(rule: Candidates, items: Sequence[Item]) -> list[int]:
    """The rows of the items that may stand on a page, or on a shelf."""
    categories, tags = set(rule.categories), set(rule.tags)
    return [
        item.row
        for item in items
        if (not categories or item.product.category in categories) and (not tags or tags & set(item.tags))
    ]


def fallback(shop: Shop) -> Ints:
    """A fixed selection for each page, in the order of the catalog: item rows, pages × slots.

    On a page with shelves each row has the items of one, in the order of the merchants.
    """
    table = np.full((len(PAGES), WIDTH), -1, dtype=np.int64)
    for number, page in enumerate(PAGES):
        shelves = [(SHELF_CANDIDATES[shelf.name], page.columns) for shelf in page.in_order.values()]
        begin = 0
        for rule, columns in shelves or [(CANDIDATES[page.name], len(page.slots))]:
            others = [row for row in candidates(rule, shop.items) if row not in table[number]]
            rows = others[:columns]
            table[number, begin : begin + len(rows)] = rows
            begin += columns
    return table
