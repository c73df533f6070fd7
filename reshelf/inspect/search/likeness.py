"""Items that a visitor would take for the same: by family, or by pictures that are nearly the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich.table import Table

from policy.arrays import Bools, Vectors
from policy.items import ItemFacts
from policy.rules.likeness import NO_CODE, alike_codes
from policy.rules.matching import available
from reshelf.numbers import number
from reshelf.settings import Settings
from reshelf.terminal.tables import table
from streams.catalog.snapshot import read_texts


class Group(NamedTuple):
    """Items that are alike, by name, with their titles; the smallest cosine of two pictures, None below two."""

    items: list[str]
    titles: list[str]
    family: str
    similarity: float | None


class Likeness(NamedTuple):
    """Groups, the largest first, among so many `items`, of which so many have a vector of their `pictures`."""

    groups: list[Group]
    items: int
    pictures: int


def likeness(settings: Settings, similarity: float, now_ms: int) -> Likeness:
    """The available items of the catalog that are alike."""
    catalog = read_texts(settings.kafka)
    names = [name for name, item in sorted(catalog.items.items()) if available(item, now_ms)]
    vectors, has = catalog.pictures.matrix(names, catalog.pictures.generation)
    groups = groups_of([catalog.items[name] for name in names], vectors, has, similarity)
    titled = [group._replace(titles=[catalog.texts[name].title for name in group.items]) for group in groups]
    return Likeness(titled, len(names), int(has.sum()))


def groups_of(items: Sequence[ItemFacts], vectors: Vectors, has: Bools, similarity: float) -> list[Group]:
    """Groups of items with vectors [A, D], without titles."""
    codes = alike_codes([item.family for item in items], vectors, has, similarity)
    groups = []
    for code in np.unique(codes[codes != NO_CODE]).tolist():
        rows = np.flatnonzero(codes == code)
        families = {items[row].family for row in rows.tolist()}
        family = families.pop() if len(families) == 1 else ""
        names = [items[row].item for row in rows.tolist()]
        groups.append(Group(names, [], family, _smallest_cosine(vectors[rows[has[rows]]])))
    return sorted(groups, key=lambda group: (-len(group.items), group.items))


def _smallest_cosine(vectors: Vectors) -> float | None:
    if len(vectors) < 2:
        return None
    of_one = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return round(float((of_one @ of_one.T).min()), 4)


def listing(content: Likeness) -> Table:
    """Groups, one a line."""
    rows = [
        (
            str(len(group.items)),
            group.family,
            "" if group.similarity is None else number(group.similarity, 3),
            ", ".join(group.items),
            group.titles[0],
        )
        for group in content.groups
    ]
    return table(("items", "family", "similarity", "names", "title of the first"), rows, spare=3)
