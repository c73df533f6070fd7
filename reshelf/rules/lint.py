"""What a page asks for that the catalog does not have: perhaps not yet, perhaps mistyped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from policy.items import ItemFacts
from schemas.messages.pages import Candidates, PageRules
from schemas.rules import Match, Pin

NAMES = "items", "categories", "brands", "tags"


def lint(page: PageRules, catalog: Mapping[str, ItemFacts]) -> list[str]:
    """In words, the names in a page that no item of the catalog has; none where there is no catalog yet."""
    if not catalog:
        return []
    names = _names(page, catalog)
    warnings = list(_missing("candidates", page.candidates, names))
    for rule in page.rules:
        if isinstance(rule, Pin) and rule.item not in names["items"]:
            warnings.append(f"{rule.name}: the catalog has no item {rule.item}, so the pin waits until it has")
        match = getattr(rule, "match", None)
        if match is not None:
            warnings += _missing(rule.name, match, names)
    return warnings


def _names(page: PageRules, catalog: Mapping[str, ItemFacts]) -> dict[str, set[str]]:
    items = catalog.values()
    return {
        "items": {*catalog, *page.blocks},
        "categories": {item.category for item in items},
        "brands": {item.brand for item in items},
        "tags": {tag for item in items for tag in item.tags},
    }


def _missing(where: str, named: Candidates | Match, names: Mapping[str, set[str]]) -> Iterator[str]:
    for kind in NAMES:
        values: Sequence[str] = getattr(named, kind)
        if missing := [name for name in values if name not in names[kind]]:
            yield f"{where}: no item of the catalog fits {kind}: {', '.join(missing)}"
