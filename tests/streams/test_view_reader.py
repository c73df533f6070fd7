"""The fitter's page views from topics: the same after a restart, without duplicates and without whom to forget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import numpy as np
from confluent_kafka import Producer

from schemas.codec import encode
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Impression, SlotItem
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.topics import CLICKS, IMPRESSIONS
from streams.fitter.view_reader import ViewReader
from streams.fitter.view_sample import SampledView
from streams.fitter.visits import VisitFitter
from streams.kafka.clients import confluent_producer_config
from streams.settings import FoldSettings, KafkaSettings
from tests.conftest import MakeTopics
from tests.deadline import Deadline

SLOTS, ITEMS, VIEWS = ["a", "b", "c", "d"], [f"i{number}" for number in range(12)], 3_000
CATALOG = {name: CatalogItem(name, name, category=f"c{at % 2}") for at, name in enumerate(ITEMS)}
RULES = PageRules("home", 1, SLOTS)


def page_views() -> Iterator[Impression | Click]:
    """Of the items of a category each further one is clicked a third as often; all but the last are a while ago."""
    rng, now = np.random.default_rng(1), time.time_ns() // 1_000_000
    for number in range(VIEWS):
        at, place = now - 120_000, (f"u{number}", "home", "s")
        slate, above = rng.permutation(12)[:4].tolist(), [0, 0]
        slots = [SlotItem(slot, ITEMS[item]) for slot, item in zip(SLOTS, slate, strict=True)]
        yield Impression(f"i{number}", at, *place, f"v{number}", 1, 0, slots)
        for slot, item in zip(SLOTS, slate, strict=True):
            if rng.random() < 0.3 * 0.33 ** above[item % 2]:
                yield Click(f"c{number}-{slot}", at + 5, *place, slot, ITEMS[item], f"v{number}", 1, 0)
            above[item % 2] += 1
    yield Impression("last", now, "other", "home", "s", "last", 1, 0, [SlotItem("a", "i0")])


def sampled(reader: ViewReader) -> list[SampledView]:
    return sorted(reader.views("home")[1], key=lambda view: view.unit)


def test_page_views_are_read_back_and_say_what_stands_above(
    any_broker: str, prefix: str, make_topics: MakeTopics
) -> None:
    make_topics(any_broker, names=(IMPRESSIONS.name, CLICKS.name))
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix)
    producer = Producer(dict(confluent_producer_config(kafka)))
    for event in page_views():
        topic = IMPRESSIONS if isinstance(event, Impression) else CLICKS
        for _ in range(2):
            producer.produce(prefix + topic.name, encode(event), event.unit.encode())
    producer.flush(30)

    async def run() -> None:
        first, second = ViewReader(kafka, FoldSettings(), 10_000), ViewReader(kafka, FoldSettings(), 10_000)
        try:
            await first.start()
            assert len(sampled(first)) == VIEWS
            fit = VisitFitter(first).fit(RULES, CATALOG, None)
            assert fit is not None
            assert fit.after_alike.in_force
            assert 0.25 < fit.after_alike.factor < 0.45
            assert not fit.after_click.in_force
            await second.start()
            assert sampled(second) == sampled(first)
            producer.produce(prefix + CLICKS.name, None, b"u7")
            producer.flush(30)
            until = Deadline(20)
            while len(sampled(second)) == VIEWS:
                assert until.ahead
                await second.follow()
            assert len(sampled(second)) == VIEWS - 1
            published = PolicyParameters("home", 1, 1, 0.02, 50.0, visits=fit)
            assert VisitFitter(ViewReader(kafka, FoldSettings(), 0)).fit(RULES, CATALOG, published) is None
            assert VisitFitter(ViewReader(kafka, FoldSettings(), 9)).fit(RULES, CATALOG, published) == fit
        finally:
            await first.close()
            await second.close()

    asyncio.run(run())
