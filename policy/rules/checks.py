"""What is wrong with a page's rules although every field fits: names that lead nowhere, rules that cannot both hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from schemas import rules as declared
from schemas.messages import PageRules


class Problem(NamedTuple):
    """Where (a path below the page, `rules[2].slot`) and what, with what to do."""

    path: str
    text: str


def problems(page: PageRules) -> list[Problem]:
    """Everything that cannot be meant; empty where the rules make sense."""
    found = []
    for at, rule in enumerate(page.rules):
        found += [Problem(f"rules[{at}].{name}", text) for name, text in _of_one(page, rule)]
        for earlier in page.rules[:at]:
            if conflict := _conflict(earlier, rule):
                found.append(Problem(f"rules[{at}]", f"{conflict} {earlier.name!r}: give them other times or segments"))
    if page.candidates.reserve > page.candidates.limit:
        found.append(Problem("candidates.reserve", f"expected at most limit, {page.candidates.limit}"))
    return found


def _of_one(page: PageRules, rule: declared.Rule) -> Iterator[tuple[str, str]]:
    if rule.ends_at <= rule.starts_at:
        yield "ends_at", "expected a time after starts_at"
    match rule:
        case declared.Pin() | declared.Sponsored():
            yield from _slots(page, "slot", [rule.slot])
        case declared.Place():
            yield from _slots(page, "slots", rule.slots)
        case declared.Exposure():
            yield from _shares(page, rule)
        case declared.Spacing() if rule.distance > len(page.slots):
            yield "distance", f"expected at most the number of slots, {len(page.slots)}; got {rule.distance}"
        case _:
            return


def _slots(page: PageRules, name: str, slots: list[str]) -> Iterator[tuple[str, str]]:
    if not slots:
        yield name, "expected at least one slot; to keep arms off the page use a boost with factor 0"
    for slot in slots:
        if slot not in page.slots:
            yield name, f"expected one of the page's slots ({', '.join(page.slots)}), got {slot!r}"


def _shares(page: PageRules, rule: declared.Exposure) -> Iterator[tuple[str, str]]:
    slates = page.policy.variants + page.policy.exploration_slates
    if rule.most * slates < 1.0:
        least = f"expected at least one of the page's {slates} slates, {1.0 / slates:g}, got {rule.most:g}"
        yield "most", f"{least}; to keep arms off the page use a boost with factor 0"
    if rule.least > rule.most:
        yield "least", f"expected at most `most`, {rule.most}; got {rule.least}"
    if rule.least == 0.0 and rule.most == 1.0:
        yield "least", "expected `least` above 0 or `most` below 1: this rule asks for nothing"


def _conflict(one: declared.Rule, other: declared.Rule) -> str:
    """Why two rules can never both hold while both do; empty where they can."""
    if not isinstance(one, declared.Pin) or not isinstance(other, declared.Pin) or not _meet(one, other):
        return ""
    if one.slot == other.slot and one.item != other.item:
        return f"slot {one.slot!r} is already taken by pin"
    if one.item == other.item and one.slot != other.slot:
        return f"item {one.item!r} already stands elsewhere by pin"
    return ""


def _meet(one: declared.Rule, other: declared.Rule) -> bool:
    if one.starts_at >= other.ends_at or other.starts_at >= one.ends_at:
        return False
    return not one.segments or not other.segments or not set(one.segments).isdisjoint(other.segments)
