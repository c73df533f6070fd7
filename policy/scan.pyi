import numpy as np
from numpy.typing import NDArray

def fill(
    slates: NDArray[np.int32],
    scores: NDArray[np.float64],
    banned: NDArray[np.uint8],
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
    short: NDArray[np.int32],
) -> None: ...
def top(
    slates: NDArray[np.int32],
    scores: NDArray[np.float64],
    canonical: NDArray[np.intp],
    order: NDArray[np.intp],
    best: NDArray[np.float64],
) -> None: ...
def beta(
    draws: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    z: NDArray[np.float64],
    scale: float,
) -> None: ...
