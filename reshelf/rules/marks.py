"""What rules make of one item in one slot, as people are told beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import UNSET

from policy.items import ItemFacts
from policy.rules.compiled import in_force
from policy.rules.constraint import label
from policy.rules.matching import about
from schemas.messages.pages import PageRules
from schemas.rules import Bid, Boost, Exposure, Match, Pin, Placement, Rule, Sponsored, kind_of


class Mark(NamedTuple):
    """A rule that bears on an item: its kind and name, when it ends (milliseconds), whether it holds everywhere.

    `factor` is that of a boost, 1 elsewhere; `lowest_slot` is the slot of a pin that says "or above", empty elsewhere.
    One `on_trial` holds for the visitors of some branches.
    """

    kind: str
    name: str
    ends_at: int
    factor: float
    relaxed: bool
    lowest_slot: str = ""
    on_trial: bool = False


def rules_of(rules: PageRules, segment: str, now_ms: int) -> list[Rule]:
    """Those of a page's rules that are in force for a segment at a time, in any branch."""
    return [rule for rule in rules.rules if in_force(rule, segment, now_ms, None)]


def marks(
    rules: Sequence[Rule],
    places: Sequence[tuple[str, str]],
    catalog: Mapping[str, ItemFacts],
    relaxed: Sequence[str],
    now_ms: int,
) -> list[list[Mark]]:
    """The marks of items in slots, given as pairs of slot and item, by rules that are in force.

    `relaxed` is that of the layout: each text begins with kind and name of a rule that could not hold everywhere.
    """
    items = [item for _, item in places]
    listed: list[list[Mark]] = [[] for _ in places]
    for rule in rules:
        for at in _concerned(rule, places, items, catalog, now_ms):
            gave_way = any(text.startswith(f"{label(rule)}:") for text in relaxed)
            factor = rule.factor if isinstance(rule, Boost) else 1.0
            lowest = rule.slot if isinstance(rule, Pin) and rule.or_above else ""
            on_trial = rule.branches is not UNSET
            mark = Mark(kind_of(type(rule)), rule.name, rule.ends_at, factor, gave_way, lowest, on_trial)
            listed[at].append(mark)
    return listed


def concerns(rule: Rule, cell: tuple[str, str], catalog: Mapping[str, ItemFacts], now_ms: int) -> bool:
    """Whether a rule bears on a slot and an item there; one that is about no items in particular does on all."""
    if isinstance(rule, Pin):
        return rule.slot == cell[0] or rule.item == cell[1]
    everywhere = getattr(rule, "match", Match()) == Match()
    return everywhere or bool(list(_concerned(rule, [cell], [cell[1]], catalog, now_ms)))


def _concerned(
    rule: Rule, places: Sequence[tuple[str, str]], items: list[str], catalog: Mapping[str, ItemFacts], now_ms: int
) -> Iterator[int]:
    """Which of the places a rule bears on; a pin on its item, wherever that stands."""
    if isinstance(rule, Pin):
        yield from (at for at, (_, item) in enumerate(places) if item == rule.item)
    elif isinstance(rule, Boost | Exposure | Placement | Sponsored | Bid) and rule.match != Match():
        for at, fits in enumerate(about(rule.match, items, catalog, now_ms).tolist()):
            if fits and (not isinstance(rule, Sponsored) or places[at][0] == rule.slot):
                yield at
