"""What the topics of the catalog say, read once for all that a run of doctor looks at."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, PAGE_RULES
from streams.catalog.snapshot import read_catalog
from streams.kafka.reader import read_runs
from streams.settings import KafkaSettings

M = TypeVar("M", bound=Struct)
MOST_RECORDS = 100_000
"""Records of each topic that are looked at."""


class Newest(NamedTuple, Generic[M]):
    """The newest record of each key among the first ones of a topic, and whether these are all."""

    records: dict[str, M]
    whole: bool


class CatalogTopics:
    """Items and pages, each read when it is first asked for; raises as a reader of topics does."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    @property
    def items(self) -> Mapping[str, CatalogItem]:
        """Items by name, as far as the first records go."""
        return self._items.records

    @cached_property
    def pages(self) -> Mapping[str, PageRules]:
        """Declared pages by name, as far as the first records go."""
        return _newest(self._kafka, PAGE_RULES, PageRules).records

    def categories(self) -> dict[str, str]:
        """The category of every item that has one."""
        items = self.items if self._items.whole else read_catalog(self._kafka, (CATALOG_ITEMS,)).items
        return {name: item.category for name, item in items.items() if item.category}

    @cached_property
    def _items(self) -> Newest[CatalogItem]:
        return _newest(self._kafka, CATALOG_ITEMS, CatalogItem)


def _newest(kafka: KafkaSettings, topic: Topic, message: type[M]) -> Newest[M]:
    """What cannot be read is left out."""
    entries, decode, seen = dict[str, M](), decoder(message), 0
    for _, records in read_runs(kafka, topic):
        if seen >= MOST_RECORDS:
            return Newest(entries, whole=False)
        for record in records:
            name = (record.key or b"").decode(errors="replace")
            entries.pop(name, None)
            with suppress(BadRecord):
                if record.value:
                    entries[name] = decode(record.value)
        seen += len(records)
    return Newest(entries, whole=True)
