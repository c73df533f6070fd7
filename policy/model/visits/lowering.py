"""How many impressions are left once those are lowered that stood below clicks, or below items like them.

Counts by item and slot do not say what stood above each impression, but they say what stood in the slots above on
average; slots are taken to be filled independently of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Codes, Counts, Floats
from schemas.messages.parameters import VisitFit


class Lowering(NamedTuple):
    """The factors that hold on a page, 1 where none does; `kinds` int[A] are categories of arms, -1 without one."""

    after_click: float
    after_alike: float
    kinds: Codes

    def lower(self, impressions: Counts, clicks: Counts) -> Floats:
        """Impressions [..., A, S] as if nothing had been clicked, and nothing alike been shown, above them.

        Slots are in rendered order.
        """
        shown = np.asarray(impressions, dtype=np.float64)
        return np.asarray(shown * self._below_clicks(shown, clicks) * self._below_alike(shown), dtype=np.float64)

    def _below_clicks(self, shown: Floats, clicks: Counts) -> Floats:
        """What is left below the clicks of each slot above, [..., 1, S]."""
        if self.after_click == 1.0:
            return np.ones(1)
        total = shown.sum(axis=-2, keepdims=True)
        rates = np.minimum(1.0, clicks.sum(axis=-2, keepdims=True) / np.maximum(total, 1e-300)) * (total > 0.0)
        return _of_those_above(1.0 - (1.0 - self.after_click) * rates)

    def _below_alike(self, shown: Floats) -> Floats:
        """What is left below the other items of the category in each slot above, [..., A, S]."""
        if self.after_alike == 1.0 or not self.kinds.size or self.kinds.max() < 0:
            return np.ones(1)
        order = np.argsort(self.kinds, kind="stable")
        first, numbers = (
            np.unique(self.kinds[order], return_index=True)[1],
            np.unique(self.kinds, return_inverse=True)[1],
        )
        sums = np.add.reduceat(shown[..., order, :], first, axis=-2)
        same = np.where((self.kinds >= 0)[:, None], sums[..., numbers, :] - shown, 0.0)
        # An arm that stands here stands in no slot above.
        others = shown.sum(axis=-2, keepdims=True) - shown
        shares = np.divide(same, others, out=np.zeros_like(shown), where=others > 0.0)
        return _of_those_above(1.0 - (1.0 - self.after_alike) * np.clip(shares, 0.0, 1.0))


def _of_those_above(factors: Floats) -> Floats:
    """The product of the factors of all slots above each one."""
    above = np.cumprod(factors, axis=-1)
    return np.concatenate([np.ones_like(above[..., :1]), above[..., :-1]], axis=-1)


def kinds_of(categories: Sequence[str]) -> Codes:
    """Numbers of categories by name, int32[A]; -1 where there is none."""
    numbers = {name: number for number, name in enumerate(sorted({*categories} - {""}))}
    return np.fromiter((numbers.get(name, -1) for name in categories), dtype=np.int32, count=len(categories))


def lowering_of(fit: VisitFit | None, kinds: Codes) -> Lowering | None:
    """What a fit says holds on a page; None where nothing does."""
    if not fit or not (fit.after_click.in_force or fit.after_alike.in_force):
        return None
    after_click, after_alike = (
        effect.factor if effect.in_force else 1.0 for effect in (fit.after_click, fit.after_alike)
    )
    return Lowering(after_click, after_alike, kinds)
