"""A preview for people and scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Group, RenderableType

from policy.assignment import choose_in
from policy.prices.earnings import Earnings, Interval, interval_of
from reshelf.inspect.prices.preview import Preview
from reshelf.inspect.prices.priced import Price, Sponsorship
from reshelf.inspect.trials.pages import VISITOR, TrialPage, trial_pages
from reshelf.numbers import UNKNOWN, between, gain, number, outcome, quantity, share, signed
from reshelf.terminal.tables import table
from reshelf.words.read import relaxed
from schemas.messages.layouts import Layout
from schemas.messages.pages import MAIN

NO_TITLES: Mapping[str, str] = MappingProxyType({})
MOVED = 5
"""Items that are told of a segment in words, of those that gain and of those that lose most looks."""
UNCHANGED = "no change"
PER = 1_000
"""Page views that figures are for where it is not known how many a day has."""


def as_json(preview: Preview, level: float) -> dict[str, Any]:
    """Figures per page view, and of a day where its page views are known: null where they are not."""
    views = preview.views
    return {
        "page": preview.rules.page,
        "version": preview.version,
        "at": preview.at_ms,
        "currency": preview.currency,
        "level": level,
        "page_views_per_day": views,
        "before": earnings_as_json(preview.before, level, views),
        "change": earnings_as_json(preview.change, level, views),
        "rules": {
            rule.name: None if (own := preview.rule(rule.name)) is None else earnings_as_json(own, level, views)
            for rule in preview.rules.rules
        },
        "sponsors": {
            rule.name: sponsorship_as_json(bid, level, views)
            for rule in preview.rules.rules
            if (bid := preview.sponsorship(rule.name)) is not None
        },
        "segments": {
            name: _segment(price, preview.shares[name], level, views) | {"trials": _trials_as_json(preview, price)}
            for name, price in preview.prices.items()
        },
        "segments_left_out": preview.left_out,
    }


def _trials_as_json(preview: Preview, price: Price) -> list[dict[str, Any]]:
    """What one visitor would see in each branch with rules on trial, slot to item, and outside of them."""
    layout = price.layouts[1]
    tried = trial_pages(preview.rules, layout, preview.at_ms)
    if not tried:
        return []
    others = choose_in(layout, VISITOR, MAIN).slate
    return [
        {"branch": page.branch, "share": page.share, "slots": page.choice.slate, "slots_of_others": others}
        for page in tried
    ]


def _segment(price: Price, share: float, level: float, views: float | None) -> dict[str, Any]:
    own = None if views is None else share * views
    return {
        "share": share,
        "before": earnings_as_json(price.before, level, own),
        "change": earnings_as_json(price.change, level, own),
        "rules": {name: earnings_as_json(earnings, level, own) for name, earnings in price.rules.items()},
        "looks": dict(sorted(_moved(price).items(), key=lambda pair: pair[1])),
        "relaxed": [relaxed(text) for text in price.relaxed],
    }


def earnings_as_json(earnings: Earnings, level: float, views: float | None, total: str = "per_day") -> dict[str, Any]:
    """Each outcome per page view, and under the name `total` of so many page views where that is known."""
    return {
        name: None if draws is None else _interval(interval_of(draws, level), views, total)
        for name, draws in earnings._asdict().items()
    }


def sponsorship_as_json(bid: Sponsorship, level: float, views: float | None, total: str = "per_day") -> dict[str, Any]:
    """What a bid brings in clicks and in money of its rule's unit, and what others lose in looks per page view."""
    return {
        "sponsor": bid.sponsor,
        "clicks": _interval(interval_of(bid.clicks, level), views, total),
        "income": _interval(interval_of(bid.income, level), views, total),
        "displaced": dict(sorted(bid.displaced.items(), key=lambda pair: -pair[1])),
    }


def _interval(interval: Interval, views: float | None, total: str) -> dict[str, Any]:
    of_all = None if views is None else {name: views * value for name, value in interval._asdict().items()}
    return {"per_page_view": interval._asdict(), total: of_all}


def _moved(price: Price) -> Mapping[str, float]:
    """How many more looks items get in a page view."""
    items = dict.fromkeys([*price.looks_before, *price.looks_after])
    moved = {item: price.looks_after.get(item, 0.0) - price.looks_before.get(item, 0.0) for item in items}
    return {item: change for item, change in moved.items() if abs(change) > 1e-9}


def in_words(preview: Preview, level: float, titles: Mapping[str, str] = NO_TITLES) -> RenderableType:
    """What would change: in all, by segment and by rule, with intervals; which items, and what could not hold.

    Items that have one of the `titles` are called by it, with their ids behind.
    """
    page, sales, currency = preview.rules.page, preview.change.orders is not None, preview.currency
    per = "a day" if preview.views is not None else f"in {number(PER)} page views"
    head = ["", "clicks", *(["orders", "revenue"] if sales else [])]
    rows = [_row("now", preview.before, preview.views, currency, level, sign="")]
    rows.append(_row("change", preview.change, preview.views, currency, level))
    if len(preview.prices) > 1:
        rows += [
            _row(
                f"  {name}",
                price.change,
                None if preview.views is None else preview.shares[name] * preview.views,
                currency,
                level,
            )
            for name, price in preview.prices.items()
        ]
    return Group(
        f"{page}: this file against version {preview.version}, {per}, {share(level, 0)} between",
        table(head, rows),
        *_rules(preview, level, titles),
        *_trials(preview, titles),
        *_notes(preview, titles),
    )


def _trials(preview: Preview, titles: Mapping[str, str]) -> Iterator[RenderableType]:
    """The page in each branch with rules on trial, beside the page of all others, in the segment with most views."""
    pages = {
        name: trial_pages(preview.rules, price.layouts[1], preview.at_ms) for name, price in preview.prices.items()
    }
    tried = sorted((name for name, those in pages.items() if those), key=lambda name: -preview.shares[name])
    if not tried:
        return
    shown = tried[0]
    more = f" ({len(tried) - 1} more segments have it on trial: --segment NAME shows one)" if tried[1:] else ""
    yield f"on trial, as one visitor of {shown} would see it{more}:"
    yield _trial_table(preview.rules.slots, preview.prices[shown].layouts[1], pages[shown], titles)


def _trial_table(
    slots: Sequence[str], layout: Layout, tried: Sequence[TrialPage], titles: Mapping[str, str]
) -> RenderableType:
    """Titles are cut off where the terminal is narrow; there is no room for any beside a second trial."""
    slates = [choose_in(layout, VISITOR, MAIN).slate, *(page.choice.slate for page in tried)]
    head = ["slot", "for all others", *(f"in {page.branch}, {share(page.share, 0)}" for page in tried)]
    shown = titles if len(tried) == 1 else NO_TITLES

    def cell(item: str) -> str:
        return f"{item} {shown.get(item, '')}".strip()

    rows = [[slot, *(cell(slate.get(slot, "")) for slate in slates)] for slot in slots]
    return table(head, rows, spare=2 if shown else 0)


def _rules(preview: Preview, level: float, titles: Mapping[str, str]) -> Iterator[RenderableType]:
    rules = preview.rules.rules
    if not rules:
        return
    own = {rule.name: preview.rule(rule.name) for rule in rules}
    head = ["rule", "clicks", *(["orders", "revenue"] if preview.change.orders is not None else [])]
    rows = [
        _row(name, earnings, preview.views, preview.currency, level)
        for name, earnings in own.items()
        if earnings is not None
    ]
    if rows:
        yield "each rule by itself, against the file without it:"
        yield table(head, rows)
    for name in own:
        if (bid := preview.sponsorship(name)) is not None:
            yield sponsorship_in_words(name, bid, preview.views, titles)
    idle = [name for name, earnings in own.items() if earnings is None]
    if idle:
        yield f"not in force then for any of these segments: {', '.join(idle)}"


def sponsorship_in_words(
    name: str, bid: Sponsorship, views: float | None, titles: Mapping[str, str] = NO_TITLES
) -> str:
    """What is paid for, and whom it costs most looks, in one line."""
    times, per = (PER, f"in {number(PER)} page views") if views is None else (views, "a day")
    clicks, income = (times * float(draws.mean()) for draws in (bid.clicks, bid.income))
    most = sorted(bid.displaced.items(), key=lambda pair: -pair[1])[:MOVED]
    less = ", ".join(f"{called(item, titles)} {gain(-loss)}" for item, loss in most)
    others = f", looked at less: {less}" if less else ""
    return f"{name}: {bid.sponsor} pays {number(income, 2)} for {quantity(clicks)} clicks {per}{others}"


def called(item: str, titles: Mapping[str, str]) -> str:
    """An item by its title with its id behind, or by its id alone."""
    return f"{titles[item]} ({item})" if item in titles else item


def _notes(preview: Preview, titles: Mapping[str, str]) -> Iterator[str]:
    for name, price in preview.prices.items():
        moved = sorted(_moved(price).items(), key=lambda pair: pair[1])
        losing, gaining = [pair for pair in moved if pair[1] < 0.0], [pair for pair in moved[::-1] if pair[1] > 0.0]
        for what, items in (("seen more", gaining), ("seen less", losing)):
            if items:
                more = f", and {len(items) - MOVED} more" if len(items) > MOVED else ""
                those = (f"{called(item, titles)} {gain(change)}" for item, change in items[:MOVED])
                yield f"{name}: {what}: {', '.join(those)}{more}"
        yield from (f"{name}: cannot hold: {text}" for text in price.relaxed)
    if preview.left_out:
        yield f"{preview.left_out} segments with fewer page views are left out"
    if preview.views is None:
        yield "how many page views a day has is not known yet: no whole time bucket was counted"


def _row(
    name: str, earnings: Earnings, views: float | None, currency: str, level: float, sign: str = "+"
) -> tuple[str, ...]:
    times = PER if views is None else views
    cells = [
        _cell(column, interval_of(times * draws, level), currency, sign)
        for column, draws in earnings._asdict().items()
        if draws is not None
    ]
    return (name, *cells)


def _cell(column: str, interval: Interval, currency: str, sign: str) -> str:
    if sign and not any(interval):
        return UNCHANGED

    def size(value: float) -> str:
        return outcome(column, value, currency)

    def figure(value: float | None) -> str:
        return signed(value, size) if sign else UNKNOWN if value is None else size(value)

    return f"{figure(interval.mean)} ({between(interval.low, interval.high, figure)})"
