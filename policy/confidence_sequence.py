"""Intervals that hold at all looks together, for estimates that are shown again and again.

An interval of fixed size holds with its probability at one moment that was chosen
before.  Of 200 runs without any effect, each looked at 60 times, a third leave it at some look.
"""

from __future__ import annotations

import numpy as np

SCALE = 0.1
"""Size of the effects, on the scale of the log ratio, that the sequence is tuned to find early."""
FEWEST = 50
"""Outcomes that are needed, on each side where two are compared, before anything is said: it is asymptotic."""
FEWEST_BINS = 32


def always_valid_reach(variance: float, alpha: float, scale: float = SCALE) -> float:
    """Half the width of an interval that holds at all times together with probability 1 - `alpha`.

    The normal mixture of Robbins (1970), "Statistical methods related to the law of
    the iterated logarithm", inverted as in the mSPRT of Johari, Koomen, Pekelis and
    Walsh (2022), "Always valid inference"; with an estimated variance it is the
    asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
    (2024).  `variance` is that of the estimate now, `scale` the mixture's deviation.
    """
    mixed = scale * scale
    odds = 2.0 * np.log(1.0 / alpha) + np.log1p(mixed / variance)
    return float(np.sqrt(variance * (variance + mixed) / mixed * odds))
