"""What the module of a kind of rule provides, and what it is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from policy.rules.constraint import Constraint
from policy.rules.likeness import PicturesOf, no_pictures
from policy.rules.matching import Arms
from policy.rules.order import Relaxation
from schemas.messages.pages import PageRules

R = TypeVar("R")


class Problem(NamedTuple):
    """Where (a path, `rules[2].slot`, or below a rule the field alone) and what, with what to do."""

    path: str
    text: str


class PageContext(NamedTuple):
    """A page at a time: its slots in rendered order, its arms, and what was fitted for its rules.

    `pacing` is the share of slates of each sponsored rule by name, `learned` are complements
    of items beside those that the catalog names, and `pictures` knows the vectors of
    their pictures.
    """

    slots: Sequence[str]
    arms: Arms
    pacing: Mapping[str, float]
    learned: Mapping[str, Sequence[str]]
    pictures: PicturesOf = no_pictures


def _no_problems(rule: Any, page: PageRules) -> Iterator[Problem]:
    return iter(())


def _no_conflict(rule: Any, other: Any, page: PageRules) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A kind of rule, by its declared type.

    `bind` gives the constraints of a rule on a page.  `relaxation` is when it gives way, None
    for a kind that always holds or that is placed before all others.  `problems` are those of a
    rule by itself on a page; `conflict` says why two rules of the kind can never both hold on
    a page while both are in force, or is empty, and the name of the first is put behind it.
    """

    rule: type[R]
    bind: Callable[[R, PageContext], Iterator[Constraint]]
    relaxation: Relaxation | None = None
    problems: Callable[[R, PageRules], Iterator[Problem]] = _no_problems
    conflict: Callable[[R, R, PageRules], str] = _no_conflict


def slot_problems(page: PageRules, field: str, slots: Sequence[str]) -> Iterator[Problem]:
    """The slots that a rule names and the page does not have."""
    if not slots:
        yield Problem(field, "expected at least one slot; to keep arms off the page use a boost with factor 0")
    for slot in slots:
        if slot not in page.slots:
            yield Problem(field, f"expected one of the page's slots ({', '.join(page.slots)}), got {slot!r}")
