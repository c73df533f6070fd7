"""What became of one item on one page: when its slots changed, which rules named it, how it does and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from policy.items import ItemFacts
from policy.rules.matching import about
from reshelf.numbers import share
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from schemas.rules import Pin, Rule

LEAST_CHANGE = 0.05
"""Smaller changes of how often an item stands in a slot are none: it is drawn anew all the time."""
NEWS = 0.2
"""A change is news where so large a share of page views has the item elsewhere, or nowhere, since the last that was."""


class Moment(NamedTuple):
    """Something that changed, at milliseconds since 1970.

    `slots` are those that the item stands in since, and how likely; `rules` those that name it since; one of both is
    None, as it stayed.
    """

    at: int
    version: int
    slots: Mapping[str, float] | None = None
    rules: Sequence[str] | None = None
    author: str = ""
    reason: str = ""


class Timeline(NamedTuple):
    """What changed for an item, oldest first, and how many changes of its slots were too small to be told."""

    moments: Sequence[Moment]
    left_out: int


def timeline(
    item: str, layouts: Iterable[Layout], versions: Iterable[PageRules], catalog: Mapping[str, ItemFacts]
) -> Timeline:
    """What became of an item, from layouts of one segment and rules of its page, each oldest first.

    Changes of slots are told that are `NEWS`, and the newest, which says where the item stands now.
    """
    changes = list(_of_slots(item, layouts))
    news = list(_news(changes))
    moments = [*news, *_of_rules(item, versions, catalog)]
    return Timeline(sorted(moments, key=lambda moment: (moment.at, moment.version)), len(changes) - len(news))


def slots_of(item: str, layout: Layout) -> dict[str, float]:
    """The slots that an item stands in, and how likely it is there for a visitor outside the holdout."""
    return {slot: shares[item] for slot, shares in layout.propensities.items() if shares.get(item, 0.0) > 0.0}


def names(rule: Rule, item: str, catalog: Mapping[str, ItemFacts], now_ms: int) -> bool:
    """Whether a rule is about an item, by its own name or by what the catalog says of it."""
    if isinstance(rule, Pin):
        return rule.item == item
    match = getattr(rule, "match", None)
    return match is not None and bool(about(match, [item], catalog, now_ms)[0])


def as_json(timeline: Timeline) -> dict[str, Any]:
    """As JSON has it: what stayed is null."""
    return {"moments": [moment._asdict() for moment in timeline.moments], "left_out": timeline.left_out}


def in_words(moment: Moment) -> str:
    """What changed, in one line."""
    if moment.slots is not None:
        places = ", ".join(f"{slot} {share(part, 0)}" for slot, part in moment.slots.items())
        return f"stands in {places}" if places else "stands nowhere"
    who = f" ({moment.author}: {moment.reason})" if moment.author or moment.reason else ""
    return f"rules: {', '.join(moment.rules or ()) or 'none'}{who}"


def _of_slots(item: str, layouts: Iterable[Layout]) -> Iterator[Moment]:
    before: Mapping[str, float] = {}
    for layout in layouts:
        slots = slots_of(item, layout)
        if _differ(before, slots):
            yield Moment(layout.produced_at, layout.version, slots=slots)
            before = slots


def _differ(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    slots = {*before, *after}
    return any(abs(after.get(slot, 0.0) - before.get(slot, 0.0)) >= LEAST_CHANGE for slot in slots)


def _news(changes: Sequence[Moment]) -> Iterator[Moment]:
    before: Mapping[str, float] = {}
    for moment in changes:
        slots = moment.slots or {}
        if moment is changes[-1] or elsewhere(before, slots) >= NEWS:
            yield moment
            before = slots


def elsewhere(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """The share of page views that has an item in another slot than before, or in none (total variation)."""
    moved = sum(abs(after.get(slot, 0.0) - before.get(slot, 0.0)) for slot in {*before, *after})
    return (moved + abs(sum(after.values()) - sum(before.values()))) / 2.0


def _of_rules(item: str, versions: Iterable[PageRules], catalog: Mapping[str, ItemFacts]) -> Iterator[Moment]:
    for before, rules in pairwise([None, *versions]):
        if rules is None:
            continue
        earlier = [] if before is None else _about(item, before, catalog)
        if (now := _about(item, rules, catalog)) != earlier:
            yield Moment(rules.published_at, rules.version, None, now, rules.author, rules.reason)


def _about(item: str, rules: PageRules, catalog: Mapping[str, ItemFacts]) -> list[str]:
    return [rule.name for rule in rules.rules if names(rule, item, catalog, rules.published_at)]
