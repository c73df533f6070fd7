"""The demonstration shop: its model, its renderer, its scores, and its traffic through a real broker."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from policy.assignment import choose
from reshelf.demo.catalog import candidates, catalog_item, fallback, page_rules
from reshelf.demo.picture import Picture, summary
from reshelf.demo.renderer import NO_SLOT, Renderer
from reshelf.demo.run import USUAL_PORT, console_address, default_port
from reshelf.demo.scores import HOLDOUT, LEARNED, Delays, Scores, arms, unit_bins
from reshelf.demo.screen import line, screen
from reshelf.demo.shop import PAGES, SEGMENTS, WIDTH, Shop, ShopSettings, Views
from reshelf.demo.traffic import Traffic
from reshelf.demo.words import DEPARTMENTS
from reshelf.processes.roles import ROLES
from reshelf.rules.topic import history, newest, publish
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from schemas.topics import BY_NAME, CATALOG_ITEMS, CLICKS, IMPRESSIONS, LAYOUTS, PURCHASES
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import KafkaSettings

SMALL = ShopSettings(units=2_000, delay=0.05)
HOME = 0
NOW_MS = 1_700_000_000_000


def shop(seed: int = 1, settings: ShopSettings = SMALL) -> Shop:
    return Shop(settings, np.random.default_rng(seed))


def layout_of(model: Shop, page: int, segment: str, version: int, **changes: Any) -> Layout:
    """A layout whose two slates and baseline are rotations of the page's candidates."""
    slots = PAGES[page].slots
    names = [model.items[row].key for row in candidates(PAGES[page].name, model.items)]
    baseline, *slates = (dict(zip(slots, names[turn:], strict=False)) for turn in range(3))
    fields: dict[str, Any] = {
        "page": PAGES[page].name, "segment": segment, "version": version,
        "produced_at": NOW_MS, "expires_at": NOW_MS + 600_000,
        "epoch": 0, "template": "default", "policy": "thompson", "settings_digest": "", "rules_version": 1,
        "parameters_version": 0, "catalog_position": [], "watermarks": {}, "holdout_share": 0.1, "holdout_salt": "h",
        "baseline": baseline, "slates": slates, "propensities": {slot: {slates[0][slot]: 0.5} for slot in slots},
    }  # fmt: skip
    return Layout(**fields | changes)


def shelf_of(model: Shop) -> Renderer:
    made = Renderer(choose, [f"u{number}" for number in range(model.settings.units)], fallback(model))
    made.set_items({item.key: item.row for item in model.items})
    return made


def views_of(model: Shop, page: int, segment: int, count: int = 200) -> Views:
    """Visitors of one segment who scroll to the end of one page."""
    unit = np.flatnonzero(model.unit_segment == segment)[:count]
    ones = np.ones(len(unit), dtype=np.int64)
    return Views(unit, ones * segment, ones * page, ones * len(PAGES[page].slots))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_says_everything(seed: int) -> None:
    one, two = shop(seed), shop(seed)
    for now in (5.0, 20.0, 60.0):
        assert [key for key, _ in one.advance(now)] == [key for key, _ in two.advance(now)]
    assert [item.product for item in one.items] == [item.product for item in two.items]
    assert np.array_equal(one.attraction, two.attraction)
    assert np.array_equal(one.views(50).unit, two.views(50).unit)
    assert not np.array_equal(one.attraction, shop(seed + 10).attraction)


def test_items_have_words_of_their_own() -> None:
    items = shop().items
    titles = {item.product.title for item in items}
    assert len(titles) == len(items) == SMALL.items
    assert {item.product.category for item in items} == {department.name for department in DEPARTMENTS}
    assert all(item.product.title in item.product.description for item in items)


def test_stock_and_arrivals_keep_the_tables_whole() -> None:
    model = shop()
    gone: set[str] = set()
    for second in range(1, 400):
        changes = model.advance(float(second))
        gone |= {key for key, item in changes if item is None}
        keys = [item.key for item in model.items]
        assert len(set(keys)) == len(keys) == SMALL.items
        assert not gone & set(keys)
        assert all(model.in_stock[item.row] == item.available for item in model.items)
    assert len(gone) > 30
    assert 0 < sum(not item.available for item in model.items) < 10


def test_tastes_differ_and_drift() -> None:
    model = shop()
    before = model.attraction.copy()
    assert np.corrcoef(before[0], before[1])[0, 1] < 0.9
    for second in range(120):
        model.advance(float(second))
    assert not np.array_equal(before, model.attraction)
    assert 0.005 <= model.attraction.min() <= model.attraction.max() <= 0.09


def test_alike_arms_are_alike() -> None:
    model = shop(settings=ShopSettings(units=100, null=True))
    model.advance(50.0)
    assert len(np.unique(model.attraction)) == len(np.unique(model.purchase)) == 1


def test_catalog_and_pages_fit_the_contract() -> None:
    model = shop()
    for item in model.items:
        message = catalog_item(item, NOW_MS)
        assert decoder(CatalogItem)(encode(message)) == message
    for rules, page in zip(page_rules(), PAGES, strict=True):
        assert tuple(rules.slots) == page.slots
        assert len(candidates(page.name, model.items)) >= 2 * len(page.slots)


def test_without_a_layout_the_fallback_is_shown() -> None:
    model = shop()
    variant, version, shown = shelf_of(model).render(views_of(model, HOME, 0), model.in_stock, NOW_MS)
    assert set(variant.tolist()) == {FALLBACK}
    assert set(version.tolist()) == {0}
    assert np.array_equal(shown, np.tile(fallback(model)[HOME], (len(shown), 1)))


def test_each_visitor_sees_what_the_contract_says() -> None:
    model = shop()
    made = shelf_of(model)
    layout = layout_of(model, HOME, SEGMENTS[0], 7)
    made.take(layout)
    views = views_of(model, HOME, 0)
    variant, version, shown = made.render(views, model.in_stock, NOW_MS)
    for unit, chosen, rows in zip(views.unit.tolist(), variant.tolist(), shown.tolist(), strict=True):
        expected, slate = choose(layout, f"u{unit}")
        assert chosen == expected
        assert [model.items[row].key for row in rows] == [slate[slot] for slot in PAGES[HOME].slots]
    assert set(variant.tolist()) == {BASELINE, 0, 1}
    assert set(version.tolist()) == {7}


def test_newest_version_wins_and_everyone_is_the_way_out() -> None:
    model = shop()
    made = shelf_of(model)
    assert made.take(layout_of(model, HOME, "*", 5))
    assert not made.take(layout_of(model, HOME, "*", 5))
    assert not made.take(layout_of(model, HOME, "*", 4))
    found = made.layout(HOME, 1, NOW_MS)
    assert found is not None
    assert (found.segment, found.version) == ("*", 5)
    made.take(layout_of(model, HOME, SEGMENTS[1], 2, expires_at=NOW_MS))
    assert made.layout(HOME, 1, NOW_MS - 1) is made.layouts["home", SEGMENTS[1]]
    assert made.layout(HOME, 1, NOW_MS) is found
    made.drop(("home", "*"))
    assert made.layout(HOME, 1, NOW_MS) is None


def test_sold_out_and_unseen_slots_are_left_out() -> None:
    model = shop()
    made = shelf_of(model)
    views = views_of(model, HOME, 0, 20)
    first = fallback(model)[HOME][0]
    model.in_stock[first] = False
    shallow = Views(views.unit, views.segment, views.page, np.full(20, 4))
    _, _, shown = made.render(shallow, model.in_stock, NOW_MS)
    assert (shown[:, 0] == NO_SLOT).all()
    assert (shown[:, 1:4] != NO_SLOT).all()
    assert (shown[:, 4:] == NO_SLOT).all()
    assert not model.clicks(shallow, shown)[shown == NO_SLOT].any()


@given(st.lists(st.tuples(st.integers(-2, 15), st.integers(0, 255), st.integers(0, 5)), max_size=50))
def test_scores_count_every_view_once(views: list[tuple[int, int, int]]) -> None:
    scores = Scores()
    table = np.array(views, dtype=np.int64).reshape(-1, 3)
    scores.add_views(table[:, 0], table[:, 1], table[:, 2])
    for arm, mine in ((LEARNED, table[:, 0] >= 0), (HOLDOUT, table[:, 0] == BASELINE)):
        assert scores.views[arm].sum() == mine.sum()
        assert scores.clicks[arm].sum() == table[mine, 2].sum()


def test_arms_and_bins() -> None:
    assert arms(np.array([-2, -1, 0, 15])).tolist() == [-1, HOLDOUT, LEARNED, LEARNED]
    bins = unit_bins([f"v{number}" for number in range(5_000)])
    assert bins.min() >= 0
    assert len(np.unique(bins)) == 256


def test_a_click_is_reflected_by_the_first_layout_past_it() -> None:
    delays = Delays()
    key = ("home", "cooks")
    delays.click(key, 1, 2, 8.0)
    delays.layout(key, {CLICKS.name: [0, 3]}, 9.0)
    for offset, sent in ((3, 10.0), (4, 10.5)):
        delays.click(key, 1, offset, sent)
    delays.layout(("home", "readers"), {CLICKS.name: [0, 9]}, 10.6)
    delays.layout(key, {CLICKS.name: [9, 4]}, 11.0)
    delays.layout(key, {CLICKS.name: [9, 5]}, 12.0)
    assert list(delays.recent) == [1.0, 1.5]
    assert delays.quantiles_ms()["p50"] == 1250.0


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
    end = time.monotonic() + 30
    while time.monotonic() < end and not (
        traffic.tally.views > 2_000 and traffic.tally.layouts and traffic.scores.orders.sum()
    ):
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
    assert screen(picture, "") is not None


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
    end = time.monotonic() + 30
    while time.monotonic() < end and not traffic.scores.views[HOLDOUT].sum():
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


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadSettings, match="--port"):
        console_address(taken.getsockname()[1])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", console_address(0))
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # by somebody else it is as good
            taken.bind(("127.0.0.1", USUAL_PORT))
            taken.listen()
        assert default_port() == 0


def test_width_holds_every_page() -> None:
    assert WIDTH == max(len(page.slots) for page in PAGES) == 12


def start(*arguments: str) -> subprocess.Popen[str]:
    """A demonstration; without the encoder, which takes long to start, unless it is asked for."""
    command = [sys.executable, "-m", "reshelf", "demo", "--port", "0", "--rate", "300", "--no-encoder", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def descendants(pid: int) -> dict[int, str]:
    """Children, and theirs, with their command lines."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return {}
    found = {}
    for child in map(int, children):
        found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
        found |= descendants(child)
    return found


def with_workers(demo: subprocess.Popen[str], *more: str) -> dict[int, str]:
    """What the demonstration started, once all workers and the other commands are there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = descendants(demo.pid)
        wanted = [*(f"worker {role}" for role in ROLES), *more]
        if all(any(line.endswith(f"reshelf {name}") for line in found.values()) for name in wanted):
            return found
        time.sleep(0.1)
    demo.kill()
    raise AssertionError(f"no workers: {demo.communicate()}")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")


def test_it_ends_by_itself_with_one_object() -> None:
    demo = start("--seconds", "3", "--json")
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err
    told = orjson.loads(out)
    assert out.count("\n") == 1
    assert told["events"] > 0
    assert told["dead_letters"] == 0


@needs_proc
def test_item_texts_are_encoded_where_that_can_be_done() -> None:
    demo = start("--encoder", "--seconds", "1")
    if importlib.util.find_spec("torch") is None:
        assert demo.wait(60) == 2
        assert "reshelf[encoders]" in demo.communicate()[1]
        return
    with_workers(demo, "encoder")
    _, err = demo.communicate(timeout=120)
    assert (demo.returncode, "No item texts" in err) == (0, False), err


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_ends_all_it_started(number: signal.Signals) -> None:
    demo = start()
    started = with_workers(demo)
    time.sleep(0.5)
    demo.send_signal(number)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    assert not [line for pid, line in started.items() if alive(pid)]


@needs_proc
def test_a_worker_that_dies_ends_it_with_its_name() -> None:
    demo = start()
    started = with_workers(demo)
    os.kill(next(pid for pid, line in started.items() if line.endswith("worker learner")), signal.SIGKILL)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "learner ended with status -9" in err
    assert not [line for pid, line in started.items() if alive(pid)]
