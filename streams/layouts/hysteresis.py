"""Layouts that gain too little over the published ones are held back, so that pages do not flicker.

Among items that are nearly equal any click changes some slots, which visitors see and
nobody gains from.  Whole layouts are held back, never single slates: so each
published layout is what its state, rules and parameters say, can be made again
from them, and its propensities are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.slates.renewal import SlateValue, gain
from schemas.messages.layouts import Layout
from streams.catalog.page import Key, Page
from streams.layouts.compose import Composed

SMALL = 2**15
Basis = tuple[object, ...]
"""What a layout was made from beside counts and what was fitted to them."""


@dataclass(frozen=True, slots=True)
class _Published:
    """Slates that renderers have, as numbers of the candidates; `basis` is all that must be the same."""

    version: int
    basis: Basis
    slates: Sequence[NDArray[np.integer]]


class Hysteresis:
    """What is published, and whether something else would gain enough; a threshold of 0 holds nothing back."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._published: dict[Key, _Published] = {}

    def holds(self, key: Key, composed: Composed, basis: Basis, version: int) -> bool:
        """Whether the layout of this version stays, as the new one gains too little over it."""
        before = self._published.get(key)
        if not self._threshold or before is None or (before.version, before.basis) != (version, basis):
            return False
        return gain(composed.values, [slates.astype(np.int32) for slates in before.slates]) <= self._threshold

    def published(self, key: Key, composed: Composed, basis: Basis, version: int) -> None:
        """Renderers have these slates, as this version; where a page fell back they are not those that are valued."""
        if composed.layout.guard_rail or composed.layout.segments_withdrawn:
            self._published.pop(key, None)
            return
        self._published[key] = _Published(version, basis, [_small(value) for value in composed.values])

    def forget(self, key: Key) -> None:
        """Renderers have no layout of the key any more."""
        self._published.pop(key, None)

    def keep(self, is_owned: Callable[[Key], bool]) -> None:
        """Forget keys that went to another worker."""
        self._published = {key: published for key, published in self._published.items() if is_owned(key)}


def basis_of(page: Page, layout: Layout, changes_at: int) -> Basis:
    """What differs where the page, its items, the day's random numbers, the moment or the experiment do."""
    return (
        page.rules,
        page.candidates,
        page.revision,
        *page.rule_parameters,
        layout.epoch,
        changes_at,
        layout.experiment_since,
        layout.guard_rail,
        layout.segments_withdrawn,
    )


def _small(value: SlateValue) -> NDArray[np.integer]:
    return value.slates.astype(np.int16) if len(value.scores) <= SMALL else value.slates
