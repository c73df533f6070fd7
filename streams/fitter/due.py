"""Which pages are worth another fit: a pure object, the time comes in with every call.

A fit moves by what was learned since the last one, as layouts do (`streams.layouts.due`): by a share of the
impressions or clicks that it was made from.  How much came shows only once a page's counts were read; so one that
was not due is looked at again halfway to when it will be at this pace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from policy.slates.renewal import is_enough
from streams.catalog.weights import ONE, weights
from streams.fold.deltas import Traffic
from streams.fold.evidence import Evidence
from streams.fold.measure import Amount
from streams.fold.measures import FOLLOWED
from streams.state.arrays.packed import total
from streams.state.arrays.tables import Table

ACTED = (
    "clicks",
    "conversions",
    *(measure.name for measure in FOLLOWED.measures if measure.amount in (Amount.SIGNAL, Amount.RETURN)),
)
"""Measures of what visitors did."""
Verdict = Literal["due", "unchanged", "deferred"]


@dataclass(frozen=True, slots=True)
class Basis:
    """What a page is fitted from: `declared` beside its counts, the spans of these, all that they are, and by age."""

    declared: Sequence[object]
    spans: frozenset[range]
    counted: Evidence
    weighted: Evidence


@dataclass(slots=True)
class _Fit:
    basis: Basis
    at: float
    look_at: float


def basis_of(declared: Sequence[object], tables: Sequence[Table], half_life_ms: int) -> Basis:
    """What is there now."""
    weight_of = weights(tables, half_life_ms)
    counted = [0.0, 0.0, 0.0, 0.0]
    for table in tables:
        if table.traffic is not Traffic.FALLBACK:
            shown, clicked = total(table, "impressions"), sum(total(table, name) for name in ACTED)
            share = weight_of[table.buckets] / ONE
            for at, more in enumerate((shown, clicked, share * shown, share * clicked)):
                counted[at] += more
    return Basis(declared, frozenset(weight_of), Evidence(*counted[:2]), Evidence(*counted[2:]))


class FitRule:
    """What pages were fitted from, and when each is looked at again; times are seconds of one steady clock."""

    def __init__(self, growth_share: float, rest_s: float, interval_s: float) -> None:
        self._share = growth_share
        self._rest = rest_s
        self._interval = interval_s
        self._fits: dict[str, _Fit] = {}

    def looks(self, page: str, declared: Sequence[object], now: float) -> bool:
        """Whether it is time to read the page's counts."""
        fit = self._fits.get(page)
        return fit is None or now >= fit.look_at or fit.basis.declared != declared

    def verdict(self, page: str, basis: Basis, now: float, at_once: bool = False) -> Verdict:
        """Whether the page is to be fitted; `at_once`: to whatever came."""
        fit = self._fits.get(page)
        if fit is None or fit.basis.declared != basis.declared:
            return "due"
        before = fit.basis
        if (before.spans, before.counted) == (basis.spans, basis.counted):
            return "unchanged"
        growth = [max(0.0, more - had) for more, had in zip(basis.counted, before.counted, strict=True)]
        passed = now - fit.at
        if at_once or passed >= self._rest or is_enough(growth, before.weighted, self._share):
            return "due"
        had = [max(1.0, self._share * count) for count in before.weighted]
        done = max(more / enough for more, enough in zip(growth, had, strict=True))
        wait = passed * (1.0 / done - 1.0) / 2 if done > 0.0 else self._rest
        fit.look_at = min(now + max(self._interval, wait), fit.at + self._rest)
        return "deferred"

    def fitted(self, page: str, basis: Basis, now: float) -> None:
        """The page is fitted from this."""
        self._fits[page] = _Fit(basis, now, now)

    def keep(self, pages: Iterable[str]) -> None:
        """Forget all pages but these."""
        self._fits = {page: fit for page in pages if (fit := self._fits.get(page)) is not None}
