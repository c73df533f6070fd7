"""What other rules cost or earn in a segment, all together and each by itself: a pure function.

Layouts are a pure function of state, so those that rules would give can be made beside those of now and compared, by
what is known of the items in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from policy.arrays import Floats
from policy.assignment import slate_chances
from policy.model.priors import interest_variance
from policy.pages.published import SegmentShelves
from policy.prices.earnings import Draws, Earnings, Knowledge, errors_of
from policy.prices.looks import ShelfLooks
from policy.prices.places import Crowding, Places, Slate, looks, places_of, shelf_places_of
from policy.rules.compiled import in_force
from policy.slates.composition import Statistics
from schemas.messages.layouts import Layout
from schemas.rules import Bid
from streams.catalog.page import Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.layouts.compose import compose
from streams.layouts.guard_rail import guarded
from streams.layouts.segments.borrowing import borrows
from streams.layouts.segments.serving import page_epoch
from streams.layouts.slates.statistics import statistics_of
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState

LEAST_LOSS = 1e-9
"""Of looks per page view: less is the noise of adding up."""
EPOCHS = 4
"""Draws of slates that are averaged at most: a rule holds for longer than one."""


class Circumstances(NamedTuple):
    """For whom and when layouts are made.

    `slot_clicks` are those of the whole page by slot.  `fell_back` says why the page shows its baseline to all,
    where it does.  `whole` is counted of the whole page, where the segment's layout takes something from that of `*`:
    all of its slates where `withdrawn` says why the page has no segments any more.  Slates of so many `epochs` are
    averaged.
    """

    segment: str
    state: KeyState
    settings: LayoutSettings
    at_ms: int
    slot_clicks: Mapping[str, float] = {}
    fell_back: str = ""
    whole: KeyState | None = None
    withdrawn: str = ""
    epochs: int = EPOCHS


class Sponsorship(NamedTuple):
    """What a bid brings, per page view: draws of the clicks that are paid for, and of what is paid for them.

    `displaced` says how much less often other items are looked at than without it.
    """

    sponsor: str
    clicks: Floats
    income: Floats
    displaced: Mapping[str, float]

    def plus(self, other: Sponsorship, factor: float = 1.0) -> Sponsorship:
        """And `factor` times the other, draw by draw."""
        items = {*self.displaced, *other.displaced}
        return self._replace(
            clicks=self.clicks + factor * other.clicks,
            income=self.income + factor * other.income,
            displaced={item: self.displaced.get(item, 0.0) + factor * other.displaced.get(item, 0.0) for item in items},
        )


class Price(NamedTuple):
    """What changes for a segment: clicks, orders and revenue per page view, by draws.

    `before` is what the slates of now bring, `change` what those of the rules bring more, `rules` what each of
    these brings more than without it, `sponsors` what each bid brings, by its rule's name.  `looks_before` and
    `looks_after` say how often items are looked at in a page view, `relaxed` what could not hold.  `layouts` are
    those of the epoch of now, as it is and as it would be.
    """

    before: Earnings
    change: Earnings
    rules: Mapping[str, Earnings]
    looks_before: Mapping[str, float]
    looks_after: Mapping[str, float]
    relaxed: Sequence[str]
    sponsors: Mapping[str, Sponsorship]
    layouts: tuple[Layout, Layout]


class RulePages(NamedTuple):
    """A page as it is and under other rules, and under these without one of them, by its name.

    The rules of each are bound to its items once for all segments.  Where it is said that both have the `same_items` in
    the same slots, what is known of items in slots is the same as well.
    """

    before: Page
    after: Page
    without: Mapping[str, Page]
    same_items: bool

    @classmethod
    def of(cls, before: Page, after: Page) -> RulePages:
        """The pages that the prices of rules are told by."""
        content, without = _content(before), dict[str, Page]()
        for rule in after.rules.rules:
            others = [each for each in after.rules.rules if each is not rule]
            page = replace(after, rules=msgspec.structs.replace(after.rules, rules=others))
            # What is published comes without the rule mostly: these layouts are made anyway.
            without[rule.name] = before if _content(page) == content else _apart(page)
        flat = not before.rules.has_shelves and before.rules.slots == after.rules.slots
        return cls(before, _apart(after), without, flat and before.candidates is after.candidates)


def priced(pages: RulePages, those: Circumstances) -> Price:
    """The price of the rules of one page against those of another; of all that are in force for the segment then."""
    then = _Slates(pages.after, those)
    now = then if pages.same_items else _Slates(pages.before, those)
    standing, layouts = now.layouts(pages.before), then.layouts(pages.after)
    own = now.places(standing)
    new = then.places(layouts)
    brought, would_bring = now.draws.earnings(own), then.draws.earnings(new)

    def without(page: Page) -> Places:
        return own if page is pages.before else then.places(then.layouts(page))

    rules = [
        rule
        for rule in pages.after.rules.rules
        if rule.name in pages.without and in_force(rule, those.segment, those.at_ms, None)
    ]
    rest = {rule.name: without(pages.without[rule.name]) for rule in rules}
    bids = {rule.name: rule for rule in rules if isinstance(rule, Bid)}
    return Price(
        brought,
        would_bring.plus(brought, -1.0),
        {name: would_bring.plus(then.draws.earnings(places), -1.0) for name, places in rest.items()},
        looks(own, now.draws.looks.curve),
        looks(new, then.draws.looks.curve),
        list(dict.fromkeys(text for layout in layouts for text in layout.relaxed)),
        {name: then.sponsorship(bid, new, rest[name]) for name, bid in bids.items()},
        (standing[0], layouts[0]),
    )


def _content(page: Page) -> tuple[object, ...]:
    """What layouts of a page are made from, beside what is counted."""
    return page.candidates, msgspec.structs.replace(page.rules, version=0, author="", reason="", published_at=0)


def _apart(page: Page) -> Page:
    """The page with candidates that bind its rules alone, for all segments."""
    return replace(page, candidates=page.candidates.apart())


class _Slates:
    """Slates of a page under any rules for the same candidates and slots, and what is known of the items in them."""

    def __init__(self, page: Page, those: Circumstances) -> None:
        self._those, self._page = those, page
        self._counts, self._whole_counts = (WeightedCounts(page.candidates, tuple(page.rules.slots)) for _ in range(2))
        shelves = page.segment_shelves(those.segment)
        knowledge = _knowledge(page, those, self._counts, shelves)
        self._row_of = page.rules.row_of
        self.draws = Draws(knowledge, _shelf_looks(page, knowledge, shelves) if shelves else None)
        self._crowding = _crowding(knowledge.statistics)
        bound = page.bound(those.segment, those.at_ms)
        self._auctioned = bound.auctioned(lambda: knowledge.statistics.posterior().mean)

    def layouts(self, page: Page) -> Sequence[Layout]:
        """Those of the epoch and the next ones."""
        those, settings = self._those, self._those.settings
        first = page_epoch(page.rules, those.segment, those.at_ms, settings.epoch_ms).number
        about = those.segment, those.state, page, settings
        wholes = [self._whole(page, at) for at in range(those.epochs)]
        composed = (
            compose(*about, first + at, self._counts, those.at_ms, whole=whole) for at, whole in enumerate(wholes)
        )
        return [
            guarded(layout, 0, those.fell_back, those.withdrawn, whole)
            for layout, whole in zip(composed, wholes, strict=True)
        ]

    def _whole(self, page: Page, at: int) -> Layout | None:
        """The layout of `*` under these rules in the `at`-th epoch from now, where the segment's borrows from it."""
        those, settings = self._those, self._those.settings
        if those.whole is None or not borrows(page.rules, those.segment):
            return None
        epoch = page_epoch(page.rules, WHOLE_PAGE, those.at_ms, settings.epoch_ms).number + at
        return compose(WHOLE_PAGE, those.whole, page, settings, epoch, self._whole_counts, those.at_ms)

    def places(self, layouts: Sequence[Layout]) -> Places:
        """How often items stand in slots in a page view of layouts that are equally likely, the holdout's too."""
        slates = [(slate, rows, share / len(layouts)) for layout in layouts for slate, rows, share in _shares(layout)]
        if self._row_of:
            return shelf_places_of(slates, self._row_of)
        return places_of(((slate, share) for slate, _, share in slates), self._crowding)

    def sponsorship(self, bid: Bid, places: Places, without: Places) -> Sponsorship:
        """What a bid brings with items in `places`, and what other items lose by it."""
        paid = self._paid(bid.name)
        clicks = self.draws.earnings({place: share for place, share in places.items() if place[0] in paid}).clicks
        curve = self.draws.looks.curve
        after, before = looks(places, curve), looks(without, curve)
        lost = {item: before[item] - after.get(item, 0.0) for item in before if item not in paid}
        displaced = {item: loss for item, loss in lost.items() if loss > LEAST_LOSS}
        return Sponsorship(bid.sponsor or bid.name, clicks, bid.amount * clicks, displaced)

    def _paid(self, name: str) -> set[str]:
        """The items that a bid lifts."""
        rules, items = self._auctioned, self._page.candidates.items
        arms = [bid.arms for bid in rules.bids if bid.name == name]
        return {items[at] for each in arms for at in rules.canonical[each].tolist()}


def _knowledge(page: Page, those: Circumstances, counts: WeightedCounts, shelves: SegmentShelves | None) -> Knowledge:
    """Orders are looked at even where layouts do not go by them."""
    settings = those.settings
    valued = settings if settings.sale_value else settings.changed(sale_value=1.0)
    statistics = statistics_of(those.segment, those.state, page, valued, counts, shelves)
    counted = any(counts.conversions[traffic].any() for traffic in (Traffic.LEARNED, Traffic.HOLDOUT))
    categories = [page.items[item].category if item in page.items else "" for item in page.candidates.items]
    variance = interest_variance(page.parameters, those.segment) if page.parameters else 0.0
    sales = statistics.click_value if counted else None
    clicks = np.array([those.slot_clicks.get(slot, 0.0) for slot in page.rules.slots])
    placed = counts.shelf_sums(page.compiled(those.segment, 0).page.shelf_names).placed / ONE if shelves else None
    return Knowledge(page.rules.page, those.segment, statistics, categories, variance, clicks, sales, placed)


def _crowding(statistics: Statistics) -> Crowding | None:
    alike = statistics.alike
    if alike is None:
        return None
    return Crowding(dict(zip(statistics.items, alike.codes.tolist(), strict=True)), alike.factor)


def _shelf_looks(page: Page, knowledge: Knowledge, shelves: SegmentShelves) -> ShelfLooks:
    """Looks at slots under shelves, whatever rules are in force."""
    compiled, names = page.compiled(knowledge.segment, 0), (knowledge.page, knowledge.segment)
    return ShelfLooks(compiled, shelves, names, errors_of(knowledge))


def _shares(layout: Layout) -> Iterator[tuple[Slate, Slate, float]]:
    """The slates of a layout, slot to item and row to shelf, and how often a page view has each."""
    yield layout.baseline, layout.baseline_rows or {}, layout.holdout_share
    rows = layout.rows or [{}] * len(layout.slates)
    for slate, standing, chance in zip(layout.slates, rows, slate_chances(layout), strict=True):
        yield slate, standing, (1.0 - layout.holdout_share) * chance
