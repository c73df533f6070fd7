import numpy as np
from numpy.typing import NDArray

class Filling:
    def __init__(
        self,
        scores: NDArray[np.float64],
        order: NDArray[np.int32],
        capped: NDArray[np.int32],
        most: NDArray[np.int32],
        spaced: NDArray[np.int32],
        distances: NDArray[np.int32],
        places: NDArray[np.uint8],
        complements: NDArray[np.int32],
        together: float,
        everyone: NDArray[np.int32],
        counts: NDArray[np.int32],
        shut: NDArray[np.uint8],
        leading: NDArray[np.int32],
    ) -> None: ...
    def fill(self, slates: NDArray[np.int32], banned: NDArray[np.uint8], variants: NDArray[np.intp]) -> None: ...

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
