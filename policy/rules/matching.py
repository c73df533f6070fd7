"""Which arms rules are about, and which of them may be shown: what the catalog says of each, at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from policy.arrays import Bools, Codes
from schemas import rules as declared
from schemas.messages import CatalogItem
from schemas.topics import DAY_MS

NO_CODE = -1


def available(item: CatalogItem, now_ms: int) -> bool:
    """Whether an item is in stock and its time has come and is not over at `now_ms`."""
    return (
        item.available and item.available_from <= now_ms and (not item.available_until or now_ms < item.available_until)
    )


def about(match: declared.Match, items: Sequence[str], catalog: Mapping[str, CatalogItem], now_ms: int) -> Bools:
    """Which of `items` a rule is about at `now_ms`, bool[A], whether or not they may be shown."""
    return Arms(items, [catalog.get(item) for item in items], now_ms).about(match)


class Arms:
    """What rules ask of arms."""

    def __init__(self, names: Sequence[str], items: Sequence[CatalogItem | None], now_ms: int) -> None:
        self._names = names
        self._items = items
        self._now = now_ms
        self.eligible = np.array([item is None or available(item, now_ms) for item in items], dtype=np.bool_)

    def named(self, name: str) -> Bools:
        return np.array([one == name for one in self._names], dtype=np.bool_) & self.eligible

    def matching(self, match: declared.Match) -> Bools:
        return self.about(match) & self.eligible

    def about(self, match: declared.Match) -> Bools:
        return np.fromiter(map(self._test(match), self._names, self._items), np.bool_, len(self._names))

    def _test(self, match: declared.Match) -> Callable[[str, CatalogItem | None], bool]:
        names, categories, brands, tags = (
            frozenset(those) for those in (match.items, match.categories, match.brands, match.tags)
        )
        since = self._now - match.newer_than_days * DAY_MS if match.newer_than_days else None

        def test(name: str, item: CatalogItem | None) -> bool:
            if names and name not in names:
                return False
            if item is None:
                return bool(names) or not (categories or brands or tags or since)
            return (
                (not categories or item.category in categories)
                and (not brands or item.brand in brands)
                and (not tags or not tags.isdisjoint(item.tags))
                and (since is None or item.created_at >= since)
            )

        return test

    def codes(self, by: declared.Attribute | None) -> Codes:
        """A number for each brand or category, int32[A], -1 for arms without one; without `by` all have 0."""
        if by is None:
            return np.zeros(len(self._names), dtype=np.int32)
        known: dict[str, int] = {}
        labels = ["" if item is None else getattr(item, by) for item in self._items]
        return np.array([known.setdefault(one, len(known)) if one else NO_CODE for one in labels], dtype=np.int32)

    def complements(self, learned: Mapping[str, Sequence[str]]) -> Codes:
        """The complements of each arm among the arms, int32[A, C], -1 where there are fewer: named, then learned."""
        places = {name: place for place, name in enumerate(self._names)}
        found = [
            [places[one] for one in dict.fromkeys((*named, *learned.get(name, ()))) if one in places]
            for name, named in zip(
                self._names, (() if item is None else item.complements for item in self._items), strict=True
            )
        ]
        table = np.full((len(found), max(map(len, found), default=0)), NO_CODE, dtype=np.int32)
        for arm, those in enumerate(found):
            table[arm, : len(those)] = those
        return table
