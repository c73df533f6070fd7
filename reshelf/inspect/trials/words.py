"""Of a rule on trial: for whom it holds, and what a slot has with it and without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import UNSET

from policy.assignment import slate_chances
from policy.items import ItemFacts
from policy.rules.constraint import label
from reshelf.numbers import share
from reshelf.rules.marks import concerns, rules_of
from reshelf.words.read import as_said
from reshelf.words.said import Said, joined, say
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from schemas.rules import Pin, Rule


class Cell(NamedTuple):
    """A slot and an item there; either may be empty, and where both are, no place in particular is meant."""

    slot: str
    item: str


class _Slate(NamedTuple):
    """Slot to item, and the share of the visitors outside the holdout who get it."""

    items: Mapping[str, str]
    chance: float


def on_trial(rules: PageRules, segment: str, now_ms: int) -> list[Rule]:
    """The rules of a page that are on trial in a segment at a time."""
    return [rule for rule in rules_of(rules, segment, now_ms) if rule.branches is not UNSET]


def trials_of_cell(
    rules: Sequence[Rule],
    layout: Layout,
    cell: Cell,
    catalog: Mapping[str, ItemFacts],
    title_of: Callable[[str], str],
    now_ms: int,
) -> list[Said]:
    """A sentence for each of the rules on trial that bears on a cell; `layout` has the slates of all branches.

    Without a slot a pin is told with its own, and any other rule with the one where the item stands most often.
    """
    tried = [rule for rule in rules if not any(cell) or concerns(rule, cell, catalog, now_ms)]
    return [_sentence(rule, layout, cell.slot or _slot_of(rule, layout, cell.item), title_of) for rule in tried]


def _sentence(rule: Rule, layout: Layout, slot: str, title_of: Callable[[str], str]) -> Said:
    """For whom a rule on trial holds, and what a slot has with it and without it; without a slot for whom alone."""
    names = () if rule.branches is UNSET else tuple(rule.branches)
    slates = list(_by_branch(layout))
    tried, others = ([each for name, each in slates if (name in names) is holds] for holds in (True, False))
    whom = say(
        "why.trial",
        rule=as_said(label(rule), "kind."),
        branches=joined("join.list", names),
        share=share(sum(each.chance for each in tried), 0),
    )
    if not (slot and slates):
        return whom
    here, elsewhere = (_most_often(slot, those) for those in (tried, others))
    if here == elsewhere:
        return say("why.trial-same", trial=whom, slot=slot, item=title_of(here))
    return say("why.trial-slot", trial=whom, slot=slot, tried=title_of(here), otherwise=title_of(elsewhere))


def _slot_of(rule: Rule, layout: Layout, item: str) -> str:
    if isinstance(rule, Pin):
        return rule.slot
    shares = {slot: of_slot[item] for slot, of_slot in layout.propensities.items() if item in of_slot}
    return max(shares, key=lambda slot: shares[slot], default="")


def _by_branch(layout: Layout) -> Iterator[tuple[str, _Slate]]:
    """Each slate with the name of its branch; nothing of a layout without branches."""
    names = [branch.name for branch in layout.branches for _ in range(branch.variants)]
    for name, items, chance in zip(names, layout.slates, slate_chances(layout), strict=False):
        yield name, _Slate(items, chance)


def _most_often(slot: str, slates: Sequence[_Slate]) -> str:
    shares: dict[str, float] = defaultdict(float)
    for items, chance in slates:
        shares[items.get(slot, "")] += chance
    return max(shares, key=lambda item: shares[item], default="")
