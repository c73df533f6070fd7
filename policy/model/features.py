"""What is known of an item before anybody saw it, as numbers that a prior can be fitted on.

A feature is named by what it says: `price` and `age` are quantities, on a
logarithmic scale, centred and scaled as the parameters say; `category=shoes`,
`brand=Nordfell` are 1 or 0.  An item that the catalog does not know (a content
block) has 0 everywhere and so starts at the page's base rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import log1p
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.items import ItemFacts
from schemas.topics import DAY_MS

Scales = Mapping[str, tuple[float, float]]

LABELS = "category", "brand"
MOST_LABELS = 24
"""Labels of one kind that get a feature: the most frequent."""
LEAST_ITEMS = 2
FURTHEST = 2.0
"""Quantities further than this many widths from the centre are cut off: new items are furthest by age."""


class Features(NamedTuple):
    """Values of named features, float64[A, F]."""

    names: tuple[str, ...]
    values: Floats


def describe(
    items: Sequence[ItemFacts | None], now_ms: int, names: Sequence[str] | None = None, scales: Scales | None = None
) -> tuple[Features, dict[str, tuple[float, float]]]:
    """The features of items at `now_ms`, and the scales of their quantities.

    With `names` and `scales`, those of earlier parameters, the values are as they
    were then; without, names and scales are chosen from the items.
    """
    raw = {name: _quantity(items, lambda item, get=get: get(item, now_ms)) for name, get in QUANTITIES.items()}  # type: ignore[misc]
    if scales is None:
        scales = {name: scale for name, values in raw.items() if (scale := _scale(values)) is not None}
    if names is None:
        names = [*scales, *(name for kind in LABELS for name in _frequent(kind, items))]
    values = np.zeros((len(items), len(names)))
    for at, name in enumerate(names):
        if name in raw:
            centre, width = scales.get(name, (0.0, 1.0))
            values[:, at] = np.nan_to_num(np.clip((raw[name] - centre) / max(width, 1e-9), -FURTHEST, FURTHEST))
    for kind in LABELS:
        _mark(values, kind, names, items)
    return Features(tuple(names), values), dict(scales)


def _price(item: ItemFacts, now_ms: int) -> float:
    return log1p(item.price) if item.price > 0 else np.nan


def _age(item: ItemFacts, now_ms: int) -> float:
    return log1p(max(0, now_ms - item.created_at) / DAY_MS) if item.created_at > 0 else np.nan


QUANTITIES: Mapping[str, Callable[[ItemFacts, int], float]] = {"price": _price, "age": _age}


def _quantity(items: Sequence[ItemFacts | None], get: Callable[[ItemFacts], float]) -> Floats:
    return np.array([np.nan if item is None else get(item) for item in items], dtype=np.float64)


def _scale(values: Floats) -> tuple[float, float] | None:
    """Median and spread; None where all items are equal."""
    finite = values[np.isfinite(values)]
    if len(finite) < LEAST_ITEMS:
        return None
    width = float(finite.std())
    return (float(np.median(finite)), width) if width > 1e-9 else None


def _frequent(kind: str, items: Sequence[ItemFacts | None]) -> list[str]:
    counted = Counter(label for item in items if item is not None and (label := getattr(item, kind)))
    common = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_LABELS]
    return [f"{kind}={label}" for label, count in common if count >= LEAST_ITEMS]


def _mark(values: Floats, kind: str, names: Sequence[str], items: Sequence[ItemFacts | None]) -> None:
    """Put 1 where items have a label of this kind."""
    places = {name.removeprefix(f"{kind}="): at for at, name in enumerate(names) if name.startswith(f"{kind}=")}
    columns = np.array([-1 if item is None else places.get(getattr(item, kind), -1) for item in items], dtype=np.intp)
    rows = np.flatnonzero(columns >= 0)
    values[rows, columns[rows]] = 1.0
