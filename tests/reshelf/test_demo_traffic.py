"""The demonstration's visitors, items and pages in the topics."""

from __future__ import annotations

import io
import time
from collections import Counter
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
from reshelf.demo.shop.follow_ups import FollowUps
from reshelf.demo.shop.model import Orders
from reshelf.demo.shop.pages import SEGMENTS
from reshelf.demo.traffic import Traffic
from reshelf.rules.topic import history, newest, publish
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadSettings
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from schemas.topics import BY_NAME, CATALOG_ITEMS, CLICKS, IMPRESSIONS, LAYOUTS, PURCHASES, RETURNS, SIGNALS
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import FoldSettings, KafkaSettings
from tests.deadline import Deadline
from tests.delivery import flush
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
    flush(producer)


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
    purchases, signals = records(kafka, PURCHASES.name), records(kafka, SIGNALS.name)
    returns = records(kafka, RETURNS.name)
    every = impressions + clicks + purchases + signals + returns
    assert len({event.event_id for event in every}) == len(every) == traffic.tally.events
    assert (len(signals), len(returns)) == (traffic.tally.signals, traffic.tally.returns)
    placed = {(order.order_id, order.unit, order.lines[0].item): order.lines[0].amount for order in purchases}
    for event in returns:
        assert event.lines[0].amount <= placed[event.order_id, event.unit, event.lines[0].item]
    carts = [event for event in signals if event.kind == "add-to-cart"]
    assert {event.kind for event in signals} <= set(FoldSettings().signals) and carts
    assert {(event.unit, event.item) for event in signals} <= {(event.unit, event.item) for event in clicks}
    assert {event.variant for event in impressions} == {FALLBACK, BASELINE, 0, 1}
    shown = {(e.page_view_id, slot.slot, slot.item) for e in impressions for slot in e.slots}
    assert {(e.page_view_id, e.slot, e.item) for e in clicks} <= shown
    for event in impressions:
        if event.layout_version:
            assert (event.page, event.segment, event.layout_version) == ("home", SEGMENTS[0], 3)
            assert event.variant == choose(layout, event.unit).variant
    assert len(records(kafka, CATALOG_ITEMS.name)) >= SMALL.items
    assert picture["pages"][HOME]["layouts"][SEGMENTS[0]]["version"] == 3
    by_row = {(e.page_view_id, row): shelf for e in impressions for row, shelf in e.rows.items()}
    assert by_row and {e.page for e in impressions if e.rows} == {"front"}
    for event in clicks:
        assert event.shelf == by_row.get((event.page_view_id, event.slot.rpartition(".")[0]), "")
    assert "events/s" in line(picture)
    console = Console(file=(text := io.StringIO()), width=200)
    with shown_on(console, "http://h/", "export RESHELF_SETTINGS=x"):
        console.print(screen(picture, "http://h/", "export RESHELF_SETTINGS=x"))
    assert text.getvalue().count("export RESHELF_SETTINGS=x") == 2


def test_carts_come_before_their_orders_and_returns_after_them() -> None:
    follow_ups, items = FollowUps(2.0), ["mug"] * 500
    units, ones = np.arange(500), np.ones(500, dtype=np.int64)
    orders = Orders(units, ones, np.linspace(1.0, 9.0, 500), ones, ones * 900)
    follow_ups.add_orders(0.0, orders, units, ones, items)
    every = list(follow_ups.due(100.0))
    assert [each.due for each in every] == sorted(each.due for each in every)
    placed = {each.unit: each for each in every if each.topic is PURCHASES}
    carts, returned = ([each for each in every if each.topic is topic] for topic in (SIGNALS, RETURNS))
    assert len(placed) == 500 and 400 < len(carts) < 500 and 20 < len(returned) < 120
    assert all(each.due < placed[each.unit].due for each in carts)
    assert all(each.due > placed[each.unit].due and each.order == placed[each.unit].order for each in returned)


def test_some_carts_come_to_no_order() -> None:
    follow_ups = FollowUps(2.0)
    follow_ups.add_clicks(0.0, np.arange(1_000), ["mug"] * 1_000)
    kinds = Counter(each.kind for each in follow_ups.due(100.0))
    assert 700 < kinds["view"] < 900 and 50 < kinds["add-to-cart"] < 150 and 5 < kinds["wish"] < 80


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
    shown = made.render(views_of(model, HOME, 0), model.in_stock, NOW_MS).slates
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
        "dead_letters", "front",
    }  # fmt: skip
