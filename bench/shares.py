"""How visitors share themselves out: few names have most of them."""

from __future__ import annotations

import numpy as np

from policy.arrays import Floats


def zipf(count: int) -> Floats:
    """Shares that fall with the rank, one in all."""
    weights: Floats = 1.0 / np.arange(1, count + 1)
    return weights / float(weights.sum())
