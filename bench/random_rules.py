"""Random rules for items, of any kind that a merchant might publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from policy.simulation.shop import Offer
from schemas.rules import Bid, Boost, Cap, Exposure, Match, Pin, Placement, Rule, Spacing


class _About(NamedTuple):
    """What a rule is about, and where what else it says comes from."""

    random: np.random.Generator
    match: Match
    slot: str
    item: str


_MAKE: Mapping[str, Callable[[_About], Rule]] = {
    "pin": lambda about: Pin(name="rule", item=about.item, slot=about.slot),
    "soft pin": lambda about: Pin(name="rule", item=about.item, slot=about.slot, or_above=True),
    "boost": lambda about: Boost(
        name="rule", match=about.match, factor=float(about.random.choice([0.0, 0.3, 0.7, 1.5, 3.0]))
    ),
    "cap": lambda about: Cap(name="rule", by="category", most=int(about.random.integers(1, 3))),
    "spacing": lambda about: Spacing(name="rule", by="category", distance=int(about.random.integers(2, 4))),
    "place": lambda about: Placement(
        name="rule", match=about.match, slots=[about.slot], reserved=bool(about.random.integers(2))
    ),
    "exposure": lambda about: Exposure(name="rule", match=about.match, most=float(about.random.choice([0.2, 0.5]))),
    "bid": lambda about: Bid(
        name="rule", match=about.match, amount=float(about.random.choice([0.1, 0.25, 0.5, 1.0])), worth=0.5
    ),
}
KINDS = tuple(_MAKE)


def random_rule(random: np.random.Generator, slots: Sequence[str], offer: Offer, kinds: Sequence[str] = ()) -> Rule:
    """A rule of one of these kinds, or of any."""
    match = Match(categories=[str(random.choice(sorted({item.category for item in offer.items})))])
    slot, item = str(random.choice(slots)), offer.items[int(random.integers(len(offer.items)))].item
    names = kinds or KINDS
    return _MAKE[names[int(random.integers(len(names)))]](_About(random, match, slot, item))
