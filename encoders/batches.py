"""Which texts go through the model together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def batches(lengths: Sequence[int], budget: int) -> Iterator[Rows]:
    """Rows of texts of like length, longest first, each batch of at most `budget` tokens with its padding.

    `lengths` are in tokens.  Every row is in exactly one batch; a text longer than the
    budget goes alone.  Longest first, so that a device too small is noticed at once.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        count = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + count]
        start += count
