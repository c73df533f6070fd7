"""The catalog of a shop, its pages, and who comes where: everything follows from a size and a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from bench.pages import slot_names
from bench.shares import zipf
from bench.shop.size import Share, Size
from policy.arrays import Floats
from policy.slates.candidates import candidates
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import Candidates, PageRules, PolicyChoice
from schemas.topics import DAY_MS
from streams.catalog.page import Key

CROWDED_EVERY = 10
"""One page in so many shows two categories: more items fit than may be candidates."""
NEW_PAGE = 4
"""This page was declared today: nothing is counted of it yet, so that each click on it matters."""
BRANDS, TAGS = 200, ("sale", "new", "green", "set")
WORDS = ("cotton", "walnut", "linen", "steel", "wide", "small", "blue", "round", "soft", "light", "warm", "plain")
TITLE_WORDS, DESCRIPTION_WORDS = 4, 30


class Shop:
    """A shop of a size; `today` is when its present day begins, in milliseconds."""

    def __init__(self, size: Size, seed: int, today: int, share: Share = Share()) -> None:  # noqa: B008
        self.size = size
        self.seed = seed
        self.today = today
        self.slots = slot_names(size.slots)
        self._share = share
        self.workers = share.workers
        self._categories = -(-size.items // size.candidates)

    @cached_property
    def keys(self) -> list[Key]:
        """The pages and segments of the share, those of the busiest page first."""
        size = self.size
        every = (Key(page_name(page), segment_name(at)) for page in range(size.pages) for at in range(size.segments))
        return [key for key in every if self._share.owns(key, size.partitions)]

    @property
    def counted_keys(self) -> list[Key]:
        """Those of `keys` that the state has counts of."""
        return [key for key in self.keys if number_in(key.page) != NEW_PAGE]

    @cached_property
    def weights(self) -> Floats:
        """Which part of all page views of the shop each of `keys` has."""
        pages, segments = zipf(self.size.pages), zipf(self.size.segments)
        return np.array([pages[number_in(key.page)] * segments[number_in(key.segment)] for key in self.keys])

    @property
    def pages(self) -> list[int]:
        """The pages that have keys in the share."""
        return sorted({number_in(key.page) for key in self.keys})

    def layout_keys(self) -> list[Key]:
        """What layouts of the share are for before any traffic: keys that have counts, and whole pages."""
        whole = [Key(page_name(page), "*") for page in range(self.size.pages)]
        return [*self.counted_keys, *(key for key in whole if self._share.owns(key, self.size.partitions))]

    def items(self) -> Iterator[CatalogItem]:
        """The whole catalog."""
        return map(self.item, range(self.size.items))

    def item(self, number: int) -> CatalogItem:
        """One item, always the same."""
        chance = number * 2_654_435_761 + self.seed
        words = [WORDS[(chance >> at) % len(WORDS)] for at in range(DESCRIPTION_WORDS)]
        return CatalogItem(
            item_name(number),
            f"{' '.join(words[:TITLE_WORDS])} {number}",
            " ".join(words),
            category=f"category-{number // self.size.candidates:04d}",
            brand=f"brand-{chance % BRANDS:03d}",
            price=500 + chance % 20_000,
            created_at=self.today - (chance % 720) * DAY_MS,
            tags=[TAGS[chance % len(TAGS)]] if chance % 5 == 0 else [],
        )

    def rules(self, page: int) -> PageRules:
        """A page as declared."""
        declared = Candidates(categories=[f"category-{at:04d}" for at in self._shown(page)], limit=self.size.candidates)
        policy = PolicyChoice(variants=self.size.variants)
        return PageRules(page_name(page), 1, list(self.slots), candidates=declared, policy=policy)

    def candidates(self, page: int) -> Sequence[str]:
        """The items that a page shows, the most popular first."""
        per = self.size.candidates
        numbers = [n for at in self._shown(page) for n in range(at * per, min((at + 1) * per, self.size.items))]
        names = candidates(map(self.item, numbers), self.rules(page).candidates, {})
        return [names[at] for at in np.random.default_rng((self.seed, page)).permutation(len(names))]

    def _shown(self, page: int) -> list[int]:
        first = page % self._categories
        crowded = page % CROWDED_EVERY == CROWDED_EVERY - 1
        return [first, (first + 1) % self._categories] if crowded and self._categories > 1 else [first]


def item_name(number: int) -> str:
    return f"item-{number:07d}"


def page_name(number: int) -> str:
    return f"page-{number:04d}"


def segment_name(number: int) -> str:
    return f"segment-{number:03d}"


def number_in(name: str) -> int:
    """The number that a page or segment was named by."""
    return int(name.rpartition("-")[2])
