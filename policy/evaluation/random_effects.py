"""How much more counts stray from what a model expects than chance lets them: the variance of random effects."""

from __future__ import annotations

from policy.arrays import Floats


def excess_variance(observed: Floats, expected: Floats, parameters: int) -> float:
    """The relative variance of what cells differ by beside Poisson's, at least 0; counts are of any one shape.

    The moment estimator of DerSimonian and Laird (1986), "Meta-analysis in clinical trials": with a factor of variance
    v around 1 in each cell, (observed - expected)**2 / expected is 1 + v * expected on average.  `parameters` were
    fitted to the counts.  Cells of which nothing is expected say nothing.
    """
    some = expected > 0.0
    spread = float(((observed[some] - expected[some]) ** 2 / expected[some]).sum())
    excess, whole = spread - (int(some.sum()) - parameters), float(expected[some].sum())
    return max(0.0, excess / whole) if whole > 0.0 else 0.0
