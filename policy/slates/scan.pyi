import numpy as np
from numpy.typing import NDArray

from policy.rules.compiled import CompiledRules

RELAXATION: dict[str, int]

class Filler:
    def __init__(
        self,
        scores: NDArray[np.float64],
        order: NDArray[np.int32],
        rules: CompiledRules,
        alike: tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]],
        all_arms: NDArray[np.int32],
        counts: NDArray[np.int32],
        closed: NDArray[np.uint8],
        shortlist: NDArray[np.int32],
    ) -> None: ...
    def fill(self, slates: NDArray[np.int32], banned: NDArray[np.uint8], variants: NDArray[np.intp]) -> None: ...

def top(
    slates: NDArray[np.int32],
    scores: NDArray[np.float64],
    canonical: NDArray[np.intp],
    order: NDArray[np.intp],
    best: NDArray[np.float64],
) -> None: ...
def best_items(
    lists: NDArray[np.int32],
    values: NDArray[np.float64],
    items: NDArray[np.intp],
    scores: NDArray[np.float64],
    masks: NDArray[np.uint8],
    first: int,
    end: int,
) -> None: ...
def best_left(
    tops: NDArray[np.int32],
    top_values: NDArray[np.float64],
    lists: NDArray[np.int32],
    values: NDArray[np.float64],
    owners: NDArray[np.int32],
    which: NDArray[np.uint8],
) -> None: ...
def beta(
    draws: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    z: NDArray[np.float64],
    scales: NDArray[np.float64],
) -> None: ...
