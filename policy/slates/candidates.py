"""Which catalog items may be placed on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from policy.arrays import Floats, Indices
from policy.items import ItemFacts
from schemas.messages.pages import Candidates


def candidates(catalog: Iterable[ItemFacts], declared: Candidates, prior_mean: Mapping[str, float]) -> list[str]:
    """The available items that match every declared filter, at most `declared.limit`, in order of name.

    Where more match, `declared.reserve` of the places go to the newest of those
    that the others, the best by prior mean, leave over.  An item without a
    prior mean counts as 0; equals are ordered newest first, then by name.
    """
    fits = fitting(declared)
    matches = sorted((item for item in catalog if fits(item)), key=lambda item: item.item)
    means = np.array([prior_mean.get(item.item, 0.0) for item in matches])
    created = np.array([item.created_at for item in matches], dtype=np.float64)
    return [matches[row].item for row in best(means, created, declared.limit, declared.reserve).tolist()]


def fitting(declared: Candidates) -> Callable[[ItemFacts], bool]:
    """Whether an item is available and matches every declared filter."""
    items, categories, brands, tags = map(
        frozenset, (declared.items, declared.categories, declared.brands, declared.tags)
    )

    def fits(item: ItemFacts) -> bool:
        return (
            item.available
            and (not items or item.item in items)
            and (not categories or item.category in categories)
            and (not brands or item.brand in brands)
            and (not tags or not tags.isdisjoint(item.tags))
        )

    return fits


def best(means: Floats, created: Floats, limit: int, reserve: int) -> Indices:
    """At most `limit` of A items in order of name, by prior mean and time of creation, float64[A] each; ascending.

    One pass over each array, not a sort: this is asked of all items of a large category.
    """
    rows = np.arange(len(means))
    if len(rows) <= limit:
        return rows
    reserve = min(reserve, limit)
    likeliest = _least(rows, (-means, -created), limit - reserve)
    others = np.ones(len(rows), dtype=np.bool_)
    others[likeliest] = False
    newest = _least(rows[others], (-created,), reserve)
    return np.sort(np.concatenate([likeliest, newest]))


def _least(rows: Indices, keys: Sequence[Floats], count: int) -> Indices:
    """`count` of `rows`, those with the least keys: the next key, and at last the row, where equals are too many."""
    chosen: list[Indices] = []
    for key in keys:
        if count in (0, len(rows)):
            break
        values = key[rows]
        bound = np.partition(values, count - 1)[count - 1]
        below = rows[values < bound]
        chosen.append(below)
        rows, count = rows[values == bound], count - len(below)
    return np.concatenate([*chosen, rows[:count]])
