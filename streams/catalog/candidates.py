"""Which items a page may show, kept up to date while items come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from policy.arrays import Bools, Indices
from policy.hashes import arm_hashes
from policy.items import ItemFacts
from policy.pages.compiled import CompiledPage
from policy.pages.declaration import UNNAMED
from policy.pages.messages import Offer, shelf_page
from policy.pages.templates import narrowed, templates_of
from policy.rules.compiled import CompiledRules, in_force
from policy.slates.candidates import fitting
from schemas.messages.pages import WHOLE_TEMPLATE, PageRules
from schemas.rules import FOR_EVER
from streams.catalog.ranking import Columns, Ranking
from streams.state.arrays.packed import CodedNames, NameList

Names = tuple[str, ...]


class CellIndex(NamedTuple):
    """Where the counts of a table go: which candidate each of its rows is, and which slot each column, -1 for none."""

    candidates: Indices
    slots: Indices


class Bindings:
    """A page's rules bound to its candidates, for the segments that the same of them are for."""

    def __init__(self) -> None:
        self._names: tuple[object, ...] = ()
        self._bound: dict[tuple[str | bool, ...], tuple[int, CompiledRules]] = {}

    def of(
        self, names: tuple[object, ...], those: tuple[str | bool, ...], now_ms: int, bind: Callable[[], CompiledRules]
    ) -> CompiledRules:
        """What `those` rules were bound to, as long as `names` are the same and nothing changes by itself."""
        if self._names != names:
            self._names, self._bound = names, {}
        since, rules = self._bound.get(those, (now_ms, None))
        if rules is None or not since <= now_ms < (rules.until or FOR_EVER):
            rules = bind()
            self._bound[those] = now_ms, rules
        return rules


class CompiledPages:
    """A page's shelves and rows as arrays, for the segments that the same rules for shelves are for."""

    def __init__(self) -> None:
        self._rules: PageRules | None = None
        self._compiled: dict[tuple[tuple[bool, ...], str], CompiledPage] = {}

    def of(self, rules: PageRules, segment: str, now_ms: int, template: str) -> CompiledPage:
        """The page as it is for a segment at a time: the same object as long as the same rules are in force.

        With the name of one of its templates it is narrower.
        """
        if self._rules is not rules:
            self._rules, self._compiled = rules, {}
        those = tuple(in_force(rule, segment, now_ms) for rule in rules.rules)
        page = self._compiled.get((those, template))
        if page is None:
            page = self._compiled[those, template] = self._compile(rules, segment, now_ms, template)
        return page

    def _compile(self, rules: PageRules, segment: str, now_ms: int, name: str) -> CompiledPage:
        template = templates_of(rules).get(name)
        if template is None:
            return CompiledPage.of(shelf_page(rules, segment, now_ms))
        return narrowed(self.of(rules, segment, now_ms, WHOLE_TEMPLATE), template)


class CandidateSet:
    """The items of a page by name, with what is costly to work out for them: hashes, and where tables' counts go.

    `by_shelf` says which of them each shelf may show, on a page that has shelves.
    """

    def __init__(self, items: Names, by_shelf: Mapping[str, frozenset[str]] | None = None) -> None:
        self.items = items
        self.by_shelf = by_shelf or {}
        self.hashes = arm_hashes(items)
        self.bindings = Bindings()
        self.pages = CompiledPages()
        self._places = {item: place for place, item in enumerate(items)}
        self._coded: tuple[NameList, Indices] | None = None
        self._masks: dict[tuple[str, ...], Bools] = {}

    def apart(self) -> CandidateSet:
        """The same items, with nothing worked out for them yet."""
        return CandidateSet(self.items, self.by_shelf)

    def mask(self, shelves: tuple[str, ...]) -> Bools:
        """Which of them each of some shelves may show, bool[H, A]; the same array for the same shelves."""
        mask = self._masks.get(shelves)
        if mask is None:
            mask = np.array([[item in self.by_shelf.get(name, ()) for item in self.items] for name in shelves])
            mask = self._masks[shelves] = mask.reshape(len(shelves), len(self.items))
        return mask

    def places(self, items: Sequence[str], columns: Names, slots: Names) -> CellIndex:
        """Where the counts of a table of `items` and `columns` go on a page with `slots`."""
        if columns == slots:
            return CellIndex(self._positions(items), np.arange(len(slots)))
        return CellIndex(self._positions(items), places_in(columns, {slot: place for place, slot in enumerate(slots)}))

    def rows(self, items: Sequence[str]) -> tuple[Indices, Indices]:
        """Positions in `items` of those that are candidates, and their places here."""
        positions = self._positions(items)
        at = np.flatnonzero(positions >= 0)
        return at, positions[at]

    def _positions(self, items: Sequence[str]) -> Indices:
        """The places of items here, -1 where they have none."""
        if isinstance(items, CodedNames):
            positions: Indices = self._places_of(items.list)[items.codes]
            return positions
        return places_in(items, self._places)

    def _places_of(self, names: NameList) -> Indices:
        """The places here of all names of a list, -1 where there is none; worked out once for each name."""
        places = self._coded[1] if self._coded and self._coded[0] is names else np.empty(0, dtype=np.intp)
        if len(places) < len(names.names):
            more = names.names[len(places) :]
            places = np.concatenate([places, places_in(more, self._places)])
            self._coded = names, places
        return places


def places_in(names: Sequence[str], places: Mapping[str, int]) -> Indices:
    """The places of names, -1 where they have none."""
    return np.fromiter(map(places.get, names, repeat(-1)), dtype=np.intp, count=len(names))


class _Fitting:
    """The items of the catalog that fit what a shelf, or a flat page, may show; `blocks` come beside."""

    def __init__(self, offer: Offer, items: Iterable[ItemFacts]) -> None:
        self.blocks = frozenset(offer.blocks)
        self._declared = offer.candidates
        self._fits = fitting(offer.candidates)
        self.items = {item.item for item in items if self._fits(item)}

    @property
    def crowded(self) -> bool:
        """Whether more fit than may be candidates."""
        return len(self.items) > self._declared.limit

    def replace(self, name: str, item: ItemFacts | None) -> bool:
        """Take over an item that changed; whether it fits now, or did before."""
        if item is not None and self._fits(item):
            self.items.add(item.item)
        elif name in self.items:
            self.items.remove(name)
        else:
            return False
        return True

    def selection(self, ranking: Ranking) -> frozenset[str]:
        """All that may be shown: where more fit than may be candidates, the likeliest."""
        names = ranking.best(self.items, self._declared.limit, self._declared.reserve) if self.crowded else self.items
        return self.blocks.union(names)


class CandidateIndex:
    """The candidates of one page, content blocks among them; `revision` grows with every change of an item.

    `items` are those that may fit what one of its shelves is offered, and `columns_of` says what is expected of
    some that do: where more fit than may be candidates, the likeliest are chosen.
    """

    def __init__(
        self, offers: Mapping[str, Offer], items: Iterable[ItemFacts], columns_of: Callable[[Names], Columns]
    ) -> None:
        self.revision = 0
        some = list(items)
        self._shelves = {name: _Fitting(offer, some) for name, offer in offers.items()}
        self._set: CandidateSet | None = None
        self._stale = True
        # Those of one shelf have one order, whatever others are offered.
        self._rankings = {name: Ranking(columns_of) for name in offers}

    def replace(self, name: str, item: ItemFacts | None) -> bool:
        """Take over an item that changed; whether the page's candidates may have changed."""
        changed = [shelf.replace(name, item) for shelf in self._shelves.values()]
        if not any(changed) and not self._is_block(name):
            return False
        self.revision += 1
        self._stale = True
        self._forget(name)
        return True

    def touch(self, name: str) -> bool:
        """What is known of an item changed beside its record; whether it may be shown on the page."""
        is_candidate = self._is_block(name) or any(name in shelf.items for shelf in self._shelves.values())
        if is_candidate:
            self.revision += 1
            self._stale |= self._crowded
            self._forget(name)
        return is_candidate

    def candidates(self) -> CandidateSet:
        """The candidates now: the same object as long as they are the same items."""
        if self._set is None or self._stale:
            selections = {name: shelf.selection(self._rankings[name]) for name, shelf in self._shelves.items()}
            for name, shelf in self._shelves.items():
                if not shelf.crowded:
                    self._rankings[name].forget_all()
            names = tuple(sorted(frozenset[str]().union(*selections.values())))
            by_shelf = {} if UNNAMED in selections else selections
            if self._set is None or (self._set.items, self._set.by_shelf) != (names, by_shelf):
                self._set = CandidateSet(names, by_shelf)
            self._stale = False
        return self._set

    def rank(self) -> None:
        """Let the likeliest be chosen anew: what visitors are interested in changed."""
        self._stale |= self._crowded
        for ranking in self._rankings.values():
            ranking.forget_all()

    def _forget(self, name: str) -> None:
        for ranking in self._rankings.values():
            ranking.forget(name)

    def _is_block(self, name: str) -> bool:
        return any(name in shelf.blocks for shelf in self._shelves.values())

    @property
    def _crowded(self) -> bool:
        return any(shelf.crowded for shelf in self._shelves.values())
