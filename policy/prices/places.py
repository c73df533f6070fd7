"""How often each item stands in each slot of a page view, and is looked at there, under the slates of a layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

Slate = Mapping[str, str]
Places = Mapping[tuple[str, str], float]
"""Shares of page views by item and slot."""


def places_of(slates: Iterable[tuple[Slate, float]]) -> dict[tuple[str, str], float]:
    """The share of page views that has an item in a slot, for each of `slates` (slot to item) and their shares."""
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for slate, share in slates:
        for slot, item in slate.items():
            totals[item, slot] += share
    return totals


def looks(places: Places, examination: Mapping[str, float]) -> dict[str, float]:
    """The chance that each item is looked at in a page view; `examination` says how likely each slot is."""
    totals: dict[str, float] = defaultdict(float)
    for (item, slot), share in places.items():
        totals[item] += share * examination[slot]
    return totals
