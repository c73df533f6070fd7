"""Rules for items by positions, with gaps between the rows of a page, so that none is near one of another row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from policy.arrays import Bools, Indices
from policy.pages.compiled import CompiledPage
from policy.rules.compiled import CompiledRules
from policy.rules.kinds.pin import SoftPins


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Rules for slates of W positions: the slots of rows with gaps between rows, so that no two of them are near.

    `positions` int[S] is where each slot is, `rows` and `columns` int[W] what is there; a gap is like the slot before.
    """

    rules: CompiledRules
    positions: Indices
    rows: Indices
    columns: Indices

    @classmethod
    def of(cls, page: CompiledPage, rules: CompiledRules) -> Spread:
        """As wide as spacings ask for; without the pins in slots that a template leaves out."""
        gap = max(1, int(rules.spacings.distances.max(initial=1)) - 1)
        positions = np.arange(len(page.row_of)) + gap * page.row_of
        slots = np.searchsorted(positions, np.arange(positions[-1] + 1), side="right") - 1
        pins = rules.pins.only([at for at, slot in enumerate(rules.pins.slots) if page.present[slot]])
        caps, places = rules.caps, rules.placements
        allowed = np.ascontiguousarray(places.allowed[slots])
        spread = replace(
            rules,
            pins=replace(pins, slots=tuple(int(positions[slot]) for slot in pins.slots)),
            soft_pins=_soft_pins(page, rules.soft_pins, positions),
            caps=replace(caps, slots=np.ascontiguousarray(caps.slots[:, slots])),
            placements=replace(places, slots=places.slots[:, slots], allowed=allowed),
        )
        return cls(spread, positions, page.row_of[slots], page.column_of[slots])

    @property
    def width(self) -> int:
        """How many positions there are, W."""
        return len(self.rows)


def _soft_pins(page: CompiledPage, pins: SoftPins, positions: Indices) -> SoftPins:
    """By positions, and without the slots that a template leaves out."""
    slots: Bools = np.zeros((len(pins.labels), int(positions[-1]) + 1), dtype=np.bool_)
    slots[:, positions] = pins.slots & page.present
    return pins.within(slots)
