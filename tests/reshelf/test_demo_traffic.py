"""The demonstration's visitors, items and pages in the topics."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from rich.console import Console

from policy.assignment import choose
from reshelf.demo.picture import Picture, summary
from reshelf.demo.renderer import NO_SLOT
from reshelf.demo.run import shown_on
from reshelf.demo.scores import HOLDOUT
from reshelf.demo.screen import line, screen
from reshelf.demo.shop import SEGMENTS
from reshelf.demo.traffic import Traffic
from reshelf.rules.topic import history, newest, publish
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadSettings
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from schemas.topics import BY_NAME, CATALOG_ITEMS, CLICKS, IMPRESSIONS, LAYOUTS, PURCHASES
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import KafkaSettings
from tests.deadline import Deadline
from tests.reshelf.demo_shop import HOME, NOW_MS, SMALL, layout_of, shelf_of, shop, views_of


@pytest.fixture
def traffic(broker: str, prefix: str, make_topics: Callable[..., None]) -> Iterator[Traffic]:
    make_topics(broker)
    made = Traffic(shop(), KafkaSettings(bootstrap=broker, prefix=prefix), choose, rate=400.0, run="t")
    made.open()
    yield made
    made.close()


def records(kafka: KafkaSettings, name: str) -> list[Any]:
    """All messages in a topic, checked against its schema."""
    consumer = Consumer(confluent_consumer_config(kafka, "test-reader") | {"enable.partition.eof": True})
    places = [TopicPartition(kafka.prefix + name, number, OFFSET_BEGINNING) for number in range(4)]
    consumer.assign(places)
    message, unread, found = BY_NAME[name].message, 4, []
    assert message is not None
    while unread:
        for record in consumer.consume(1000, timeout=0.2):
            unread -= record.error() is not None
            if record.error() is None and (value := record.value()) is not None:
                found.append(decoder(message)(value))
    consumer.close()
    return found


def send_layout(kafka: KafkaSettings, layout: Layout) -> None:
    producer = Producer(confluent_producer_config(kafka))
    producer.produce(kafka.prefix + LAYOUTS.name, encode(layout), encode_key(LAYOUTS, layout.page, layout.segment))
    producer.flush()


def test_traffic_through_the_topics(traffic: Traffic, broker: str, prefix: str) -> None:
    """The shop publishes what its visitors do, and shows the layouts that arrive."""
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    now_ms = time.time_ns() // 1_000_000
    layout = layout_of(
        traffic.shop, HOME, SEGMENTS[0], 3, expires_at=now_ms + 60_000, watermarks={CLICKS.name: [0, 0, 0, 0]}
    )
    send_layout(kafka, layout)
    end = Deadline(30)
    while end.ahead and not (traffic.tally.views > 2_000 and traffic.tally.layouts and traffic.scores.orders.sum()):
        traffic.step()
        time.sleep(0.01)
    picture = Picture(traffic, "test shop").at(12.0)
    traffic.settle()
    impressions, clicks = records(kafka, IMPRESSIONS.name), records(kafka, CLICKS.name)
    purchases = records(kafka, PURCHASES.name)
    assert len(impressions) + len(clicks) + len(purchases) == traffic.tally.events
    assert len({event.event_id for event in impressions + clicks + purchases}) == traffic.tally.events
    assert {event.variant for event in impressions} == {FALLBACK, BASELINE, 0, 1}
    shown = {(e.page_view_id, slot.slot, slot.item) for e in impressions for slot in e.slots}
    assert {(e.page_view_id, e.slot, e.item) for e in clicks} <= shown
    for event in impressions:
        if event.layout_version:
            assert (event.page, event.segment, event.layout_version) == ("home", SEGMENTS[0], 3)
            assert event.variant == choose(layout, event.unit).variant
    assert len(records(kafka, CATALOG_ITEMS.name)) >= SMALL.items
    assert picture["pages"][0]["shelves"][SEGMENTS[0]]["version"] == 3
    assert "events/s" in line(picture)
    console = Console(file=(text := io.StringIO()), width=200)
    with shown_on(console, "http://h/", "export RESHELF_SETTINGS=x"):
        console.print(screen(picture, "http://h/", "export RESHELF_SETTINGS=x"))
    assert text.getvalue().count("export RESHELF_SETTINGS=x") == 2


def declared_before(kafka: KafkaSettings, slots: list[str]) -> PageRules:
    (home,) = publish(kafka, [PageRules("home", 0, slots)], "mira", "first page", NOW_MS)
    return home


def test_a_page_that_is_declared_already_stays_as_it_is(
    broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    home = declared_before(kafka, ["home-1", "home-2"])
    traffic = Traffic(shop(), kafka, choose, rate=400.0, run="t")
    traffic.open()
    layout = layout_of(traffic.shop, HOME, "*", 3, expires_at=2 * NOW_MS)
    layout = msgspec.structs.replace(layout, baseline={"home-1": "kettle", "home-2": "mug"})
    send_layout(kafka, layout)
    end = Deadline(30)
    while end.ahead and not traffic.scores.views[HOLDOUT].sum():
        traffic.step()
        time.sleep(0.01)
    traffic.close()
    assert history(kafka, "home") == [home]
    assert {page.version for page in newest(kafka).values()} == {1}
    shown = [event for event in records(kafka, IMPRESSIONS.name) if event.page == "home"]
    assert {slot.item for event in shown if event.variant == BASELINE for slot in event.slots} == {"kettle", "mug"}


def test_a_page_with_other_slots_is_refused(broker: str, prefix: str, make_topics: Callable[..., None]) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    home = declared_before(kafka, ["hero", "home-1"])
    traffic = Traffic(shop(), kafka, choose, rate=400.0, run="t")
    with pytest.raises(BadSettings, match="got hero"):
        traffic.open()
    traffic.close()
    assert newest(kafka) == {"home": home}


def test_the_fallback_fills_no_slot_that_a_page_has_not() -> None:
    model = shop()
    made = shelf_of(model)
    made.set_slots(HOME, ["home-1", "home-3"])
    _, _, shown = made.render(views_of(model, HOME, 0), model.in_stock, NOW_MS)
    assert np.flatnonzero(shown[0] != NO_SLOT).tolist() == [0, 2]


def test_items_of_others_are_liked_and_neither_sold_out_nor_published() -> None:
    model = shop()
    own = {item.key for item in model.items}
    assert model.take_in(["kettle", "mug"])
    assert not model.take_in(["kettle", *own])
    changed = {key for second in range(1, 400) for key, _ in model.advance(float(second))}
    assert not changed & {"kettle", "mug"}
    assert [item.key for item in model.items[SMALL.items :]] == ["kettle", "mug"]
    assert model.attraction.shape[1] == len(model.price) == len(model.in_stock) == SMALL.items + 2
    assert not model.take_in(changed), "what has left the catalog does not come back"


def test_the_summary_is_json_before_anything_is_known(traffic: Traffic) -> None:
    told = orjson.loads(orjson.dumps(summary(traffic)))
    assert told["uplift"] is None
    assert set(told) == {
        "events", "layouts", "ctr_learned", "ctr_holdout", "uplift", "uplift_low", "uplift_high", "click_to_layout_ms",
        "dead_letters",
    }  # fmt: skip
