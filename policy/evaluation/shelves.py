"""What another arrangement of a page's shelves would have earned: clicks of a shelf per look that it had, by its looks.

The position-based model of Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen (2018), "Offline evaluation of
ranking policies with click models", with shelves in place of items: a shelf earns by being looked at, in whatever
row it stands, and takes its items with it.  A row is looked at as often as it comes into view, times the looks
of its slots.  What a shelf's title adds is in its own clicks, so it need not be known.  Looks and clicks are taken by
column of the shelf, whose first items are mostly its best: so a narrower row has these alone.

Looks are fitted to the same log, where shelves that hardly move leave open what is the row's and what the shelf's: so
the estimate is refused where the log shows shelves never, or `CLIP` times less, in the rows that they would
have, and the fit is made again without each part of the units, so that the interval holds what looks are in doubt by.
A shelf is not worth the same in each row, since other items are on it there and looks are not just so: how far its
clicks in rows stray from what the model expects is estimated (`policy.evaluation.random_effects`), and the interval
holds that, too, by as much as the arrangement moves.  Slates that are filled in different ways, as those of exploration
are, are segments of their own: what a shelf has on it there says nothing of the others.  It is refused, too, where more
or fewer rows would stand above others than in the log, which does not say how often these came into view then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial, reduce
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from policy.arrays import Bools, Codes, Floats, Indices
from policy.defaults import LEVEL
from policy.evaluation.clusters import UNSUPPORTED
from policy.evaluation.estimators import CLIP, Estimate
from policy.evaluation.random_effects import excess_variance
from policy.evaluation.ratio import Interval, reach_at_one_look
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import ShelfCounts, by_row
from policy.pages.model.fitting import fit_shelves

NAME = "position-based-by-shelf"
PARTS = 32
"""So many parts of the units are enough to tell how much the estimate varies."""
FEWEST_PARTS = 8
LEAST_STRAYS = 0.1
"""Clicks of a shelf in a row are taken to stray by that deviation at least: shelves that hardly move cannot tell."""


class Arrangements(NamedTuple):
    """How likely each shelf stands in each row by segment, float64[G, R, H]: as it was served, and as is asked about.

    What was served are the layouts' `row_propensities`, each layout with the weight of its page views.  `columns`
    int[R, H] is how many items shelves would show in rows, where these are not as many as on the page.
    """

    served: Floats
    target: Floats
    columns: Indices | None = None


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
    """What a page's log says of its shelves, and what it says without each part of the units.

    `strays` is the relative variance of what shelves' clicks in rows differ by from what is expected.
    """

    page: CompiledPage
    whole: _Looked
    without: Sequence[_Looked]
    strays: float

    @classmethod
    def of(cls, page: CompiledPage, parts: Sequence[ShelfCounts]) -> ShelfEvidence:
        """From counts of learned traffic by parts of the units, no unit in two of them: `PARTS` are enough."""
        return cls.without_each(page, reduce(ShelfCounts.plus, parts), parts)

    @classmethod
    def without_each(cls, page: CompiledPage, whole: ShelfCounts, parts: Iterable[ShelfCounts]) -> ShelfEvidence:
        """The same from the sum of all parts, and the parts themselves, of which each is held for a moment alone."""
        without = [_Looked.of(page, whole.plus(part, -1.0)) for part in parts if part.views.sum() > 0.0]
        looked = _Looked.of(page, whole)
        return cls(page, looked, without, _strays(page, whole, looked))

    @property
    def views(self) -> float:
        """Page views."""
        return float(self.whole.views.sum())

    def of_groups(self, groups: Sequence[int]) -> ShelfEvidence:
        """That of some segments, with looks as they are fitted to the whole page; arrangements are of these, too."""
        whole = self.whole.of_groups(groups)
        without = (part.of_groups(groups) for part in self.without)
        those = [part for part in without if part.views.sum() < whole.views.sum()]
        return ShelfEvidence(self.page, whole, those, self.strays)

    def served(self, level: float = LEVEL) -> Interval:
        """Clicks per page view as they were, with an interval."""
        value, without = self.whole.served, [part.served for part in self.without]
        low, high = _bounds(value, without, level) if len(without) > 1 else (-np.inf, np.inf)
        return Interval(value, max(0.0, low), high)

    def estimate(self, arrangements: Arrangements, level: float = LEVEL) -> Estimate:
        """Clicks per page view with the target's arrangement, and the gain over what was served.

        Raises `ValueError` where the target puts a shelf into a row that it may not stand in.
        """
        _check(self.page, arrangements.target)
        if len(self.without) < FEWEST_PARTS:
            return _refused(
                np.nan,
                f"the log has page views of fewer than {FEWEST_PARTS} parts of the units, of {PARTS}: intervals take "
                "more visitors. Log for longer",
            )
        shown = _columns_shown(self.page, arrangements.columns)
        estimated = self.whole.value(arrangements, shown)
        if estimated.moved > UNSUPPORTED:
            return _refused(estimated.moved, _MOVED.format(estimated.moved, UNSUPPORTED))
        if estimated.lacking > UNSUPPORTED:
            return _refused(estimated.lacking, _LACKING.format(estimated.lacking, CLIP, UNSUPPORTED))
        without = [part.value(arrangements, shown) for part in self.without]
        deviation = np.sqrt(self.strays) * self.whole.change(arrangements, shown, _columns_shown(self.page, None))
        low, high = _bounds(estimated.value, [part.value for part in without], level, deviation * self.whole.served)
        gain_low, gain_high = _bounds(estimated.gain, [part.gain for part in without], level, deviation)
        gained = estimated.gain, max(-1.0, gain_low), gain_high
        return Estimate(
            NAME, estimated.value, max(0.0, low), high, estimated.size, estimated.lacking, False, "", *gained
        )


_LACKING = (
    "{:.1%} of the arrangement's looks are at shelves in rows where the log shows them never or {:.0f} times less (at "
    "most {:.0%} may lack). Set policy.exploration_slates in the page's rules, which draw shelves by chance, or ask "
    "for less of a change, and log again"
)
_MOVED = (
    "{:.1%} of the arrangement's looks are at rows with more or fewer rows above them than in the log, which does not "
    "say how often they come into view there (at most {:.0%} may be). Let a branch of the page show it, and read "
    "`reshelf experiment branches`"
)


class _Value(NamedTuple):
    """Clicks per page view, relative to those that were served, page views of equal weight, and what is lacking.

    `moved` is the share of looks at rows that stand below more or fewer rows than in the log.
    """

    value: float
    gain: float
    size: float
    lacking: float
    moved: float


class _Looked(NamedTuple):
    """Page views [G] and reach [G, R], looks at shelves and clicks by column [G, H, C], and looks in view [R, H, C]."""

    views: Floats
    reach: Floats
    looks: Floats
    clicks: Floats
    in_view: Floats

    @classmethod
    def of(cls, page: CompiledPage, counts: ShelfCounts) -> _Looked:
        fit = fit_shelves(page, counts)
        of_slots = fit.looks.of_slots(page)
        looks = _by_own_column(page, counts.shelf_impressions * of_slots)
        return cls(counts.views, fit.reach, looks, _by_own_column(page, counts.shelf_clicks), page.by_column(of_slots))

    @property
    def served(self) -> float:
        """Clicks per page view; `nan` without page views."""
        views = float(self.views.sum())
        return float(self.clicks.sum()) / views if views > 0.0 else np.nan

    @property
    def rates(self) -> Floats:
        """Clicks per look, float64[G, H, C]; 0 without looks."""
        return np.divide(self.clicks, self.looks, out=np.zeros_like(self.looks), where=self.looks > 0.0)

    def of_groups(self, groups: Sequence[int]) -> _Looked:
        views, reach, looks, clicks = (part[list(groups)] for part in self[:-1])
        return _Looked(views, reach, looks, clicks, self.in_view)

    def expected(self, shares: Floats, shown: Bools) -> Floats:
        """Clicks of shelves in rows where they stand as likely as that, float64[R, H]."""
        rows = self.reach * self.views[:, None]
        clicks = np.einsum("grh,gr,rhc,ghc->rh", shares, rows, self.in_view * shown, self.rates, optimize=True)
        return np.asarray(clicks, dtype=np.float64)

    def change(self, arrangements: Arrangements, shown: Bools, shown_now: Bools) -> float:
        """How much the clicks of shelves in rows change, as the root of the sum of squares, relative to all clicks."""
        before = self.expected(arrangements.served, shown_now)
        after, whole = self.expected(arrangements.target, shown), float(before.sum())
        return float(np.linalg.norm(after - before)) / whole if whole > 0.0 else 0.0

    def value(self, arrangements: Arrangements, shown: Bools) -> _Value:
        """Of shelves that show these of their columns, bool[R, H, C]."""
        views, reach, looks, clicks, in_view = self
        served, target, _ = arrangements
        rows = reach * views[:, None]
        weight_of = partial(np.einsum, "grh,gr,rhc->ghc", optimize=True)
        wished = weight_of(target, rows, in_view * shown)
        weights = np.divide(wished, looks, out=np.zeros_like(looks), where=looks > 0.0)
        value = float((weights * clicks).sum() / views.sum())
        spread = float((weights**2 * looks).sum() * looks.sum())
        # Looks at rows are those of all segments together, clicks of a shelf those of each.
        served_in, target_in = (np.einsum("grh,g->rh", shares, views) for shares in (served, target))
        frequent = (target_in <= CLIP * served_in)[:, :, None]
        supported, whole = weight_of(target, rows, in_view * (shown & frequent)), float(wished.sum())
        moved = weight_of(target, rows * _moved(served, target), in_view * shown)
        return _Value(
            value=value,
            gain=value / self.served - 1.0 if self.served > 0.0 else np.nan,
            size=float(views.sum()) * float((weights * looks).sum()) ** 2 / spread if spread > 0.0 else 0.0,
            lacking=max(0.0, 1.0 - float(supported[looks > 0.0].sum()) / whole) if whole > 0.0 else 1.0,
            moved=float(moved.sum()) / whole if whole > 0.0 else 0.0,
        )


def _strays(page: CompiledPage, counts: ShelfCounts, looked: _Looked) -> float:
    """The relative variance of what clicks of shelves in rows differ by from looks times clicks per look."""
    of_slots = looked.in_view[page.row_of, :, page.column_of].T
    expected = (counts.shelf_impressions * of_slots * looked.rates[:, :, page.column_of]).sum(axis=0)
    rows, shelves, _ = page.shape
    observed = by_row(page, counts.shelf_clicks.sum(axis=0))
    return max(LEAST_STRAYS**2, excess_variance(observed, by_row(page, expected), rows + shelves))


def _moved(served: Floats, target: Floats) -> Floats:
    """In which share of page views each row has more or fewer rows above it, at least, float64[G, R]."""
    above = (shares.sum(axis=2).cumsum(axis=1) - shares.sum(axis=2) for shares in (served, target))
    return np.asarray(np.minimum(1.0, np.abs(np.subtract(*above))), dtype=np.float64)


def _by_own_column(page: CompiledPage, of_slots: Floats) -> Floats:
    """Sums over rows by column, float64[G, H, C] from [G, H, S]."""
    columns = [of_slots[..., page.column_of == column].sum(axis=-1) for column in range(page.shape[2])]
    return np.asarray(np.stack(columns, axis=-1), dtype=np.float64)


def _columns_shown(page: CompiledPage, columns: Indices | None) -> Bools:
    """Which columns shelves show in rows, bool[R, H, C]."""
    shown = page.columns if columns is None else np.minimum(columns, page.columns)
    return np.asarray(np.arange(page.shape[2]) < shown[:, :, None])


def _bounds(value: float, without: Sequence[float], level: float, deviation: float = 0.0) -> tuple[float, float]:
    """The interval of a value, given those without each part: the jackknife of Tukey (1958).

    `deviation` is one that holds for all parts alike, independent of theirs.
    """
    values, size = np.array(without), len(without)
    if not np.isfinite(values).all():
        return -np.inf, np.inf
    below, above = reach_at_one_look((values.mean() - values) * (size - 1) / size, size, level)
    reach = float(ndtri((1.0 + level) / 2.0)) * deviation
    return value - float(np.hypot(below, reach)), value + float(np.hypot(above, reach))


def fits(page: CompiledPage) -> Bools:
    """Where shelves may stand by what rows say, and have as many columns as they need, bool[R, H]."""
    return np.asarray(page.declared & (page.columns >= page.least))


def _check(page: CompiledPage, target: Floats) -> None:
    for row, shelf in np.argwhere((target > 0.0).any(axis=0) & ~fits(page)).tolist():
        names = page.page.shelf_names[shelf], page.page.row_names[row]
        reason = "the row names the shelves that may" if not page.declared[row, shelf] else "it has too few columns"
        raise ValueError("shelf {!r} may not stand in row {!r}: {}".format(*names, reason))


def _refused(lacking: float, reason: str) -> Estimate:
    return Estimate(NAME, np.nan, np.nan, np.nan, 0.0, lacking, refused=reason)
