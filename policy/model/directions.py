"""The directions of vectors that weights are fitted in: those in which a page's items differ most."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from policy.arrays import Floats

DIRECTIONS = 32


def directions_of(vectors: Floats) -> Floats:
    """Principal directions of the vectors, float64[D, T], in which the values of an item have the mean square sum 1.

    So vectors of any kind and size begin with as much to say as one label of an item.  The mean is not taken off: it
    ends up in the base rate.
    """
    centred = vectors - vectors.mean(axis=0) if len(vectors) else vectors
    rows = centred[np.abs(vectors).sum(axis=1) > 0.0]
    if len(rows) < 2:
        return np.zeros((vectors.shape[1], 0))
    sizes, axes = _principal(rows)
    rank = int((sizes > sizes[0] * 1e-3).sum()) if sizes[0] > 0 else 0
    whole = max(float(np.linalg.norm(sizes[:rank])), 1e-12)
    return np.asarray(axes[:, :rank] * (np.sqrt(len(rows)) / whole), dtype=np.float64)


def _principal(rows: Floats) -> tuple[Floats, Floats]:
    """The largest singular values, at most `DIRECTIONS`, with their right axes [D, T]: by the shorter side.

    Products square what sizes differ by, which leaves those exact that are not left out as too small.
    """
    wide = len(rows) <= rows.shape[1]
    products = rows @ rows.T if wide else rows.T @ rows
    last = len(products) - 1
    squares, columns = eigh(products, subset_by_index=(max(0, last - DIRECTIONS + 1), last))
    sizes, columns = np.sqrt(np.maximum(squares[::-1], 0.0)), columns[:, ::-1]
    return sizes, rows.T @ columns / np.maximum(sizes, 1e-300) if wide else columns
