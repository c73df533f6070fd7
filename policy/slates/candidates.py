"""Which catalog items may be placed on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import Candidates


def candidates(catalog: Iterable[CatalogItem], declared: Candidates, prior_mean: Mapping[str, float]) -> list[str]:
    """The available items that match every declared filter, at most `declared.limit`, in order of name.

    Where more match, `declared.reserve` of the places go to the newest of those
    that the others, the best by prior mean, leave over.  An item without a
    prior mean counts as 0; equals are ordered newest first, then by name.
    """
    matches = _matcher(declared)
    matching = [item for item in catalog if item.available and matches(item)]
    if len(matching) > declared.limit:
        matching.sort(key=lambda item: (-item.created_at, item.item))
        matching = _limited(matching, declared, prior_mean)
    return sorted(item.item for item in matching)


def _limited(
    newest_first: list[CatalogItem], declared: Candidates, prior_mean: Mapping[str, float]
) -> list[CatalogItem]:
    reserve = min(declared.reserve, declared.limit)
    best_first = sorted(newest_first, key=lambda item: -prior_mean.get(item.item, 0.0))
    best = best_first[: declared.limit - reserve]
    chosen = {item.item for item in best}
    return best + [item for item in newest_first if item.item not in chosen][:reserve]


def _matcher(declared: Candidates) -> Callable[[CatalogItem], bool]:
    items, categories, brands, tags = map(
        frozenset, (declared.items, declared.categories, declared.brands, declared.tags)
    )

    def matches(item: CatalogItem) -> bool:
        return (
            (not items or item.item in items)
            and (not categories or item.category in categories)
            and (not brands or item.brand in brands)
            and (not tags or not tags.isdisjoint(item.tags))
        )

    return matches
