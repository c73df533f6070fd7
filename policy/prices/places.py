"""How often each item stands in each slot of a page view, and is looked at there, under the slates of a layout."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Slate = Mapping[str, str]
Places = Mapping[tuple[str, str], float]
"""Shares of page views by item and slot."""


class Crowding(NamedTuple):
    """Items take clicks from those like them: each is worth `factor` for every item of its kind above it."""

    kinds: Mapping[str, int]
    factor: float


def places_of(slates: Iterable[tuple[Slate, float]], crowding: Crowding | None = None) -> dict[tuple[str, str], float]:
    """The share of page views that has an item in a slot, for each of `slates` and their shares.

    A slate maps slot to item in rendered order.  An item counts as far as those above leave clicks for it.
    """
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for slate, share in slates:
        above: Counter[int] = Counter()
        for slot, item in slate.items():
            kind = crowding.kinds.get(item, -1) if crowding else -1
            totals[item, slot] += share if crowding is None or kind < 0 else share * crowding.factor ** above[kind]
            above[kind] += 1
    return totals


def looks(places: Places, examination: Mapping[str, float]) -> dict[str, float]:
    """The chance that each item is looked at in a page view; `examination` says how likely each slot is."""
    totals: dict[str, float] = defaultdict(float)
    for (item, slot), share in places.items():
        totals[item] += share * examination[slot]
    return totals
