"""What the visitors of a sample looked at: one vote of a visitor for each of their last items."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from policy.arrays import Codes, Floats, Indices


@dataclass(frozen=True)
class Votes:
    """Votes of N units for M items.

    Unit u has `items[starts[u]:starts[u + 1]]`: numbers into `names`, each once, the one it looked at last at the end.
    `values` has for attributes the value of each unit, "" where it is not known.
    """

    names: tuple[str, ...]
    starts: Indices
    items: Codes
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """N."""
        return len(self.starts) - 1

    @cached_property
    def matrix(self) -> csr_array:
        """1 where a unit has an item, float32[N, M]."""
        ones = np.ones(len(self.items), dtype=np.float32)
        return csr_array((ones, self.items, self.starts), shape=(self.units, len(self.names)))

    @cached_property
    def popularity(self) -> Floats:
        """The share of all votes that each item has, float64[M]; no item has none at all."""
        counts = np.bincount(self.items, minlength=len(self.names)).astype(np.float64) + 0.5
        shares: Floats = counts / counts.sum()
        return shares

    def some(self, units: Indices) -> Votes:
        """The votes of these units, with the same items."""
        sizes = np.diff(self.starts)[units]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        offsets = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        items = self.items[np.repeat(self.starts[units], sizes) + offsets]
        values = {name: [values[unit] for unit in units] for name, values in self.values.items()}
        return Votes(self.names, starts, items, values)

    def newest_held_out(self) -> tuple[Votes, Codes]:
        """The votes of units with two and more, without the newest of each; and these, int32[N]."""
        several = self.some(np.flatnonzero(np.diff(self.starts) >= 2))
        ends = several.starts[1:] - 1
        older = np.ones(len(several.items), dtype=np.bool_)
        older[ends] = False
        starts = several.starts - np.arange(len(several.starts))
        return Votes(self.names, starts, several.items[older], several.values), several.items[ends]


def votes_of(
    units: Sequence[Sequence[str]],
    values: Mapping[str, Sequence[str]] | None = None,
    window: int = 16,
    among: Container[str] | None = None,
) -> Votes:
    """The votes of units for the last `window` of the items that each looked at, the newest last.

    Items that are not `among` these have no votes.
    """
    numbers: dict[str, int] = {}
    starts, items = [0], []
    for looked_at in units:
        last = list(dict.fromkeys(reversed(looked_at)))[:window]
        items += [numbers.setdefault(item, len(numbers)) for item in reversed(last) if among is None or item in among]
        starts.append(len(items))
    return Votes(tuple(numbers), np.array(starts, dtype=np.intp), np.array(items, dtype=np.int32), values or {})
