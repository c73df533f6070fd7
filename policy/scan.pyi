import numpy as np
from numpy.typing import NDArray

def fill(
    slates: NDArray[np.int32],
    scores: NDArray[np.float64],
    banned: NDArray[np.uint8],
    short: NDArray[np.int32],
    variants: NDArray[np.intp],
    order: NDArray[np.int32],
    capped: NDArray[np.int32],
    most: NDArray[np.int32],
    spaced: NDArray[np.int32],
    distances: NDArray[np.int32],
    places: NDArray[np.uint8],
    complements: NDArray[np.int32],
    together: float,
    counts: NDArray[np.int32],
    shut: NDArray[np.uint8],
    all_arms: NDArray[np.int32],
) -> None: ...
