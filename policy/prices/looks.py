"""How often each place of a page is looked at, as draws: slots of a flat page, or slots under a shelf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from policy.arrays import Floats, Hashes, Indices
from policy.hashes import arm_hashes
from policy.pages.compiled import CompiledPage
from policy.pages.published import SegmentShelves
from policy.prices.places import place_under
from policy.slates.sampling import factor_draws, normals

DRAWS = 2_000
LEAST_ERROR = 0.06
"""Relative error of looks at a slot, however many its clicks: so far do logs of a policy tell looks from likes."""
LEAST_SHELF_ERROR = 0.2
"""The same of what a shelf adds: it is told from what its items bring only by items that stood on others, too."""
PRIOR_CLICKS = 10.0
"""Clicks that what is assumed of looks at a slot weighs as much as."""


class Looks(Protocol):
    """What is known of looks at places."""

    @property
    def curve(self) -> Mapping[str, float]:
        """How likely each place is looked at in a page view."""
        ...

    def cells(self, places: Iterable[str]) -> Sequence[str]:
        """The places that there are draws of, those given among them, each once."""
        ...

    def draws(self, cells: Sequence[str]) -> Floats:
        """What a look at an item that is sure to be clicked brings in clicks at each place, [N, D]."""
        ...

    def orders(self, cells: Sequence[str]) -> Floats | None:
        """What orders of a click are multiplied by at each place, [N, D]; None where they are the same everywhere."""
        ...

    def counted(self, looked_at: Floats, placed: Floats | None) -> Floats:
        """How much more items were looked at, by draws, than is believed, as factors [N, D].

        `looked_at` [N, S] is how often they were by slot, `placed` [N, H] how often they were on shelves.
        """
        ...


def slot_errors(page: str, segment: str, slots: Sequence[str], clicks: Floats) -> Floats:
    """Draws of how far looks at slots are from what was fitted from so many clicks [S], as factors [S, D]."""
    z = normals(page, segment, arm_hashes(slots), "earnings looks", DRAWS, 0)
    error = np.sqrt(LEAST_ERROR**2 + 1.0 / (PRIOR_CLICKS + clicks))
    return np.asarray(np.exp(error[:, None] * z))


class SlotLooks:
    """Looks at the slots of a flat page, with this `examination` [S] and draws of its errors [S, D]."""

    def __init__(self, slots: Sequence[str], examination: Floats, errors: Floats) -> None:
        self._slots, self._errors = slots, errors
        self._draws = examination[:, None] * errors
        self.curve: Mapping[str, float] = dict(zip(slots, examination.tolist(), strict=True))

    def cells(self, places: Iterable[str]) -> Sequence[str]:
        """All slots."""
        return self._slots

    def draws(self, cells: Sequence[str]) -> Floats:
        """Looks at all slots."""
        return self._draws

    def orders(self, cells: Sequence[str]) -> None:
        """An order is worth the same in all slots."""

    def counted(self, looked_at: Floats, placed: Floats | None) -> Floats:
        """As slots were."""
        return _mixed(looked_at, self._errors)


class ShelfLooks:
    """Looks at slots under shelves: the row's reach, times the look, times what the shelf adds there.

    Draws of what a shelf adds, and of what it adds to orders, are the same wherever it stands, but for what it adds in
    one row and not in another.  Looks of a row, and what a shelf adds, have an error of `LEAST_ERROR` besides, however
    much was counted: logs of a policy tell rows, shelves and items apart only so far.
    """

    def __init__(self, page: CompiledPage, shelves: SegmentShelves, names: tuple[str, str], errors: Floats) -> None:
        """With the names of page and segment, and draws of the errors of looks at slots [S, D]."""
        self._page, self._names = page, names
        rows, count, _ = page.shape
        believed = shelves.shelves
        means, variances = believed.factors
        self._factors = factor_draws(
            means, variances + LEAST_SHELF_ERROR**2, self._normals("earnings shelf", page.hashes)
        )
        self._believed = means
        in_row = self._normals("earnings row", arm_hashes(page.page.row_names))
        self._errors = errors * np.exp(LEAST_ERROR * in_row)[page.row_of]
        means, variances = (part.ravel() for part in believed.spots)
        in_rows = factor_draws(means, variances, self._normals("earnings shelf in row", page.spot_hashes))
        self._spots = in_rows.reshape(rows, count, DRAWS)
        self._orders: Floats | None = None
        if believed.orders:
            self._orders = factor_draws(*believed.orders, self._normals("earnings shelf orders", page.hashes))
        self._looks = shelves.looks * shelves.reach[page.row_of]
        self._places = {
            place_under(shelf, slot): (at, number)
            for number, shelf in enumerate(page.page.shelf_names)
            for at, slot in enumerate(page.page.slots)
        }
        self.curve: Mapping[str, float] = {
            place: float(self._looks[number, at]) for place, (at, number) in self._places.items()
        }

    def _normals(self, stage: str, hashes: Hashes) -> Floats:
        return normals(*self._names, hashes, stage, DRAWS, 0)

    def cells(self, places: Iterable[str]) -> Sequence[str]:
        """The places given."""
        return list(dict.fromkeys(places))

    def draws(self, cells: Sequence[str]) -> Floats:
        """Looks in slots under shelves, times what these add."""
        slots, shelves = self._numbers(cells)
        added = self._factors[shelves] * self._spots[self._page.row_of[slots], shelves]
        return np.asarray(self._looks[shelves, slots][:, None] * self._errors[slots] * added)

    def orders(self, cells: Sequence[str]) -> Floats | None:
        """What shelves add to orders per click."""
        return None if self._orders is None else self._orders[self._numbers(cells)[1]]

    def counted(self, looked_at: Floats, placed: Floats | None) -> Floats:
        """As slots and shelves were."""
        by_slot = _mixed(looked_at, self._errors)
        if placed is None:
            return by_slot
        return np.asarray(by_slot * _mixed(placed, self._factors / self._believed[:, None]))

    def _numbers(self, cells: Sequence[str]) -> tuple[Indices, Indices]:
        pairs = [self._places[cell] for cell in cells]
        at_slots, of_shelves = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        return at_slots, of_shelves


def _mixed(weights: Floats, draws: Floats) -> Floats:
    """Means of draws [K, D] by weights [N, K]; 1 where nothing weighs."""
    total = weights.sum(axis=1, keepdims=True)
    mixed = weights @ draws
    return np.asarray(np.divide(mixed, total, out=np.ones_like(mixed), where=total > 0.0))
