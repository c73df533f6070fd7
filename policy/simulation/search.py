"""Which settings to try: every combination of what is declared, or a number drawn at random."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Value = str | int | float
Trial = tuple[tuple[str, Value], ...]
"""Names of settings and their values, in the order in which they were declared."""


class Among(NamedTuple):
    """One of these values."""

    values: tuple[Value, ...]


class Between(NamedTuple):
    """A number from `low` to `high`; where `low` is above 0 each doubling is as likely; `whole` numbers alone."""

    low: float
    high: float
    whole: bool = False


Space = Mapping[str, Among | Between]


def grid(space: Mapping[str, Among]) -> list[Trial]:
    """Every combination, the first name's values changing slowest."""
    columns = [[(name, value) for value in among.values] for name, among in space.items()]
    return list(dict.fromkeys(itertools.product(*columns)))


def drawn(space: Space, samples: int, rng: np.random.Generator) -> list[Trial]:
    """That many combinations, each value drawn by itself; fewer where the same came twice.

    Random search finds as good settings as a grid with fewer trials where only some
    of the settings matter (Bergstra and Bengio 2012).
    """
    trials = (tuple((name, _draw(choice, rng)) for name, choice in space.items()) for _ in range(samples))
    return list(dict.fromkeys(trials))


def _draw(choice: Among | Between, rng: np.random.Generator) -> Value:
    if isinstance(choice, Among):
        return choice.values[int(rng.integers(len(choice.values)))]
    low, high, whole = choice
    place = rng.random()
    value = low * (high / low) ** place if low > 0.0 else low + (high - low) * place
    return round(value) if whole else float(f"{min(max(value, low), high):.4g}")
