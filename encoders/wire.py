"""A vector as it is published: whole numbers of 8 bits, and the value of one of them.

384 dimensions take about 1.4 kB of JSON instead of 8 kB; a reader that leaves the
scale out still sees the right direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.messages.catalog import CatalogEmbedding

Vectors = NDArray[np.float32]
LARGEST = 127


def embedding(item: str, model: str, revision: str, content_hash: str, vector: Vectors) -> CatalogEmbedding:
    """The message for a vector, float32[D], of finite numbers that are not all 0; each is off by half a `scale`."""
    scale = float(np.abs(vector).max()) / LARGEST
    numbers: Any = np.rint(vector / scale).astype(np.int8).tolist()
    return CatalogEmbedding(item, model, content_hash, numbers, revision, scale)
