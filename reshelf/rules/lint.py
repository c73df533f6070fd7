"""What a page asks for that the catalog does not have: perhaps not yet, perhaps mistyped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET

from policy.items import ItemFacts
from reshelf.numbers import number
from reshelf.words.read import similar
from reshelf.words.said import joined, say
from schemas.messages.pages import Candidates, PageRules
from schemas.rules import Match, Pin
from schemas.similar_names import SimilarNames, near_miss

DAY_S, MOST_SECONDS = 86_400, 90 * 86_400
MOST_NEAR = 20
"""Missing names that are compared with all of the catalog."""
NAMES = "items", "categories", "brands", "tags"


def lint(page: PageRules, catalog: Mapping[str, ItemFacts]) -> list[str]:
    """In words, what can only be a mistake, and what names no item of the catalog has, where there is a catalog."""
    warnings = list(_own(page))
    if not catalog:
        return warnings
    names = _names(page, catalog)
    warnings += _missing("candidates", page.candidates, names)
    for shelf in () if page.shelves is UNSET else page.shelves:
        if shelf.candidates is not None:
            warnings += _missing(say("lint.shelf", shelf=shelf.name), shelf.candidates, names)
    for rule in page.rules:
        if isinstance(rule, Pin) and rule.item not in names["items"]:
            warnings.append(say("lint.pin", rule=rule.name, item=rule.item))
        match = getattr(rule, "match", None)
        if match is not None:
            warnings += _missing(rule.name, match, names)
    return warnings


def _own(page: PageRules) -> Iterator[str]:
    segments = dict.fromkeys(segment for rule in page.rules for segment in rule.segments)
    shelves = () if page.shelves is UNSET else [shelf.name for shelf in page.shelves]
    rows = () if page.rows is UNSET else [row.name for row in page.rows]
    # Slots that are named after their rows would say the same once more.
    slots = page.slots if page.rows is UNSET else [slot for row in page.rows for slot in row.slots]
    for kind, names in (
        *(("slot", slots), ("shelf", shelves), ("row", rows)),
        *(("segment", segments), ("content block", page.blocks)),
    ):
        yield from map(similar, SimilarNames(kind).take_all(names))
    window = page.attribution_window
    if isinstance(window, int) and window % DAY_S == 0 and window < MOST_SECONDS:
        days = window // DAY_S
        minutes, right = number(window / 60_000), str(1000 * window)
        yield say("lint.window", ms=str(window), minutes=minutes, days=str(days), right=right)


def _names(page: PageRules, catalog: Mapping[str, ItemFacts]) -> dict[str, set[str]]:
    items = catalog.values()
    return {
        "items": {*catalog, *page.blocks},
        "categories": {item.category for item in items},
        "brands": {item.brand for item in items},
        "tags": {tag for item in items for tag in item.tags},
    }


def _missing(where: str, match: Candidates | Match, names: Mapping[str, set[str]]) -> Iterator[str]:
    for kind in NAMES:
        values: Sequence[str] = getattr(match, kind)
        if missing := [name for name in values if name not in names[kind]]:
            near = {name: near_miss(name, names[kind]) for name in missing[:MOST_NEAR]}
            named = (say("lint.near", name=name, near=near[name]) if near.get(name) else name for name in missing)
            yield say("lint.missing", where=where, kind=kind, names=joined("join.list", named))
