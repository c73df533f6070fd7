"""A vector as it is published: whole numbers of 8 bits, and the value of one of them.

384 dimensions take about 1.4 kB of JSON instead of 8 kB; a reader that leaves the
scale out still sees the right direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from schemas.messages.catalog import CatalogEmbedding, PictureEmbedding

Vectors = NDArray[np.float32]
LARGEST = 127


def embedding(
    item: str,
    model: str,
    revision: str,
    content_hash: str,
    vector: Vectors,
    picture: PictureEmbedding | UnsetType = UNSET,
) -> CatalogEmbedding:
    """The message for a vector, float32[D], of finite numbers that are not all 0; each is off by half a `scale`."""
    numbers, scale = in_bytes(vector)
    listed: Any = numbers.tolist()
    return CatalogEmbedding(item, model, content_hash, listed, revision, scale, picture)


def picture_embedding(model: str, revision: str, content_hash: str, image: str, vector: Vectors) -> PictureEmbedding:
    """The part of a message for the vector of a picture, float32[D], as `embedding` has it for a text."""
    numbers, scale = in_bytes(vector)
    return PictureEmbedding(model, content_hash, image, numbers.tobytes(), revision, scale)


def in_bytes(vector: Vectors) -> tuple[NDArray[np.int8], float]:
    """The numbers of a vector as whole numbers of 8 bits, and the value of one."""
    scale = float(np.abs(vector).max()) / LARGEST
    return np.rint(vector / scale).astype(np.int8), scale
