"""What the compacted topics say: items, their vectors, pages, fitted parameters, published layouts.

The newest record of a key counts; a null value removes it.  A record that is
invalid is counted and skipped, and what was there before stays.  The same
records in any cut give the same contents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from schemas.codec import decode_key, decoder
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, LAYOUTS, PAGE_RULES, POLICY_PARAMETERS, Topic
from streams.catalog.candidates import CandidateIndex, CandidateSet, facts
from streams.catalog.embeddings import Embeddings, filled
from streams.catalog.item_features import ItemFeatures, item_features
from streams.catalog.latest_layout import NO_LAYOUT, LatestLayout, latest_layout_of
from streams.catalog.page import Key, Page
from streams.fold.deltas import WHOLE_PAGE
from streams.kafka.records import Record, TopicPartition

READ_TOPICS = (CATALOG_ITEMS, CATALOG_EMBEDDINGS, PAGE_RULES, POLICY_PARAMETERS, LAYOUTS)


class _Version(msgspec.Struct, frozen=True):
    version: int


_decode_version = decoder(_Version)


@dataclass(slots=True)
class Changes:
    """What a batch of records changed: pages to compose anew, and keys whose newest layout was overtaken.

    `invalid` holds why records were skipped.
    """

    pages: set[str] = field(default_factory=set)
    keys: set[Key] = field(default_factory=set)
    invalid: list[BadRecord] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pages or self.keys)


class CatalogView:
    """Everything that layouts are made from beside the counts; calls `invalid` with the topic of a skipped record."""

    def __init__(self, invalid: Callable[[str], None] = lambda topic: None) -> None:
        self.items: dict[str, CatalogItem] = {}
        self.embeddings = Embeddings()
        self.rules: dict[str, PageRules] = {}
        self.parameters: dict[str, PolicyParameters] = {}
        self.published: dict[Key, LatestLayout] = {}
        self._invalid = invalid
        self.segments: dict[str, set[str]] = {}
        self._logged: dict[Key, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._indexes: dict[str, CandidateIndex] = {}
        self._described: dict[str, tuple[tuple[PolicyParameters, CandidateSet, int], ItemFeatures]] = {}
        self._take: dict[str, Callable[[tuple[str, ...], bytes | None, Changes], None]] = {
            CATALOG_ITEMS.name: self._take_item,
            CATALOG_EMBEDDINGS.name: self._take_embedding,
            PAGE_RULES.name: self._take_rules,
            POLICY_PARAMETERS.name: self._take_parameters,
            LAYOUTS.name: self._take_layout,
        }

    def expect(self, topic: Topic, partitions: int) -> None:
        """Positions of the topic begin at 0 for each of its partitions."""
        for partition in range(partitions):
            self._positions.setdefault(TopicPartition(topic.name, partition), 0)

    def position(self, topic: Topic) -> list[int]:
        """The next offset of each partition."""
        return [at for tp, at in sorted(self._positions.items()) if tp.topic == topic.name]

    def take(self, topic: Topic, partition: int, records: Sequence[Record]) -> Changes:
        """Take over records in log order; says what they changed."""
        changes = Changes()
        take = self._take[topic.name]
        for record in records:
            try:
                take(decode_key(topic, record.key), record.value, changes)
            except BadRecord as error:
                self._invalid(topic.name)
                changes.invalid.append(error)
        if records:
            self._positions[TopicPartition(topic.name, partition)] = records[-1].offset + 1
        return changes

    def candidates(self, page: str) -> CandidateSet:
        """The items that the page may show now, in the merchant's order; the same object until they change."""
        return self._indexes[page].candidates()

    def page(self, name: str) -> Page:
        """A declared page with all that its layouts are made from beside the counts."""
        return Page(
            self.rules[name],
            self.candidates(name),
            self.position(CATALOG_ITEMS),
            self.described(name),
            self.items,
            self._indexes[name].revision,
            self.position(CATALOG_EMBEDDINGS),
        )

    def described(self, page: str) -> ItemFeatures | None:
        """What is known of the page's candidates: the same object until they or the parameters change."""
        parameters, index = self.parameters.get(page), self._indexes[page]
        if parameters is None:
            return None
        candidates, entry = index.candidates(), self._described.get(page)
        state = parameters, candidates, index.revision
        if entry is None or entry[0] != state:
            entry = self._described[page] = state, self.features_of(parameters, candidates)
        return entry[1]

    def features_of(self, parameters: PolicyParameters, candidates: CandidateSet) -> ItemFeatures:
        """What items say of candidates, and their vectors of the model that the parameters were fitted to."""
        generation = self.embeddings.named(parameters.text_model)
        vectors = filled(*self.embeddings.matrix(candidates.items, generation))
        return item_features(parameters, candidates, self.items, vectors)

    def remember(self, key: Key, published: LatestLayout) -> None:
        """Take over what is about to come on the topic, unless something newer is known."""
        if published.version >= self.latest_layout(key).version:
            self.published[key] = published
            self.segments.setdefault(key.page, set()).add(key.segment)

    def latest_layout(self, key: Key) -> LatestLayout:
        """What is known of the key's newest layout."""
        return self.published.get(key, NO_LAYOUT)

    def _take_item(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        (name,) = key
        new = None if value is None else _named(decoder(CatalogItem)(value), "item", name)
        old = self.items.get(name)
        if new is None:
            self.items.pop(name, None)
        else:
            self.items[name] = new
        if facts(old) != facts(new):
            changes.pages.update(page for page, index in self._indexes.items() if index.replace(name, new))

    def _take_embedding(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        """A page changes by a vector of the model that its parameters were fitted to, and by no other."""
        (name,) = key
        new = None if value is None else _named(decoder(CatalogEmbedding)(value), "item", name)
        changed = self.embeddings.take(name, new)
        for page, parameters in self.parameters.items():
            if parameters.text_model in changed and page in self._indexes and self._indexes[page].touch(name):
                changes.pages.add(page)

    def _take_rules(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        (page,) = key
        new = None if value is None else _named(decoder(PageRules)(value), "page", page)
        if new == self.rules.get(page):
            return
        changes.pages.add(page)
        if new is None:
            del self.rules[page], self._indexes[page]
            return
        old = self.rules.get(page)
        self.rules[page] = new
        if old is None or (old.candidates, old.blocks) != (new.candidates, new.blocks):
            self._indexes[page] = CandidateIndex(new.candidates, self.items, new.blocks, partial(self._interest, page))

    def _take_parameters(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        (page,) = key
        new = None if value is None else _named(decoder(PolicyParameters)(value), "page", page)
        if new == self.parameters.get(page):
            return
        old = self.parameters.get(page)
        if new is not None and old is not None and new.version < old.version:
            raise BadRecord("stale", f"expected a version after {old.version}, got {new.version}")
        changes.pages.add(page)
        if new is None:
            del self.parameters[page]
        else:
            self.parameters[page] = new
        if page in self._indexes:
            self._indexes[page].rank()

    def _interest(self, page: str, names: tuple[str, ...]) -> Mapping[str, float]:
        """How likely a click on each of these items is on the page, seen by anybody; nothing before it was fitted."""
        parameters = self.parameters.get(page)
        if parameters is None:
            return {}
        everything = CandidateSet(tuple(sorted(names)))
        interest = self.features_of(parameters, everything).fitted(WHOLE_PAGE, everything).interest
        return dict(zip(everything.items, interest.tolist(), strict=True))

    def _take_layout(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        name = Key(*key)
        latest = self.latest_layout(name)
        if value is None:
            if latest.live:
                changes.keys.add(name)
            self.remember(name, replace(latest, live=False))
            return
        version = _decode_version(value).version
        if version < self._logged.get(name, 0):
            changes.keys.add(name)
            self.remember(name, replace(latest, live=True, lost=True))
            return
        if version > latest.version:
            self.remember(name, latest_layout_of(value))
        self._logged[name] = version


def _named(message: Any, field_name: str, name: str) -> Any:
    value = getattr(message, field_name)
    if value != name:
        raise BadRecord("key", f"expected `{field_name}` to be the record's key {name!r}, got {value!r}")
    return message
