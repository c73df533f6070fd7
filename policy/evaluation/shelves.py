"""What another arrangement of a page's shelves would have earned: clicks of a shelf per look that it had, by its looks.

The position-based model of Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen (2018), "Offline evaluation of
ranking policies with click models", with shelves in place of items: a shelf earns by being looked at, in whatever
row it stands, and takes its items with it.  A row is looked at as often as it comes into view, times the looks
of its slots.  What a shelf's title adds is in its own clicks, so it need not be known.

Looks are fitted to the same log, where shelves that hardly move leave open what is the row's and what the shelf's: so
the estimate is refused where the log shows shelves never, or `CLIP` times less, in the rows that they would
have, and the fit is made again without each part of the units, so that the interval holds what looks are in doubt by.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from policy.arrays import Codes, Floats
from policy.defaults import LEVEL
from policy.evaluation.clusters import UNSUPPORTED
from policy.evaluation.estimators import CLIP, Estimate
from policy.evaluation.ratio import reach_at_one_look
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import ShelfCounts
from policy.pages.model.fitting import fit_shelves

NAME = "position-based-by-shelf"
PARTS = 32
"""So many parts of the units are enough to tell how much the estimate varies."""
FEWEST_PARTS = 8


class Arrangements(NamedTuple):
    """How likely each shelf stands in each row by segment, float64[G, R, H]: as it was served, and as is asked about.

    What was served are the layouts' `row_propensities`, each layout with the weight of its page views.
    """

    served: Floats
    target: Floats


def row_shares(rows: Codes, chances: Floats, shelves: int) -> Floats:
    """How likely shelves stand in rows, float64[R, H], by slates int[V, R] (-1: none) with chances [V]."""
    stands = rows[:, :, None] == np.arange(shelves)
    return np.asarray(np.einsum("vrh,v->rh", stands, chances), dtype=np.float64)


def exchanged(rows: Codes, upper: int, lower: int) -> Codes:
    """Slates int[V, R] with the shelves of two rows in each other's place."""
    turned = rows.copy()
    turned[:, [upper, lower]] = rows[:, [lower, upper]]
    return turned


def pinned(rows: Codes, row: int, shelf: int) -> Codes:
    """Slates int[V, R] with a shelf in a row; what stood there takes its place, or leaves the page if it had none."""
    moved = np.where(rows == shelf, rows[:, [row]], rows)
    moved[:, row] = shelf
    return moved.astype(rows.dtype)


class ShelfEvidence(NamedTuple):
    """What a page's log says of its shelves, and what it says without each part of the units."""

    page: CompiledPage
    whole: _Looked
    without: Sequence[_Looked]

    @classmethod
    def of(cls, page: CompiledPage, parts: Sequence[ShelfCounts]) -> ShelfEvidence:
        """From counts of learned traffic by parts of the units, no unit in two of them: `PARTS` are enough."""
        some = [part for part in parts if part.views.sum() > 0.0]
        whole = reduce(ShelfCounts.plus, parts)
        return cls(page, _Looked.of(page, whole), [_Looked.of(page, whole.plus(part, -1.0)) for part in some])

    def estimate(self, arrangements: Arrangements, level: float = LEVEL) -> Estimate:
        """Clicks per page view with the target's arrangement, and the gain over what was served.

        Raises `ValueError` where the target puts a shelf into a row that it may not stand in.
        """
        _check(self.page, arrangements.target)
        if len(self.without) < FEWEST_PARTS:
            return _refused(np.nan, f"the log has page views of fewer than {FEWEST_PARTS} parts of the units")
        estimated = self.whole.value(arrangements)
        if estimated.lacking > UNSUPPORTED:
            return _refused(
                estimated.lacking,
                f"{estimated.lacking:.1%} of the arrangement's looks are at shelves in rows where the log shows them "
                f"never or {CLIP:.0f} times less (at most {UNSUPPORTED:.0%} may lack). Set policy.exploration_slates "
                "in the page's rules, which draw shelves by chance, or ask for less of a change, and log again",
            )
        without = [part.value(arrangements) for part in self.without]
        low, high = _bounds(estimated.value, [part.value for part in without], level)
        gain_low, gain_high = _bounds(estimated.gain, [part.gain for part in without], level)
        gained = estimated.gain, max(-1.0, gain_low), gain_high
        return Estimate(
            NAME, estimated.value, max(0.0, low), high, estimated.size, estimated.lacking, False, "", *gained
        )


class _Value(NamedTuple):
    """Clicks per page view, relative to those that were served, page views of equal weight, and what is lacking."""

    value: float
    gain: float
    size: float
    lacking: float


class _Looked(NamedTuple):
    """Page views [G], looks at shelves and their clicks [G, H], and looks that shelves in rows would have [G, R, H]."""

    views: Floats
    looks: Floats
    clicks: Floats
    in_rows: Floats

    @classmethod
    def of(cls, page: CompiledPage, counts: ShelfCounts) -> _Looked:
        fit = fit_shelves(page, counts)
        of_slots = fit.looks.of_slots(page)
        looks = (counts.shelf_impressions * of_slots).sum(axis=2)
        in_rows = fit.reach[:, :, None] * _looks_of_rows(page, of_slots)
        return cls(counts.views, looks, counts.shelf_clicks.sum(axis=2), in_rows)

    def value(self, arrangements: Arrangements) -> _Value:
        views, looks, clicks, in_rows = self
        wished = arrangements.target * in_rows * views[:, None, None]
        weights = np.divide(wished.sum(axis=1), looks, out=np.zeros_like(looks), where=looks > 0.0)
        value, served = float((weights * clicks).sum() / views.sum()), float(clicks.sum() / views.sum())
        spread = float((weights**2 * looks).sum() * looks.sum())
        # Looks at rows are those of all segments together, clicks of a shelf those of each.
        served_in, target_in = (np.einsum("grh,g->rh", shares, views) for shares in arrangements)
        supported = (target_in <= CLIP * served_in) & (looks > 0.0)[:, None, :]
        return _Value(
            value=value,
            gain=value / served - 1.0 if served > 0.0 else np.nan,
            size=float(views.sum()) * float((weights * looks).sum()) ** 2 / spread if spread > 0.0 else 0.0,
            lacking=float(wished[~supported].sum() / wished.sum()) if wished.any() else 1.0,
        )


def _looks_of_rows(page: CompiledPage, of_slots: Floats) -> Floats:
    """Looks that a shelf has in a row in view, in as many columns as it shows there, float64[R, H]."""
    shows = np.arange(page.shape[2]) < page.columns[:, :, None]
    return np.asarray((page.by_column(of_slots) * shows).sum(axis=2))


def _bounds(value: float, without: Sequence[float], level: float) -> tuple[float, float]:
    """The interval of a value, given those without each part: the jackknife of Tukey (1958)."""
    values, size = np.array(without), len(without)
    if not np.isfinite(values).all():
        return -np.inf, np.inf
    below, above = reach_at_one_look((values.mean() - values) * (size - 1) / size, size, level)
    return value + below, value + above


def _check(page: CompiledPage, target: Floats) -> None:
    for row, shelf in np.argwhere((target > 0.0).any(axis=0) & ~page.declared).tolist():
        names = page.page.shelf_names[shelf], page.page.row_names[row]
        raise ValueError("shelf {!r} may not stand in row {!r}: the row names the shelves that may".format(*names))


def _refused(lacking: float, reason: str) -> Estimate:
    return Estimate(NAME, np.nan, np.nan, np.nan, 0.0, lacking, refused=reason)
