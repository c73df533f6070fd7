"""A page's rules of a file against those in force, over its segments, from live topics and state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from policy.experiments.sequence import VIEWS
from policy.pages.messages import offers
from policy.prices.earnings import Earnings
from reshelf.inspect.experiment import whole_buckets
from reshelf.inspect.explain import declared
from reshelf.inspect.prices.priced import EPOCHS, Circumstances, Price, RulePages, Sponsorship, priced
from reshelf.namespaces.open_state import OpenState, open_state
from reshelf.settings import Settings
from schemas.codec import encode, encode_key
from schemas.errors import ReshelfError
from schemas.messages.pages import PageRules
from schemas.topics import PAGE_RULES
from streams.catalog.page import Page
from streams.catalog.snapshot import read_catalog
from streams.catalog.view import CatalogView
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.kafka.records import Logged
from streams.layouts.guard_rail import fallen, without_segments_of
from streams.layouts.segments.borrowing import borrows
from streams.state.reader import KeyState

E = TypeVar("E", Earnings, Sponsorship)
MOST_SEGMENTS = 50
"""Segments that are priced: those seen most."""
LAYOUTS = 16
"""Layouts of a page that are averaged over all its segments: the more segments, the fewer of each."""


class Preview(NamedTuple):
    """What the rules of a page would change.

    `version` is the one in force, `shares` are those of the page's segments of its page views, `views` is how many
    of these a day has, None where no whole time bucket was counted.  `left_out` segments are not among them.
    """

    rules: PageRules
    version: int
    at_ms: int
    currency: str
    views: float | None
    shares: Mapping[str, float]
    prices: Mapping[str, Price]
    left_out: int

    @property
    def before(self) -> Earnings:
        """What the page brings now, per page view, over the segments."""
        return _total([(self.shares[name], price.before) for name, price in self.prices.items()])

    @property
    def change(self) -> Earnings:
        """What it would bring more."""
        return _total([(self.shares[name], price.change) for name, price in self.prices.items()])

    def rule(self, name: str) -> Earnings | None:
        """What a rule by itself brings more, over the segments that it is in force for; None where it is for none."""
        parts = [(self.shares[at], price.rules[name]) for at, price in self.prices.items() if name in price.rules]
        return _total(parts) if parts else None

    def sponsorship(self, name: str) -> Sponsorship | None:
        """What the bid of a rule brings, over the segments that it is in force for; None where it is for none."""
        parts = [(self.shares[at], price.sponsors[name]) for at, price in self.prices.items() if name in price.sponsors]
        return _total(parts) if parts else None


def preview(settings: Settings, rules: PageRules, segments: Sequence[str], at_ms: int) -> Preview:
    """Price the rules of a page against those in force, at a time, for some segments or all.

    Raises `ReshelfError` where the page is not declared, or a segment has no counts, or the page has shelves on
    one side alone.
    """
    return price_pages(settings, page_pair(read_catalog(settings.kafka), rules, settings), segments, at_ms)


class PagePair(NamedTuple):
    """A page as it is and as it would be.

    `fell_back` says why it shows its baseline to all, where it does, `withdrawn` why all its segments have one layout.
    """

    before: Page
    after: Page
    fell_back: str
    withdrawn: str = ""


def page_pair(catalog: CatalogView, rules: PageRules, settings: Settings) -> PagePair:
    """A page as declared and under other rules.

    Raises `ReshelfError` where the page is not declared, or has shelves on one side alone.
    """
    in_force = declared(catalog, rules.page)
    _require_same_form(rules, in_force)
    before = catalog.page(rules.page)
    after = replace(before, rules=rules) if offers(rules) == offers(in_force) else _with_rules(settings, rules)
    reasons = (those(catalog.published, settings.experiment) for those in (fallen, without_segments_of))
    return PagePair(before, after, *(each.get(rules.page, "") for each in reasons))


def price_pages(settings: Settings, pair: PagePair, segments: Sequence[str], at_ms: int) -> Preview:
    """Price a page under other rules from live state; raises `ReshelfError` where a segment has no counts."""
    rules = pair.after.rules
    counted = asyncio.run(_read(settings, rules.page, segments))
    total = sum(counted.impressions.values())
    shares = {
        name: counted.impressions[name] / total if total else 1.0 / len(counted.states) for name in counted.states
    }
    epochs = max(1, min(EPOCHS, LAYOUTS // len(counted.states)))
    about = counted.slot_clicks, pair.fell_back, counted.whole, pair.withdrawn, epochs
    those = [Circumstances(name, state, settings.layouts, at_ms, *about) for name, state in counted.states.items()]
    pages = RulePages.of(pair.before, pair.after)
    prices = {each.segment: priced(pages, each) for each in those}
    left_out = len(counted.impressions) - len(counted.states)
    return Preview(rules, pair.before.rules.version, at_ms, counted.currency, counted.views, shares, prices, left_out)


def price_segment(settings: Settings, pair: PagePair, segment: str, at_ms: int) -> Price:
    """The same for one segment as a whole, without the price of each rule: what it reads and makes is of that segment.

    How sure looks at slots are is so told by its own clicks alone.  Raises `ReshelfError` where it has no counts.
    """
    rules = pair.before.rules, pair.after.rules
    borrowed = bool(pair.withdrawn) or any(borrows(each, segment) for each in rules)
    state, whole = asyncio.run(_read_one(settings, rules[0].page, segment, borrowed))
    about = _slot_clicks([state]), pair.fell_back, whole, pair.withdrawn, 1
    pages = RulePages.of(pair.before, pair.after)._replace(without={})
    return priced(pages, Circumstances(segment, state, settings.layouts, at_ms, *about))


def _require_same_form(rules: PageRules, in_force: PageRules) -> None:
    if rules.has_shelves != in_force.has_shelves:
        form = "has no shelves, and the file has" if rules.has_shelves else "has shelves, and the file has none"
        raise ReshelfError(
            f"page {rules.page!r} {form}: looks at slots of a flat page and at those of rows are counted in ways that "
            "cannot be compared. Publish the page with its rows first, then preview its rules."
        )


def _with_rules(settings: Settings, rules: PageRules) -> Page:
    """The page as it would be with other candidates, which only a catalog that takes the rules over can say."""
    catalog = read_catalog(settings.kafka)
    key = encode_key(PAGE_RULES, rules.page)
    catalog.take(PAGE_RULES, 0, [Logged(0, 0, key, encode(rules))])
    return catalog.page(rules.page)


class _Counted(NamedTuple):
    """Counts of the segments to price, impressions of these and of those left out, and the page's clicks by slot.

    `views` are the page views of a day, `whole` are the counts of the whole page.
    """

    states: Mapping[str, KeyState]
    whole: KeyState
    impressions: Mapping[str, float]
    slot_clicks: Mapping[str, float]
    views: float | None
    currency: str


async def _read(settings: Settings, page: str, segments: Sequence[str]) -> _Counted:
    async with open_state(settings) as state:
        names = sorted((await state.reader.segments()).get(page, set())) or [WHOLE_PAGE]
        _require_counts(page, segments, names)
        # A layout for all is made from the counts of all segments, which are read many at a time.
        whole = await state.reader.read_segment(page, WHOLE_PAGE)
        counts = {name: await state.reader.read(page, name) for name in names}
        own = {name: _impressions(of) for name, of in counts.items()}
        most = sorted(segments or own, key=lambda name: -own[name])[:MOST_SEGMENTS]
        states = {name: whole if name == WHOLE_PAGE else counts[name] for name in most}
        impressions = {name: own[name] for name in segments or own}
        return _Counted(
            states,
            whole,
            impressions,
            _slot_clicks(counts.values()),
            await _views(state, page),
            state.settings.fold.currency,
        )


async def _read_one(settings: Settings, page: str, segment: str, borrowed: bool) -> tuple[KeyState, KeyState | None]:
    """The counts of a segment, and those of the whole page where it takes something from these."""
    async with open_state(settings) as state:
        _require_counts(page, [segment], (await state.reader.segments()).get(page, set()))
        of_all = segment == WHOLE_PAGE
        whole = await state.reader.read_segment(page, WHOLE_PAGE) if borrowed or of_all else None
        return whole if of_all and whole else await state.reader.read(page, segment), whole


def _require_counts(page: str, segments: Sequence[str], names: Collection[str]) -> None:
    if unknown := [name for name in segments if name not in (names or {WHOLE_PAGE})]:
        raise ReshelfError(
            f"page {page!r} has no counts of segment {unknown[0]!r}. Segments that it has: {', '.join(sorted(names))}."
        )


def _impressions(state: KeyState) -> float:
    """Seen slots of visitors that are in the segment itself."""
    return float(sum(int(table.impressions.sum()) for table in state.tables))


def _slot_clicks(states: Iterable[KeyState]) -> Mapping[str, float]:
    clicks: Counter[str] = Counter()
    for table in (table for state in states for table in state.tables if table.traffic is Traffic.LEARNED):
        clicks.update(dict(zip(table.slots, table.clicks.sum(axis=0).tolist(), strict=True)))
    return clicks


async def _views(state: OpenState, page: str) -> float | None:
    width = state.settings.fold.bucket_ms
    if not width:
        return None
    sides, days = whole_buckets(await state.reader.read_bins(page), width)
    return float((sides.learned + sides.holdout)[:, VIEWS].sum()) / days if days else None


def _total(parts: Sequence[tuple[float, E]]) -> E:
    first, total = parts[0]
    total = total.plus(total, first - 1.0)
    for share, other in parts[1:]:
        total = total.plus(other, share)
    return total
