"""What was fitted of shelves and rows, as a message and back as arrays of a page as it is declared now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import Floats
from policy.model.priors import WHOLE_PAGE
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Shelves
from policy.pages.model.factors import Factors
from policy.pages.model.fitting import OrderFactors, ShelfFit
from policy.pages.model.looks import Looks
from schemas.messages.parameters import Factor, ShelvesFit

_NOTHING = ShelvesFit()
Pair = tuple[Floats, Floats]
"""Factors with their relative variances."""


def shelves_fit(page: CompiledPage, fit: ShelfFit, segments: Sequence[str], orders: OrderFactors | None) -> ShelvesFit:
    """The message of a fit, whose segments have these names."""
    rows, shelves, columns = page.page.row_names, page.page.shelf_names, page.slots.shape[1]
    of_page, of_segments, of_spots = fit.factors.variances

    def factors(means: Floats, variances: Floats) -> dict[str, Factor]:
        return {name: (_short(means[at]), _short(variances[at])) for at, name in enumerate(shelves)}

    bought: dict[str, dict[str, Factor]] = {}
    if orders:
        bought = {name: factors(orders.segments[at], orders.variances[at]) for at, name in enumerate(segments)}
        bought[WHOLE_PAGE] = factors(orders.segments.mean(axis=0), orders.variances.mean(axis=0))
    reach = {WHOLE_PAGE: fit.reach.mean(axis=0)} | dict(zip(segments, fit.reach, strict=True))
    return ShelvesFit(
        rows=dict(zip(rows, map(_short, fit.looks.rows), strict=True)),
        columns={kind: [_short(look) for look in fit.looks.columns[at, :columns]] for at, kind in _kinds(page)},
        slots=dict(zip(page.page.slots, map(_short, fit.looks.own), strict=True)),
        reach={name: dict(zip(rows, map(_short, shares), strict=True)) for name, shares in reach.items()},
        page=factors(fit.factors.page, of_page),
        segments={name: factors(fit.factors.segments[at], of_segments[at]) for at, name in enumerate(segments)},
        spots={row: factors(fit.factors.spots[:, at], of_spots[:, at]) for at, row in enumerate(rows)},
        orders=bought,
        segment_variance=_short(1.0 / fit.factors.levels.strength),
    )


def _short(number: float) -> float:
    """Six digits: more is no knowledge."""
    return float(f"{number:.6g}")


def _kinds(page: CompiledPage) -> list[tuple[int, str]]:
    return list(enumerate(page.kind_names))


@dataclass(frozen=True, slots=True, eq=False)
class SegmentShelves:
    """What is known of a page's shelves in one segment: looks at slots [H, S], what shelves add there [H, S], the rest.

    `reach` [R] is the share of page views in which rows come into view.
    """

    looks: Floats
    added: Floats
    reach: Floats
    shelves: Shelves

    @classmethod
    def of(cls, page: CompiledPage, message: ShelvesFit | None, segment: str) -> SegmentShelves:
        """Of a segment by its name; what the message does not name is what is taken for granted of every page."""
        fit, start = message or _NOTHING, Factors.start(page, 1)
        looks = _looks(page, fit).of_slots(page)
        of_page, _, of_spots = start.variances
        factors = _pair(page, fit.page, (start.page, of_page + fit.segment_variance))
        if segment != WHOLE_PAGE:
            between = np.where(page.titled, fit.segment_variance, 0.0)
            factors = _pair(page, fit.segments.get(segment, {}), (factors[0], factors[1] + between))
        by_row = [
            _pair(page, fit.spots.get(row, {}), (np.ones(len(page.kinds)), of_spots[:, 0])) for row in _rows(page)
        ]
        spots = np.stack([pair[0] for pair in by_row]), np.stack([pair[1] for pair in by_row])
        shares = fit.reach.get(segment, fit.reach.get(WHOLE_PAGE, {}))
        reach = np.array([shares.get(row, 1.0) for row in _rows(page)])
        bought = fit.orders.get(segment, fit.orders.get(WHOLE_PAGE))
        nothing = np.ones(len(page.kinds)), np.zeros(len(page.kinds))
        shelves = Shelves(
            weights=page.by_column(looks) * reach[:, None, None],
            factors=factors,
            spots=spots,
            orders=_pair(page, bought, nothing) if bought else None,
        )
        return cls(looks, factors[0][:, None] * spots[0].T[:, page.row_of], reach, shelves)


def _rows(page: CompiledPage) -> Sequence[str]:
    return page.page.row_names


def _looks(page: CompiledPage, fit: ShelvesFit) -> Looks:
    start = Looks.start(page)
    rows = np.array([fit.rows.get(row, start.rows[at]) for at, row in enumerate(_rows(page))])
    columns = start.columns.copy()
    for at, kind in _kinds(page):
        stored = fit.columns.get(kind, [])[: columns.shape[1]]
        columns[at, : len(stored)] = stored
    own = np.array([fit.slots.get(slot, 1.0) for slot in page.page.slots])
    return Looks(rows, columns, own)


def _pair(page: CompiledPage, stored: Mapping[str, Factor], default: Pair) -> Pair:
    """Of each shelf, [H]: what is stored, or the default."""
    means, variances = default[0].copy(), default[1].copy()
    for at, name in enumerate(page.page.shelf_names):
        if name in stored:
            means[at], variances[at] = stored[name]
    return means, variances
