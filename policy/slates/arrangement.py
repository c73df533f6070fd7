"""From scores to slates: which arm goes into which slot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policy.arrays import EMPTY, Floats, Hashes
from policy.slates.compiled import BUILT, scan


def slates(scores: Floats, examination: Floats, hashes: Hashes, built: bool = BUILT) -> NDArray[np.int32]:
    """The slate of each variant, int32[V, S]: an arm's row, or -1 where no arm is left.

    The best arm goes to the slot most looked at and so on down, which maximises
    the expected number of clicks under the position-based model; no arm is
    twice in a slate.  Equal scores are ordered by the arms' hashes and equal
    slots by position, so the order of arms in the input does not matter.  An
    arm whose score is not a number or minus infinity is not placed.  `built` says whether
    the compiled code does it, which is quicker.
    """
    arms, variants = scores.shape
    filled = np.full((variants, len(examination)), EMPTY, dtype=np.int32)
    top = min(arms, len(examination))
    if top == 0:
        return filled
    canonical = np.argsort(hashes, kind="stable")
    by_examination = np.argsort(-examination, kind="stable")
    if built:
        scan.top(filled, np.ascontiguousarray(scores), canonical, by_examination[:top], np.empty(top))
        return filled
    ordered = _comparable(scores[canonical].T)
    best = _best(ordered, top)
    placeable = np.take_along_axis(ordered, best, axis=1) > -np.inf
    filled[:, by_examination[:top]] = np.where(placeable, canonical[best], EMPTY)
    return filled


def _comparable(scores: Floats) -> Floats:
    """A contiguous copy with what is not a number at the bottom."""
    copy = np.ascontiguousarray(scores)
    copy[np.isnan(copy)] = -np.inf
    return copy


def _best(scores: Floats, top: int) -> NDArray[np.intp]:
    """Columns of the `top` largest scores of each row, best first, earlier columns first among equals.

    `argpartition` alone would choose among equals as the machine's vector units
    please; the value at the cut is the same everywhere.
    """
    columns = scores.shape[1]
    cut = np.partition(scores, columns - top, axis=1)[:, columns - top]
    contenders = np.flatnonzero((scores >= cut[:, None]).any(axis=0))
    order = np.argsort(-scores[:, contenders], axis=1, kind="stable")[:, :top]
    return contenders[order]


def propensities(filled: NDArray[np.int32]) -> list[dict[int, float]]:
    """For each slot the share of variants that hold each arm there, arms by row number.

    These are exact probabilities: variants are equally likely.
    """
    variants = len(filled)
    return [
        {arm: count / variants for arm, count in sorted(Counter(column).items()) if arm != EMPTY}
        for column in filled.T.tolist()
    ]


def named(row: Sequence[int], places: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """What stands in each place by name, from row numbers; a place where nothing stands is left out."""
    if EMPTY not in row:
        return dict(zip(places, map(names.__getitem__, row), strict=True))
    return {place: names[at] for place, at in zip(places, row, strict=True) if at != EMPTY}


def named_propensities(
    filled: NDArray[np.int32], places: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """`propensities` by name; a place where nothing ever stands is left out."""
    shares = zip(places, propensities(filled), strict=True)
    return {place: {names[at]: share for at, share in those.items()} for place, those in shares if those}
