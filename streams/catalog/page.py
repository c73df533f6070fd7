"""What layouts of a page are made from, beside the counts, and what changed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from policy.items import ItemFacts
from policy.pages.compiled import CompiledPage
from policy.pages.published import SegmentShelves
from policy.rules.compiled import CompiledRules, compile_rules
from policy.rules.likeness import PicturesOf, no_pictures
from policy.rules.matching import Arms
from schemas.errors import BadRecord
from schemas.messages.pages import MAIN, WHOLE_TEMPLATE, PageRules
from schemas.messages.parameters import PolicyParameters, ShelvesFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.item_features import ItemFeatures


@dataclass(frozen=True, slots=True)
class Page:
    """A page as declared, with the items it may show and what is known of them once it was fitted.

    `position` is that of catalog-items and `embeddings_position` of catalog-embeddings,
    `items` are those of the catalog, and `revision` changes with every one of them that
    may be shown here and with its vector; `pictures` knows the vectors of items' pictures.
    """

    rules: PageRules
    candidates: CandidateSet
    position: Sequence[int]
    item_features: ItemFeatures | None = None
    items: Mapping[str, ItemFacts] = field(default_factory=dict)
    revision: int = 0
    embeddings_position: Sequence[int] = ()
    pictures: PicturesOf = no_pictures

    @property
    def parameters(self) -> PolicyParameters | None:
        """What was fitted for the page."""
        return self.item_features.parameters if self.item_features else None

    @property
    def shelves_fit(self) -> ShelvesFit | None:
        """What was fitted of its shelves and rows."""
        return self.parameters.shelves or None if self.parameters else None

    @property
    def rule_parameters(self) -> tuple[Mapping[str, float], Mapping[str, Sequence[str]]]:
        """What was fitted for its rules: pacing of sponsored ones, and learned complements."""
        return (self.parameters.pacing, self.parameters.complements) if self.parameters else ({}, {})

    def bound(self, segment: str, now_ms: int, branch: str = MAIN) -> CompiledRules:
        """Its rules bound to its candidates: the same object for all segments that the same rules are for."""
        own = [not rule.segments or segment in rule.segments for rule in self.rules.rules]
        names = self.rules, self.items, self.revision, *self.rule_parameters
        bind = partial(self._bound, segment, now_ms, branch)
        return self.candidates.bindings.of(names, (branch, *own), now_ms, bind)

    def compiled(self, segment: str, now_ms: int, template: str = WHOLE_TEMPLATE) -> CompiledPage:
        """Its shelves and rows as arrays, with the rules for shelves that are in force; as a template has them."""
        return self.candidates.pages.of(self.rules, segment, now_ms, template)

    def segment_shelves(self, segment: str) -> SegmentShelves | None:
        """What is known of its shelves in a segment, whatever rules are in force; None on a flat page."""
        if not self.rules.has_shelves:
            return None
        return SegmentShelves.of(self.compiled(segment, 0), self.shelves_fit, segment)

    def _bound(self, segment: str, now_ms: int, branch: str) -> CompiledRules:
        arms = Arms.by_hash(self.candidates.items, self.candidates.hashes, self.items, now_ms)
        return compile_rules(self.rules, arms, segment, *self.rule_parameters, self.pictures, branch)


class Key(NamedTuple):
    """What a layout is for."""

    page: str
    segment: str


@dataclass(slots=True)
class Changes:
    """What a batch of records changed: pages to compose anew, and keys whose newest layout was overtaken.

    `lives` are those that end before what was known of them, `invalid` holds why records were skipped.
    `wholes` are pages whose segments take something else from the layout of `*` now.
    """

    pages: set[str] = field(default_factory=set)
    wholes: set[str] = field(default_factory=set)
    keys: set[Key] = field(default_factory=set)
    lives: set[str] = field(default_factory=set)
    invalid: list[BadRecord] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pages or self.wholes or self.keys or self.lives)
