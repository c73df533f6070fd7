"""What the compacted topics say: items, their vectors, pages, fitted parameters, published layouts.

The newest record of a key counts; a null value removes it.  A record that is
invalid is counted and skipped, and what was there before stays.  The same
records in any cut give the same contents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Vectors
from policy.items import ItemFacts
from policy.model.priors import Scores, scores
from policy.pages.messages import offers, shelf_problems
from policy.rules.kinds.spacing import spaces_by_likeness
from schemas import topics
from schemas.codec import decode_key, decoder, named
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.topic import Topic
from streams.catalog.candidates import CandidateIndex, CandidateSet
from streams.catalog.embeddings import Embeddings, filled
from streams.catalog.item_features import ItemFeatures, features_of, item_features
from streams.catalog.items import compact, facts, item_of
from streams.catalog.labels import ItemsByLabel, PagesByLabel
from streams.catalog.layouts.latest_layout import LatestLayout
from streams.catalog.layouts.lives import Lives
from streams.catalog.layouts.published import PublishedLayouts
from streams.catalog.layouts.whole_page import WholePageLayouts
from streams.catalog.page import Changes, Key, Page
from streams.catalog.ranking import Columns
from streams.catalog.segments.model_view import SegmentModelView
from streams.fold.deltas import WHOLE_PAGE
from streams.kafka.records import Record, TopicPartition

SCORED_AT_A_TIME = 4_096
"""Items whose vectors are unpacked together: for all of a large category they would take a gigabyte."""
DESCRIBING = topics.CATALOG_ITEMS, topics.CATALOG_EMBEDDINGS, topics.PAGE_RULES, topics.POLICY_PARAMETERS
READ_TOPICS = (*DESCRIBING, topics.LAYOUTS)


class CatalogView:
    """Everything that layouts are made from beside the counts; calls `invalid` with the topic of a skipped record.

    Of items it keeps what layouts need, and no texts.
    """

    def __init__(self, invalid: Callable[[str], None] = lambda topic: None) -> None:
        self.items: dict[str, ItemFacts] = {}
        self.embeddings = Embeddings()
        self.pictures = Embeddings()
        self.rules: dict[str, PageRules] = {}
        self.parameters: dict[str, PolicyParameters] = {}
        self._layouts = PublishedLayouts()
        self.lives = Lives()
        self.wholes = WholePageLayouts()
        self.segment_model = SegmentModelView(with_items=False)
        self._invalid = invalid
        self._positions: dict[TopicPartition, int] = {}
        self._indexes: dict[str, CandidateIndex] = {}
        self._items_by_label = ItemsByLabel(self.items)
        self._pages_by_label = PagesByLabel()
        self._described: dict[str, tuple[tuple[PolicyParameters, CandidateSet, int], ItemFeatures]] = {}
        self._take: dict[str, Callable[[tuple[str, ...], bytes | None, Changes], None]] = {
            topics.CATALOG_ITEMS.name: self._take_item,
            topics.CATALOG_EMBEDDINGS.name: self._take_embedding,
            topics.PAGE_RULES.name: self._take_rules,
            topics.POLICY_PARAMETERS.name: self._take_parameters,
            topics.LAYOUTS.name: self._take_layout,
            topics.LAYOUT_LIVES.name: self._take_life,
            topics.SEGMENTS.name: self._take_segments,
        }

    @property
    def published(self) -> Mapping[Key, LatestLayout]:
        """What is known of the newest layout of each page and segment."""
        return self._layouts.newest

    @property
    def segments(self) -> Mapping[str, set[str]]:
        """The segments of each page of which a layout was published."""
        return self._layouts.segments

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
            self.position(topics.CATALOG_ITEMS),
            self.described(name),
            self.items,
            self._indexes[name].revision,
            self.position(topics.CATALOG_EMBEDDINGS),
            self._pictures_of,
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
        vectors, pictures = (filled(*those) for those in self._vectors(parameters, candidates.items))
        return item_features(parameters, candidates, self.items, vectors, pictures)

    def _vectors(self, parameters: PolicyParameters, names: Sequence[str]) -> list[tuple[Vectors, NDArray[np.bool_]]]:
        """Vectors of texts and of pictures, and which items have one, of the models that the parameters name."""
        models = (self.embeddings, parameters.text_model), (self.pictures, parameters.picture_model)
        return [those.matrix(names, those.named(model)) for those, model in models]

    def _pictures_of(self, names: Sequence[str]) -> tuple[Vectors, NDArray[np.bool_]]:
        return self.pictures.matrix(names, self.pictures.generation)

    def remember(self, key: Key, published: LatestLayout) -> None:
        """Take over what is about to come on the topic, unless something newer is known."""
        self._layouts.remember(key, published)

    def latest_layout(self, key: Key) -> LatestLayout:
        """What is known of the key's newest layout."""
        return self._layouts.of(key)

    def _take_item(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        (name,) = key
        new = None if value is None else item_of(value, name)
        before = self.items.pop(name, None)
        after = None if new is None else self._retained(new)
        if after is not None:
            self.items[name := after.item] = after
        if facts(before) == facts(after):
            return
        self._items_by_label.replace(name, before, after)
        pages = self._pages_by_label.of(name, before, after)
        changes.pages.update(page for page in pages if self._indexes[page].replace(name, after))

    def _retained(self, item: CatalogItem) -> ItemFacts:
        """What is kept of an item."""
        return compact(item)

    def _take_embedding(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        """A page changes by a vector of a model that its parameters were fitted to, and by no other."""
        (name,) = key
        new = None if value is None else named(decoder(CatalogEmbedding)(value), "item", name)
        item = self.items.get(name)
        own = name if item is None else item.item
        picture = new and new.picture
        changed = self.embeddings.take(own, new)
        pictures = self.pictures.take(own, picture or None)
        for page in self._pages_by_label.of(name, item, item):
            parameters = self.parameters.get(page)
            fitted = parameters and (parameters.text_model in changed or parameters.picture_model in pictures)
            spaced = pictures and spaces_by_likeness(self.rules[page])
            if (fitted or spaced) and self._indexes[page].touch(name):
                changes.pages.add(page)

    def _take_rules(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        (page,) = key
        new = None if value is None else named(decoder(PageRules)(value), "page", page)
        if new == self.rules.get(page):
            return
        if new and (problem := next(shelf_problems(new), None)):
            raise BadRecord("invalid", f"{problem.text} - at `{problem.path}`")
        changes.pages.add(page)
        if new is None:
            del self.rules[page], self._indexes[page]
            self._described.pop(page, None)
            self._pages_by_label.remove(page)
            return
        old = self.rules.get(page)
        self.rules[page] = new
        offered = offers(new)
        if old is None or offers(old) != offered:
            declared = [offer.candidates for offer in offered.values()]
            among, columns_of = self._items_by_label.among(declared), partial(self._columns, page)
            self._indexes[page] = CandidateIndex(offered, among, columns_of)
            self._pages_by_label.put(page, declared, new.blocks)

    def _take_parameters(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        (page,) = key
        new = None if value is None else named(decoder(PolicyParameters)(value), "page", page)
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

    def _columns(self, page: str, names: tuple[str, ...]) -> Columns:
        """What is expected of these items on the page; before it was fitted, the same of all."""
        created = np.array([self.items[name].created_at for name in names], dtype=np.float64)
        parameters = self.parameters.get(page)
        if parameters is None:
            unknown = np.full(len(names), np.nan)
            return Columns(None, created, Scores(np.zeros(len(names)), unknown, unknown))
        generations = self.embeddings.named(parameters.text_model), self.pictures.named(parameters.picture_model)
        parts = [
            self._scores(parameters, names[begin : begin + SCORED_AT_A_TIME])
            for begin in range(0, max(1, len(names)), SCORED_AT_A_TIME)
        ]
        return Columns(generations, created, Scores(*map(np.concatenate, zip(*parts, strict=True))))

    def _scores(self, parameters: PolicyParameters, names: Sequence[str]) -> Scores:
        features = features_of(parameters, [self.items[name] for name in names])
        return scores(parameters, WHOLE_PAGE, features, *self._vectors(parameters, names))

    def _take_layout(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        name = Key(*key)
        overtaken, shown = self._layouts.take(name, value)
        if overtaken:
            changes.keys.add(name)
        if shown and name.segment == WHOLE_PAGE and self.wholes.take(name.page, value):
            changes.wholes.add(name.page)

    def _take_life(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        (name,) = key
        if self.lives.take(name, value):
            changes.lives.add(name)

    def _take_segments(self, key: tuple[str, ...], value: bytes | None, changes: Changes) -> None:
        """Other names are other segments to lay out; the points of items are for those who show pages."""
        before = self.segment_model.names
        self.segment_model.take(key[0], value)
        if before != self.segment_model.names:
            changes.pages |= {page for page, rules in self.rules.items() if rules.has_learned_segments}
