"""How likely a slot is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def examination(slots: Sequence[str], fitted: Mapping[str, float]) -> NDArray[np.float64]:
    """Probability that each of `slots` (in rendered order) is looked at, float64[S] in [0, 1].

    A slot that was not fitted gets 1 / log2(2 + position): the logarithmic
    discount of Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation
    of IR techniques", shifted so that the first slot is always looked at.  It
    falls more gently than a power law: too flat a curve only slows learning
    down, too steep a one lets the last slots' few clicks look like quality.
    """
    curve: NDArray[np.float64] = 1.0 / np.log2(2.0 + np.arange(len(slots)))
    for position, slot in enumerate(slots):
        if slot in fitted:
            curve[position] = fitted[slot]
    np.clip(curve, 0.0, 1.0, out=curve)
    return curve
