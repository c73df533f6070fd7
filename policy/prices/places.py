"""How often each item stands in each place of a page view, and is looked at there, under the slates of a layout."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Slate = Mapping[str, str]
Places = Mapping[tuple[str, str], float]
"""Shares of page views by item and place: a slot of a flat page, or a slot under a shelf (`place_under`)."""


class Crowding(NamedTuple):
    """Items take clicks from those like them: each is worth `factor` for every item of its kind above it."""

    kinds: Mapping[str, int]
    factor: float


def places_of(slates: Iterable[tuple[Slate, float]], crowding: Crowding | None = None) -> Places:
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


def place_under(shelf: str, slot: str) -> str:
    """A slot while a shelf stands there."""
    return f"{slot}\t{shelf}"


def shelf_places_of(slates: Iterable[tuple[Slate, Slate, float]], row_of: Mapping[str, str]) -> Places:
    """The share of page views that has an item in a slot under a shelf.

    Each of `slates` maps slot to item and row to shelf, with its share; `row_of` says in which row a slot is.
    """
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for slate, rows, share in slates:
        for slot, item in slate.items():
            totals[item, place_under(rows[row_of[slot]], slot)] += share
    return totals


def looks(places: Places, examination: Mapping[str, float]) -> dict[str, float]:
    """The chance that each item is looked at in a page view; `examination` says how likely each place is."""
    totals: dict[str, float] = defaultdict(float)
    for (item, place), share in places.items():
        totals[item] += share * examination[place]
    return totals
