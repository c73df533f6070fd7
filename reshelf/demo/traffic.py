"""The shop's side of the topics: catalog and pages in, layouts out, visitors' events in.

Everything goes through confluent-kafka as a web tier's would; nothing is passed
to the workers in any other way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from policy.arrays import Bools, Ints
from reshelf.demo.catalog import catalog_item, check_declared, fallback, page_rules
from reshelf.demo.renderer import Choose, Key, Rendered, Renderer
from reshelf.demo.scores import Delays, Scores, arms, trial_arms, unit_bins
from reshelf.demo.segments import KnownSegments, LearnedSegments, Segments
from reshelf.demo.shop.follow_ups import VIEW, FollowUps
from reshelf.demo.shop.item import Item
from reshelf.demo.shop.model import Shop, Views
from reshelf.demo.shop.pages import FRONT, NO_SHELF, PAGES, SHELVES
from reshelf.demo.tally import Tally
from reshelf.rules.topic import newest, publish
from schemas import topics
from schemas.codec import decode_key, decoder, encode, encode_key
from schemas.errors import BadRecord, Transient
from schemas.messages.events import Click, Impression
from schemas.messages.layouts import Layout
from schemas.topic import Topic
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import KafkaSettings

TICK_S = 0.02
CATALOG_S = 1.0
NO_ARM = -1
PAGE_NAMES = frozenset(page.name for page in PAGES)
_FRONT = [page.name for page in PAGES].index(FRONT)


class Traffic:
    """Visitors of a shop, at a number of page views a second.

    `on_layout` hears of every layout that was taken.  With `learned` segments the web tier does not know its visitors.
    """

    def __init__(
        self, shop: Shop, kafka: KafkaSettings, choose: Choose, rate: float, run: str, *, learned: bool = False
    ) -> None:
        self.shop = shop
        self.rate = rate
        self.choose = choose
        self.units = [f"v{number:06d}-{run}" for number in range(shop.settings.units)]
        self.learned = learned
        self.segments: Segments = LearnedSegments(len(self.units)) if learned else KnownSegments(shop.unit_segment)
        self.renderer = Renderer(choose, self.units, fallback(shop), self.segments.names)
        self.scores, self.front_scores, self.taste_scores = Scores(), Scores(), Scores()
        self.delays = Delays()
        self.tally = Tally()
        self.on_layout: Callable[[Layout], None] = lambda layout: None
        self._bins = unit_bins(self.units)
        self._run, self._kafka, self._prefix = run, kafka, kafka.prefix
        self._numbers = count()
        self._follow_ups = FollowUps(shop.settings.delay)
        self._producer = Producer(confluent_producer_config(kafka))
        self._consumer = Consumer(confluent_consumer_config(kafka, f"{kafka.prefix}demo-{run}"))
        self._begin, self._opened_ms = time.monotonic(), _now_ms()
        self._due = self._catalog_at = 0.0

    def open(self) -> None:
        """Publish the pages and the catalog, and subscribe to the layouts.

        Raises `BadSettings` where a page is declared otherwise than the shop's visitors can see it.
        """
        followed = topics.LAYOUTS, topics.LAYOUT_LIVES, topics.SEGMENTS, topics.DEAD_LETTERS
        self._consumer.assign([partition for topic in followed for partition in self._partitions(topic)])
        self._declare()
        for item in self.shop.items:
            self._publish_item(item.key, item)
        self._set_rows()
        if self._producer.flush(30):
            raise Transient(
                "The broker did not take the catalog within 30 s. Check kafka.bootstrap and that the topics exist."
            )
        self._begin = time.monotonic()

    def _declare(self) -> None:
        """Publish the pages; one that is declared already stays as it is."""
        declared = newest(self._kafka)
        check_declared(declared, learned=self.learned)
        undeclared = [rules for rules in page_rules(learned=self.learned) if rules.page not in declared]
        publish(self._kafka, undeclared, "demo", "the shop opens", self._opened_ms)
        for number, page in enumerate(PAGES):
            if page.name in declared:
                self.renderer.set_slots(number, declared[page.name].slots)

    def step(self) -> None:
        """Do what is due by now: layouts in, stock moves, page views, and what follows them."""
        now = time.monotonic() - self._begin
        self._take_layouts()
        if now >= self._catalog_at:
            self._catalog_at = now + CATALOG_S
            self._move_catalog(now)
        views = int(min((now - self._due) * self.rate, self.rate))
        if views > 0:
            self._due = max(self._due + views / self.rate, now - 1.0)
            self._serve(views)
        self._follow_up(now)
        self._producer.poll(0)

    def settle(self) -> None:
        """Wait a little for what is on its way."""
        self._producer.flush(5)

    def close(self) -> None:
        """Send what is on its way and leave."""
        self.settle()
        self._consumer.close()

    def _partitions(self, topic: Topic) -> list[TopicPartition]:
        name = self._prefix + topic.name
        metadata = self._consumer.list_topics(name, timeout=10).topics[name]
        if metadata.error is not None or not metadata.partitions:
            raise Transient(f"Topic {name} is not there: {metadata.error}. Create it with `reshelf topics apply`.")
        return [TopicPartition(name, number, OFFSET_BEGINNING) for number in metadata.partitions]

    def _take_layouts(self) -> None:
        for message in self._consumer.consume(500, timeout=0):
            error = message.error()
            if error is not None:
                if error.fatal():
                    raise Transient(f"Reading layouts failed: {error}")
            elif message.topic() == self._prefix + topics.DEAD_LETTERS.name:
                self.tally.dead_letters += 1
            elif message.topic() == self._prefix + topics.LAYOUT_LIVES.name:
                self._take_by(self.renderer.lives.take_record, message)
            elif message.topic() == self._prefix + topics.SEGMENTS.name:
                self._take_by(self.segments.take_record, message)
            else:
                self._take_layout(message)

    def _take_by(self, take: Callable[[bytes | None, bytes | None], object], message: Message) -> None:
        try:
            take(message.key(), message.value())
        except BadRecord:
            self.tally.failed += 1

    def _take_layout(self, message: Message) -> None:
        key: Key = decode_key(topics.LAYOUTS, message.key())  # type: ignore[assignment]
        value = message.value()
        if value is None:
            self.renderer.drop(key)
            return
        try:
            layout = decoder(Layout)(value)
        except BadRecord:
            self.tally.failed += 1
            return
        if self.renderer.take(layout):
            self.tally.layouts += 1
            if layout.page in PAGE_NAMES:
                self._take_in(layout)
            self.delays.layout(key, layout.watermarks, time.monotonic())
            self._note_reflected(layout)
            self.on_layout(layout)

    def _take_in(self, layout: Layout) -> None:
        """What others put into the catalog is on the pages, too."""
        named = {item for slate in (layout.baseline, *layout.slates) for item in slate.values()}
        if self.shop.take_in(sorted(named)):
            self._set_rows()

    def _note_reflected(self, layout: Layout) -> None:
        for number, position in enumerate(layout.watermarks.get(topics.CLICKS.name, [])):
            self.tally.reflected[number] = max(position, self.tally.reflected.get(number, 0))

    def _move_catalog(self, now: float) -> None:
        changes = self.shop.advance(now)
        for key, item in changes:
            self._publish_item(key, item)
        self.tally.catalog_changes += len(changes)
        if changes:
            self._set_rows()

    def _publish_item(self, key: str, item: Item | None) -> None:
        value = None if item is None else encode(catalog_item(item, self._opened_ms))
        self._produce(topics.CATALOG_ITEMS, encode_key(topics.CATALOG_ITEMS, key), value)

    def _set_rows(self) -> None:
        self._names = [item.key for item in self.shop.items]
        self.renderer.set_items({name: row for row, name in enumerate(self._names)})

    def _serve(self, number: int) -> None:
        """Show pages to visitors and publish what they saw and clicked."""
        now_ms = _now_ms()
        views = self.shop.views(number)
        shown = replace(views, segment=self.segments.of(views))
        rendered = self.renderer.render(shown, self.shop.in_stock, now_ms)
        clicked = self.shop.clicks(views, rendered.slates, rendered.shelves)
        self._score(views, rendered, clicked.sum(axis=1))
        ids = [f"{self._run}-{next(self._numbers)}" for _ in range(number)]
        self._publish_impressions(shown, rendered, ids, now_ms)
        self._publish_clicks(shown, rendered, clicked, ids, now_ms)
        self._remember(views, rendered.variant, rendered.slates, clicked)
        self.tally.views += number

    def _score(self, views: Views, rendered: Rendered, clicks: Ints) -> None:
        bins, is_front = self._bins[views.unit], views.page == _FRONT
        self.scores.add_views(arms(rendered.variant), bins, clicks)
        trial = trial_arms(rendered.variant, rendered.branch)
        self.front_scores.add_views(trial[is_front], bins[is_front], clicks[is_front])
        if self.segments.model:
            self.taste_scores.add_views(trial[~is_front], bins[~is_front], clicks[~is_front])

    def _publish_impressions(self, views: Views, rendered: Rendered, ids: list[str], now_ms: int) -> None:
        columns = views.unit, views.page, views.segment, *rendered
        for view, unit, page, segment, variant, version, _, slate, shelves in zip(
            ids, *(column.tolist() for column in columns), strict=True
        ):
            slots, rows = self.renderer.in_sight(page, slate, shelves, self._names)
            if slots:
                name, place = self.units[unit], (PAGES[page].name, self.segments.names[segment])
                event = Impression(f"i-{view}", now_ms, name, *place, view, version, variant, slots, rows)
                self._send(topics.IMPRESSIONS, name, event)

    def _publish_clicks(self, views: Views, rendered: Rendered, clicked: Bools, ids: list[str], now_ms: int) -> None:
        for view, slot in np.argwhere(clicked).tolist():
            page, number = PAGES[views.page[view]], int(views.unit[view])
            segment, unit = self.segments.names[views.segment[view]], self.units[number]
            name, place = self._names[rendered.slates[view, slot]], page.slots[slot]
            origin = ids[view], int(rendered.version[view]), int(rendered.variant[view])
            at = rendered.shelves[view, slot]
            shelf = "" if at == NO_SHELF else SHELVES[at].name
            event = Click(f"c-{ids[view]}-{slot}", now_ms, unit, page.name, segment, place, name, *origin, shelf=shelf)
            produced = partial(self._clicked, (page.name, segment), time.monotonic())
            self._send(topics.CLICKS, unit, event, produced)
            self.segments.see(number, name)

    def _clicked(self, key: Key, produced: float, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.tally.failed += 1
            return
        number, offset = int(message.partition() or 0), int(message.offset() or 0)
        self.tally.positions[number] = max(offset + 1, self.tally.positions.get(number, 0))
        self.delays.click(key, number, offset, produced)

    def _remember(self, views: Views, variant: Ints, slates: Ints, clicked: Bools) -> None:
        """What is to follow: of clicks signals and orders, and orders that come by other ways."""
        view, slot = np.nonzero(clicked)
        rows, now = slates[view, slot], time.monotonic() - self._begin
        self._follow_ups.add_clicks(now, views.unit[view], self._named(rows))
        looking, looks = self.shop.looks(views)
        self._follow_ups.add_looks(now, views.unit[looking], self._named(looks))
        orders, organic = self.shop.orders(view, rows), self.shop.organic(views)
        self._follow_ups.add_orders(now, orders, views.unit, arms(variant), self._named(orders.row))
        self._follow_ups.add_orders(now, organic, views.unit, np.full(len(variant), NO_ARM), self._named(organic.row))

    def _named(self, rows: Ints) -> list[str]:
        return [self._names[row] for row in rows.tolist()]

    def _follow_up(self, now: float) -> None:
        """Publish what is due by now."""
        for each in self._follow_ups.due(now):
            unit = self.units[each.unit]
            self._send(each.topic, unit, each.event(unit, self._run, _now_ms()))
            self.tally.signals += each.topic is topics.SIGNALS
            if each.kind == VIEW:
                self.segments.see(each.unit, each.item)
            self.tally.returns += each.topic is topics.RETURNS
            if each.topic is topics.PURCHASES:
                self.scores.add_order(each.arm, int(self._bins[each.unit]), each.amount)

    def _send(self, topic: Topic, unit: str, event: msgspec.Struct, on_delivery: Any = None) -> None:
        self.tally.events += 1
        self._produce(topic, unit.encode(), encode(event), on_delivery)

    def _produce(self, topic: Topic, key: bytes, value: bytes | None, on_delivery: Any = None) -> None:
        while True:
            try:
                self._producer.produce(
                    self._prefix + topic.name, value, key, on_delivery=on_delivery or self._delivered
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.tally.failed += 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
