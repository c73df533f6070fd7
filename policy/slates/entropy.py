"""How evenly a layout spreads its choices."""

from __future__ import annotations

import math
from collections.abc import Mapping


def entropy(propensities: Mapping[str, Mapping[str, float]], variants: int) -> float:
    """Shannon's entropy of the propensities of a slot, mean over slots, as a share of log(`variants`).

    0: every variant shows the same; 1: each shows another item in every slot.  It is
    0 for one variant and for a layout without slots.
    """
    if variants < 2 or not propensities:
        return 0.0
    spread = sum(-p * math.log(p) for by_item in propensities.values() for p in by_item.values() if p > 0.0)
    return min(1.0, spread / len(propensities) / math.log(variants))
