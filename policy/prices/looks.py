"""How often each item is looked at in a page view, under the slates of a layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

Slate = Mapping[str, str]


def looks(slates: Iterable[tuple[Slate, float]], examination: Mapping[str, float]) -> dict[str, float]:
    """The chance that an item is looked at in a page view, for each item of `slates` (slot to item) and their shares.

    `examination` says how likely each slot is looked at: a click is then as likely as the item is attractive
    (`policy.model.examination`).
    """
    totals: dict[str, float] = defaultdict(float)
    for slate, share in slates:
        for slot, item in slate.items():
            totals[item] += share * examination[slot]
    return totals
