"""The arms of a page at a time: which of them rules are about, and which of them may be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from policy.arrays import Bools, Codes, Hashes, Indices
from policy.items import ItemFacts
from policy.rules.likeness import NO_CODE, PicturesOf, alike_codes
from schemas import rules as declared
from schemas.topics import DAY_MS


def available(item: ItemFacts, now_ms: int) -> bool:
    """Whether an item is in stock and its time has come and is not over at `now_ms`."""
    return (
        item.available and item.available_from <= now_ms and (not item.available_until or now_ms < item.available_until)
    )


def about(match: declared.Match, items: Sequence[str], catalog: Mapping[str, ItemFacts], now_ms: int) -> Bools:
    """Which of `items` a rule is about at `now_ms`, bool[A], whether or not they may be shown."""
    return Arms(items, catalog, now_ms).about(match)


class Arms:
    """What rules ask of A arms.

    `records` are the items of the catalog, None for an arm that it does not have; `eligible`
    bool[A] are the arms that may be shown; `canonical` int[A] are their numbers as given, if
    they were put in another order.
    """

    def __init__(
        self,
        names: Sequence[str],
        catalog: Mapping[str, ItemFacts],
        now_ms: int,
        canonical: Indices | None = None,
    ) -> None:
        self.now_ms = now_ms
        self.canonical = np.arange(len(names)) if canonical is None else canonical
        self._names = [names[arm] for arm in self.canonical.tolist()]
        self.records = [catalog.get(name) for name in self._names]
        eligible = [item is None or available(item, now_ms) for item in self.records]
        self.eligible: Bools = np.array(eligible, dtype=np.bool_)

    @classmethod
    def by_hash(cls, names: Sequence[str], hashes: Hashes, catalog: Mapping[str, ItemFacts], now_ms: int) -> Arms:
        """The arms in the order of their hashes [A]: among equals the first goes first, whatever order they came in."""
        return cls(names, catalog, now_ms, np.argsort(hashes, kind="stable"))

    def __len__(self) -> int:
        return len(self._names)

    def with_name(self, name: str) -> Bools:
        """The arm of that name if it may be shown, bool[A]."""
        return np.array([other == name for other in self._names], dtype=np.bool_) & self.eligible

    def matching(self, match: declared.Match) -> Bools:
        """The arms that a rule is about and that may be shown, bool[A]."""
        return self.about(match) & self.eligible

    def about(self, match: declared.Match) -> Bools:
        """The arms that a rule is about, bool[A]."""
        return np.fromiter(map(_test(match, self.now_ms), self._names, self.records), np.bool_, len(self._names))

    def codes(self, by: declared.Attribute | None) -> Codes:
        """A number for each brand or category, int32[A], -1 for arms without one; without `by` all have 0."""
        if by is None:
            return np.zeros(len(self._names), dtype=np.int32)
        numbers: dict[str, int] = {}
        labels = ["" if item is None else getattr(item, by) for item in self.records]
        codes = [numbers.setdefault(label, len(numbers)) if label else NO_CODE for label in labels]
        return np.array(codes, dtype=np.int32)

    def alike(self, pictures: PicturesOf, similarity: float) -> Codes:
        """A number for each group of arms that are alike, int32[A], -1 for arms that are like no other."""
        families = ["" if item is None else item.family for item in self.records]
        return alike_codes(families, *pictures(self._names), similarity)

    def complements(self, learned: Mapping[str, Sequence[str]]) -> Codes:
        """The complements of each arm among the arms, int32[A, C], -1 where there are fewer.

        Those that the catalog names come before the `learned` ones.
        """
        number = {name: arm for arm, name in enumerate(self._names)}
        rows = [
            [number[other] for other in dict.fromkeys((*catalogued, *learned.get(name, ()))) if other in number]
            for name, catalogued in zip(
                self._names, (() if item is None else item.complements for item in self.records), strict=True
            )
        ]
        table = np.full((len(rows), max(map(len, rows), default=0)), NO_CODE, dtype=np.int32)
        for arm, row in enumerate(rows):
            table[arm, : len(row)] = row
        return table


def _test(match: declared.Match, now_ms: int) -> Callable[[str, ItemFacts | None], bool]:
    """Whether an arm, by name and record, passes every filter that is set."""
    names, categories, brands, tags = map(frozenset, (match.items, match.categories, match.brands, match.tags))
    since = now_ms - match.newer_than_days * DAY_MS if match.newer_than_days else None

    def test(name: str, item: ItemFacts | None) -> bool:
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
