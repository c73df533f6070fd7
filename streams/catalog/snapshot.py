"""The compacted topics read once, as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar, cast

from policy.items import ItemFacts
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogItem
from schemas.messages.parameters import PolicyParameters
from schemas.topic import Topic
from schemas.topics import POLICY_PARAMETERS
from streams.catalog.view import READ_TOPICS, CatalogView
from streams.kafka.reader import read_runs
from streams.settings import KafkaSettings

View = TypeVar("View", bound=CatalogView)


class TextCatalog(CatalogView):
    """A catalog that also keeps the texts of items, for people to read."""

    @property
    def texts(self) -> dict[str, CatalogItem]:
        """All of each item's record."""
        return cast(dict[str, CatalogItem], self.items)

    def _retained(self, item: CatalogItem) -> ItemFacts:
        return item


def read_catalog(kafka: KafkaSettings, topics: Sequence[Topic] = READ_TOPICS) -> CatalogView:
    """Items, pages and parameters as the compacted topics have them now, or just what some of them say."""
    return _taken(kafka, topics, CatalogView())


def read_texts(kafka: KafkaSettings, topics: Sequence[Topic] = READ_TOPICS) -> TextCatalog:
    """The same, with all that the catalog says of items."""
    return _taken(kafka, topics, TextCatalog())


def _taken(kafka: KafkaSettings, topics: Sequence[Topic], catalog: View) -> View:
    for topic in topics:
        for partition, records in read_runs(kafka, topic):
            catalog.expect(topic, partition + 1)
            catalog.take(topic, partition, records)
    return catalog


def read_parameters(kafka: KafkaSettings) -> dict[str, list[PolicyParameters]]:
    """All parameters of each page that compaction has left."""
    decode, parameters = decoder(PolicyParameters), dict[str, list[PolicyParameters]]()
    for _, records in read_runs(kafka, POLICY_PARAMETERS):
        for record in records:
            with suppress(BadRecord):
                fit = decode(record.value or b"")
                parameters.setdefault(fit.page, []).append(fit)
    return parameters
