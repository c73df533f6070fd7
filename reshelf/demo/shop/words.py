"""Items with real words: titles and descriptions put together from word lists (`words.json`).

A category has its own nouns, materials, traits and sentences, so that texts of
one category are near each other and yet no two titles are the same.  The same
generator state gives the same items.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import msgspec
import numpy as np


@dataclass(frozen=True, slots=True)
class Department:
    """The words of one category; `price` is the middle price in cents."""

    name: str
    price: int
    brands: tuple[str, ...]
    traits: tuple[str, ...]
    materials: tuple[str, ...]
    nouns: tuple[str, ...]
    uses: tuple[str, ...]
    promises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """The words and the price (cents) of one item."""

    title: str
    description: str
    category: str
    brand: str
    price: int


DEPARTMENTS: tuple[Department, ...] = msgspec.json.decode(
    files("reshelf.demo.shop").joinpath("words.json").read_bytes(), type=tuple[Department, ...]
)


def product(department: Department, rng: np.random.Generator, titles: set[str]) -> Product:
    """A new item of a department; its title is not in `taken` and is added there.

    There are some 400 titles for each department; when all are taken, a
    numbered edition is made.
    """
    title = _title(department, rng, titles)
    titles.add(title)
    use, promise = rng.choice(department.uses), rng.choice(department.promises)
    return Product(
        title=title,
        description=f"{title} {use}. {promise}.",
        category=department.name,
        brand=str(rng.choice(department.brands)),
        price=_price(department, rng),
    )


def _title(department: Department, rng: np.random.Generator, titles: set[str]) -> str:
    for edition in range(1, 10_000):
        for _ in range(50):
            words = (rng.choice(department.traits), rng.choice(department.materials), rng.choice(department.nouns))
            title = " ".join(words) if edition == 1 else f"{' '.join(words)} no. {edition}"
            if title not in titles:
                return title
    raise RuntimeError(f"no free title in {department.name}")


def _price(department: Department, rng: np.random.Generator) -> int:
    """A price ending in 90 cents, spread around the department's middle price."""
    euros = department.price / 100 * np.exp(rng.normal(0.0, 0.4))
    return int(euros) * 100 + 90
