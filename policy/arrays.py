"""Kinds of arrays by what their numbers mean; shapes are given where they are used, as float64[A]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Real numbers: rates, scores, weights."""
Ints = NDArray[np.int64]
"""Counts, sums of money in minor units, times in milliseconds."""
Counts = Ints | Floats
"""Counts as they were counted, or weighted by their age."""
Bools = NDArray[np.bool_]
"""Which of a list."""
Codes = NDArray[np.int32]
"""Numbers of arms, slots or labels; -1 stands for none."""
Indices = NDArray[np.intp]
"""Places in other arrays."""
Hashes = NDArray[np.uint64]
"""Hashes of names, which order equals."""
Vectors = NDArray[np.float32]
"""Embeddings of texts, one in a row."""

EMPTY = -1
"""In slates: no arm."""
