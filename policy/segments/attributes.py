"""One attribute of visits, such as the device, that says something of a visitor's taste before their items do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.segments.gain import Gain, gain_of, held_out_logs
from policy.segments.mixture import Mixture, chances
from policy.segments.rule import OTHER
from policy.segments.votes import Votes

MIN_UNITS = 50
"""Values of fewer units of the sample are one value, `other`."""
MOST_VALUES = 64
"""Of more values those of fewest units are `other`, too."""
PRIOR_UNITS = 10.0


class AttributeFit(NamedTuple):
    """What the values of an attribute say of tastes: logarithms of ratios of shares, by value, float64[G]."""

    name: str
    ratios: Mapping[str, Floats]
    gain: Gain


def folded(values: Sequence[str]) -> list[str]:
    """The values with those of few units, and those that are not known, as `other`."""
    frequent = Counter(value for value in values if value).most_common(MOST_VALUES - 1)
    large = {value for value, units in frequent if units >= MIN_UNITS}
    return [value if value in large else OTHER for value in values]


def value_ratios(values: Sequence[str], units: Floats) -> dict[str, Floats]:
    """For each value the logarithm of its share in each taste against its share of all, float64[G].

    `units` are the chances of tastes of the units with these values, float64[N, G].
    """
    names, codes = np.unique(np.asarray(values), return_inverse=True)
    counts = np.zeros((len(names), units.shape[1]))
    np.add.at(counts, codes, units)
    share = counts.sum(axis=1, keepdims=True) / max(1.0, counts.sum())
    ratios = np.log((counts + PRIOR_UNITS * share) / (counts.sum(axis=0) + PRIOR_UNITS)) - np.log(share)
    return {str(name): ratios[at] for at, name in enumerate(names)}


def attribute_fits(mixture: Mixture, train: Votes, test: Votes) -> list[AttributeFit]:
    """What each attribute says by the units of `train`, and what that gains for those of `test`; the best first."""
    units = chances(mixture, train)
    without = held_out_logs(mixture, test)
    several = np.flatnonzero(np.diff(test.starts) >= 2).tolist()
    fits = []
    for name in sorted(train.values):
        ratios = value_ratios(folded(train.values[name]), units)
        if ratios.keys() <= {OTHER}:
            continue
        unknown = ratios.get(OTHER, np.zeros(mixture.size))
        prior = np.array([ratios.get(test.values[name][unit], unknown) for unit in several]).reshape(-1, mixture.size)
        fits.append(AttributeFit(name, ratios, gain_of(held_out_logs(mixture, test, prior) - without)))
    return sorted(fits, key=lambda fit: -fit.gain.mean)
