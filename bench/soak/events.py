"""What visitors do in a shop where visitors, items and pages come and go.

Whatever is held by the name of a unit, a page view, an event, an item, a page or a segment meets
new names all the time, and old ones that nobody names again.  Some records are sent twice, come
late, or are no events at all, and some units are to be forgotten.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator

import msgspec

from bench.pages import slot_names
from bench.shop.sending import Sender
from schemas.codec import encode_key
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Impression, Purchase, PurchaseLine, SlotItem
from schemas.messages.fields import BASELINE
from schemas.messages.pages import Candidates, PageRules
from schemas.topics import CATALOG_ITEMS, CLICKS, IMPRESSIONS, PAGE_RULES, PURCHASES
from streams.settings import KafkaSettings

PAGES, SEGMENTS, ITEMS, SLOTS = 4, 4, 60, 8
"""Pages that stay; items of a page."""
CAMPAIGNS = 2
"""Pages beside them that are taken down again, the oldest for the newest."""
VARIANTS = 16
UNITS, NEW_UNITS_PER_S = 3_000, 20.0
CHANGES_A_DAY = 24
"""How often in a day of traffic items and campaigns change."""
ITEMS_CHANGED = 3
CLICK_EVERY, PURCHASE_EVERY = 10, 100
REPEAT_EVERY, LATE_EVERY, INVALID_EVERY, FORGET_EVERY = 500, 2_000, 2_000, 1_000
LATE_MS = 10 * 86_400_000
REMEMBERED = 2_000


class Shop:
    """What there is now: names with ever new numbers."""

    def __init__(self) -> None:
        self.slots = slot_names(SLOTS)
        self.campaign = CAMPAIGNS
        self._oldest = 0

    def pages(self) -> list[str]:
        """The pages that are declared now."""
        campaigns = [f"campaign-{at}" for at in range(self.campaign - CAMPAIGNS, self.campaign)]
        return [f"page-{at}" for at in range(PAGES)] + campaigns

    def items(self, page: str) -> list[str]:
        """The items that a page shows now."""
        return [f"{page}-item-{at}" for at in range(self._oldest, self._oldest + ITEMS)]

    def change(self) -> tuple[list[str], list[str], str]:
        """Let some time pass: the items that are gone, those that are new, and the campaign that ended."""
        before = {item for page in self.pages() for item in self.items(page)}
        ended = self.pages()[PAGES]
        self.campaign += 1
        self._oldest += ITEMS_CHANGED
        after = {item for page in self.pages() for item in self.items(page)}
        return sorted(before - after), sorted(after - before), ended


class Visits:
    """Publishes what is due by the clock; `sent` counts events."""

    def __init__(self, kafka: KafkaSettings, run: str, rate: float, day_s: float, window_ms: int) -> None:
        self.sent = 0
        self.shop = Shop()
        self._run = run
        self._rate = rate
        self._window_ms = window_ms
        self._chance = random.Random(run)
        self._sender = Sender(kafka)
        self._views: deque[Impression] = deque(maxlen=REMEMBERED)
        self._clicks: deque[Click] = deque(maxlen=REMEMBERED)
        self._change_s = day_s / CHANGES_A_DAY
        self._version = 0
        self._began = self._changed_at = time.monotonic()

    def open(self) -> None:
        """Publish the catalog and the pages."""
        for page in self.shop.pages():
            self._declare(page)
            for item in self.shop.items(page):
                self._offer(item)
        self._sender.settle()

    def begin(self) -> None:
        """From now on events are due."""
        self._began = self._changed_at = time.monotonic()

    def publish_due(self) -> None:
        """Send what is due now."""
        now = time.monotonic()
        if now - self._changed_at >= self._change_s:
            self._changed_at += self._change_s
            self._change()
        for _ in range(int((now - self._began) * self._rate) - self.sent):
            self._event()
        self._sender.poll()

    def settle(self) -> None:
        """Wait until the broker has all."""
        self._sender.settle()

    def unit(self) -> str:
        """A visitor of now: those that came first do not come again."""
        oldest = int((time.monotonic() - self._began) * NEW_UNITS_PER_S)
        return f"unit-{oldest + self._chance.randrange(UNITS)}"

    def impression(self) -> Impression:
        """A page view."""
        name, page = f"{self._run}-{self.sent}", self._chance.choice(self.shop.pages())
        items = self._chance.sample(self.shop.items(page), SLOTS)
        segment = f"segment-{self._chance.randrange(SEGMENTS)}"
        variant = BASELINE if self._chance.random() < 0.1 else self._chance.randrange(VARIANTS)
        slots = [SlotItem(*pair) for pair in zip(self.shop.slots, items, strict=True)]
        return Impression(name, _now_ms(), self.unit(), page, segment, name, 1, variant, slots)

    def _event(self) -> None:
        self.sent += 1
        topic, event = next(self._next())
        if self.sent % LATE_EVERY == LATE_EVERY // 3:
            event = msgspec.structs.replace(event, occurred_at=_now_ms() - LATE_MS)
        for _ in range(2 if self.sent % REPEAT_EVERY == 7 else 1):
            self._sender.send(topic, event.unit.encode(), event)
        if self.sent % INVALID_EVERY == INVALID_EVERY // 2:
            self._sender.send(CLICKS.name, event.unit.encode(), Junk(f"{self._run}-{self.sent}"))
        if self.sent % FORGET_EVERY == FORGET_EVERY // 2:
            self._sender.send(CLICKS.name, self.unit().encode(), None)

    def _next(self) -> Iterator[tuple[str, Impression | Click | Purchase]]:
        if self.sent % PURCHASE_EVERY == 0 and self._clicks:
            yield PURCHASES.name, self._purchase()
        if self.sent % CLICK_EVERY == 0 and self._views:
            self._clicks.append(click := self._click())
            yield CLICKS.name, click
        self._views.append(view := self.impression())
        yield IMPRESSIONS.name, view

    def _click(self) -> Click:
        view, name = self._chance.choice(self._views), f"{self._run}-{self.sent}"
        cell = self._chance.choice(view.slots)
        where = view.unit, view.page, view.segment, cell.slot, cell.item
        return Click(name, _now_ms(), *where, view.page_view_id, view.layout_version, view.variant)

    def _purchase(self) -> Purchase:
        clicked, name = self._chance.choice(self._clicks), f"{self._run}-{self.sent}"
        return Purchase(name, _now_ms(), clicked.unit, name, "EUR", [PurchaseLine(clicked.item, 1, 1_990)])

    def _change(self) -> None:
        """Items and a campaign go, others come, and every page is published again."""
        gone, new, ended = self.shop.change()
        for item in gone:
            self._sender.send(CATALOG_ITEMS.name, encode_key(CATALOG_ITEMS, item), None)
        for item in new:
            self._offer(item)
        self._sender.send(PAGE_RULES.name, encode_key(PAGE_RULES, ended), None)
        for page in self.shop.pages():
            self._declare(page)

    def _declare(self, page: str) -> None:
        self._version += 1
        candidates = Candidates(categories=[page])
        rules = PageRules(
            page, self._version, list(self.shop.slots), candidates=candidates, attribution_window=self._window_ms
        )
        self._sender.send(PAGE_RULES.name, encode_key(PAGE_RULES, page), rules)

    def _offer(self, item: str) -> None:
        page = item.partition("-item-")[0]
        offered = CatalogItem(item, item, f"the text of {item}", category=page, brand=f"brand of {page}", price=1_990)
        self._sender.send(CATALOG_ITEMS.name, encode_key(CATALOG_ITEMS, item), offered)


class Junk(msgspec.Struct, frozen=True):
    """A record that is no event."""

    no_event: str


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
