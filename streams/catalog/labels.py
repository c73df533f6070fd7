"""Which items have a label, and which pages an item with it may be on.

A label is a category, a brand or a tag; an item's own name is one, too.  So a record
of the catalog costs what it touches, however many pages and items there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from policy.items import ItemFacts
from schemas.messages.pages import Candidates

Label = tuple[str, str]

KINDS = "item", "brand", "category", "tag"
ANY: Label = "", ""
"""What every item has: the label of pages that filter by nothing."""


def labels_of(item: ItemFacts | None) -> set[Label]:
    """The labels of an item; none of one that may not be shown."""
    if item is None or not item.available:
        return set()
    return {("category", item.category), ("brand", item.brand), *(("tag", tag) for tag in item.tags)}


def same_labels(before: ItemFacts | None, after: ItemFacts | None) -> bool:
    """Whether an item has the labels that it had: so it is with most records, as prices change most."""
    if before is None or after is None:
        return before is after
    return (
        before.available == after.available
        and before.category == after.category
        and before.brand == after.brand
        and before.tags == after.tags
    )


def _filters(declared: Candidates) -> list[list[Label]]:
    """The labels of each filter that is set: an item that fits has one of each.  What is narrow as a rule is first."""
    named = declared.items, declared.brands, declared.categories, declared.tags
    return [[(kind, name) for name in names] for kind, names in zip(KINDS, named, strict=True) if names]


_EMPTY: frozenset[str] = frozenset()


class ItemsByLabel:
    """The names of the items that may be shown, by label."""

    def __init__(self, items: Mapping[str, ItemFacts]) -> None:
        self._items = items
        self._names: dict[Label, set[str]] = {}

    def replace(self, name: str, before: ItemFacts | None, after: ItemFacts | None) -> None:
        """An item changed, came or went."""
        if same_labels(before, after):
            return
        old, new = labels_of(before), labels_of(after)
        for label in old - new:
            names = self._names[label]
            names.discard(name)
            if not names:
                del self._names[label]
        for label in new - old:
            self._names.setdefault(label, set()).add(name)

    def among(self, declared: Iterable[Candidates]) -> Iterable[ItemFacts]:
        """The items that may fit any: those that pass the filter of each that the fewest do; all where none is set."""
        groups = [self._among(offer) for offer in declared]
        if len(groups) == 1:
            return groups[0]
        return {item.item: item for group in groups for item in group}.values()

    def _among(self, declared: Candidates) -> Iterable[ItemFacts]:
        filters = _filters(declared)
        if not filters:
            return self._items.values()
        narrowest = min(filters, key=lambda labels: sum(len(self._named(label)) for label in labels))
        names = set[str]().union(*map(self._named, narrowest))
        return [item for name in names if (item := self._items.get(name)) is not None]

    def _named(self, label: Label) -> AbstractSet[str]:
        kind, name = label
        return {name} if kind == "item" else self._names.get(label, _EMPTY)


class PagesByLabel:
    """The pages whose candidates an item with a label may be.

    A page is filed under the labels of one of its filters, the one that the fewest
    other pages are filed under so far, and under its content blocks; one with shelves for each of them.
    """

    def __init__(self) -> None:
        self._pages: dict[str, dict[str, set[str]]] = {kind: {} for kind in (*KINDS, ANY[0])}
        self._labels: dict[str, list[Label]] = {}

    def put(self, page: str, declared: Iterable[Candidates], blocks: Sequence[str]) -> None:
        """A page was declared, perhaps anew, with what each of its shelves may show."""
        self.remove(page)
        labels = [label for offer in declared for label in min(_filters(offer), key=self._crowd, default=[ANY])]
        self._labels[page] = [*labels, *(("item", block) for block in blocks)]
        for kind, name in self._labels[page]:
            self._pages[kind].setdefault(name, set()).add(page)

    def remove(self, page: str) -> None:
        """A page is declared no more."""
        for kind, name in dict.fromkeys(self._labels.pop(page, ())):
            pages = self._pages[kind][name]
            pages.remove(page)
            if not pages:
                del self._pages[kind][name]

    def of(self, name: str, before: ItemFacts | None, after: ItemFacts | None) -> AbstractSet[str]:
        """The pages that an item may have been on or may be on now, also as a block."""
        kinds = self._pages
        groups = [kinds[""].get(""), kinds["item"].get(name)]
        for item in (after,) if same_labels(before, after) else (before, after):
            if item is not None and item.available:
                groups += [kinds["category"].get(item.category), kinds["brand"].get(item.brand)]
                if tagged := kinds["tag"]:
                    groups += [tagged.get(tag) for tag in item.tags]
        return _EMPTY.union(*filter(None, groups))

    def _crowd(self, labels: Sequence[Label]) -> int:
        return sum(len(self._pages[kind].get(name, ())) for kind, name in labels)
