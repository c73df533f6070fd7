"""What the shop looks like at one moment, as plain data for the terminal and the web page."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from policy.segments.rule import UNASSIGNED
from reshelf.demo.scores import HOLDOUT, LEARNED, TRIAL
from reshelf.demo.segments import tastes
from reshelf.demo.shop.item import Item
from reshelf.demo.shop.pages import PAGES, PageSpec
from reshelf.demo.traffic import Traffic
from schemas.messages.layouts import Layout

FRESH_S = 2.5
WINDOW_S = 3.0
NOBODY = -1


@dataclass(slots=True)
class Cell:
    """What stands in a slot, since when (seconds), and what stood there before."""

    item: str
    since: float
    before: str = ""


@dataclass(slots=True)
class Pace:
    """How fast something grows: a sliding window of (time, count)."""

    totals: deque[tuple[float, int]] = field(default_factory=deque)

    def per_second(self, now: float, total: int) -> float:
        """Note the total at `now`; the rate over the last few seconds."""
        self.totals.append((now, total))
        while len(self.totals) > 2 and self.totals[0][0] < now - WINDOW_S:
            self.totals.popleft()
        begin, first = self.totals[0]
        return (total - first) / (now - begin) if now > begin else 0.0


class Picture:
    """Follows one visitor of each segment over all pages and marks what changes for them."""

    def __init__(self, traffic: Traffic, title: str) -> None:
        self._traffic = traffic
        self._title = title
        self._guests: dict[str, int] = {}
        self._places: dict[tuple[str, str, str], Cell] = {}
        self._names: dict[str, Item] = {}
        self._paces = {name: Pace() for name in ("events", "views", "layouts")}
        self._history: list[list[float | None]] = []

    def at(self, now: float) -> dict[str, Any]:
        """The whole picture `now` seconds after the shop opened."""
        traffic = self._traffic
        self._names.update({item.key: item for item in traffic.shop.items})
        figures = self._figures(now)
        return {
            "title": self._title,
            "elapsed": round(now, 1),
            "figures": figures,
            "history": self._history,
            "segments": self._segments(),
            "pages": [self._page(number, now) for number in range(len(PAGES))],
        }

    def _figures(self, now: float) -> dict[str, Any]:
        tally, scores = self._traffic.tally, self._traffic.scores
        clicks, revenue = scores.click_uplift(), scores.revenue_uplift()
        uplift = _interval(clicks.uplift, clicks.low, clicks.high)
        if now - (self._history[-1][0] or 0.0 if self._history else -9.0) >= 1.0 and uplift["low"] is not None:
            self._history.append([round(now, 1), uplift["value"], uplift["low"], uplift["high"]])
            del self._history[:-600]
        counts = {"events": tally.events, "views": tally.views, "layouts": tally.layouts}
        return {
            **counts,
            **{f"{name}_per_s": round(self._paces[name].per_second(now, total), 1) for name, total in counts.items()},
            "click_to_layout_ms": self._traffic.delays.quantiles_ms(),
            "lag": tally.lag,
            "signals": tally.signals,
            "returns": tally.returns,
            "dead_letters": tally.dead_letters,
            "catalog_changes": tally.catalog_changes,
            "learned": self._arm(LEARNED),
            "holdout": self._arm(HOLDOUT),
            "uplift": uplift,
            "revenue_uplift": _interval(revenue.uplift, revenue.low, revenue.high),
            "front": front(self._traffic),
            **learned(self._traffic),
        }

    def _segments(self) -> list[str]:
        """Those that visitors may be in now."""
        segments = self._traffic.segments
        return [UNASSIGNED, *segments.model.names] if segments.model else segments.names

    def _arm(self, arm: int) -> dict[str, float]:
        scores = self._traffic.scores
        return {
            "views": int(scores.views[arm].sum()),
            "clicks_per_view": round(scores.click_rate(arm), 5),
            "revenue_per_view": round(scores.revenue_per_view(arm), 3),
        }

    def _page(self, number: int, now: float) -> dict[str, Any]:
        page = PAGES[number]
        layouts = {segment: self._layout(page, segment, now) for segment in self._segments()}
        return {"name": page.name, "about": page.about, "columns": page.columns, "layouts": layouts}

    def _layout(self, page: PageSpec, segment: str, now: float) -> dict[str, Any]:
        """What the guest of a segment sees; where the page has shelves `titles` are those of its rows, from the top."""
        layout = self._traffic.renderer.layouts.get((page.name, segment))
        if layout is None:
            return {"version": 0, "guest": "", "titles": [], "slots": []}
        guest = self._guest(segment, layout)
        _, slate, rows = self._traffic.choose(layout, guest)
        names = layout.shelves or {}
        titles = [names[rows[row]].title if rows.get(row) in names else "" for row in page.rows]
        slots = [self._slot(layout, slot, slate.get(slot, ""), now) for slot in page.slots]
        return {"version": layout.version, "guest": guest, "titles": titles, "slots": slots}

    def _guest(self, segment: str, layout: Layout) -> str:
        """A visitor of the segment who sees learned layouts; empty where there is none."""
        number = self._guests.get(segment, NOBODY)
        mine = self._traffic.segments.units(segment)
        if number not in mine:
            units = self._traffic.units
            learned = (unit for unit in mine.tolist() if self._traffic.choose(layout, units[unit])[0] >= 0)
            number = self._guests[segment] = next(learned, NOBODY)
        return "" if number == NOBODY else self._traffic.units[number]

    def _slot(self, layout: Layout, slot: str, name: str, now: float) -> dict[str, Any]:
        place = self._places.get((layout.page, layout.segment, slot))
        if place is None or place.item != name:
            place = Cell(name, now if place else now - FRESH_S, place.item if place else "")
            self._places[layout.page, layout.segment, slot] = place
        item = self._names.get(name)
        return {
            "slot": slot,
            "item": name,
            "title": item.product.title if item else "",
            "category": item.product.category if item else "",
            "price": item.product.price if item else 0,
            "share": layout.propensities.get(slot, {}).get(name, 0.0),
            "fresh": now - place.since < FRESH_S,
            "before": self._title_of(place.before),
            "new": bool(item and item.arrived > 0.0 and now - item.arrived < 60),
        }

    def _title_of(self, name: str) -> str:
        return self._names[name].product.title if name in self._names else ""


def front(traffic: Traffic) -> dict[str, Any]:
    """What the order of shelves earns on the front page beside that of the merchants, and what items earn within it."""
    order = traffic.front_scores.click_uplift(LEARNED, TRIAL)
    items = traffic.front_scores.click_uplift(TRIAL, HOLDOUT)
    return {
        "order": _interval(order.uplift, order.low, order.high),
        "items": _interval(items.uplift, items.low, items.high),
    }


def learned(traffic: Traffic) -> dict[str, Any]:
    """Which segments were learned, and what they earn beside the layouts of all visitors; empty without any."""
    if not traffic.learned:
        return {}
    gain = traffic.taste_scores.click_uplift(LEARNED, TRIAL)
    segments = [taste._asdict() for taste in tastes(traffic.segments, traffic.shop.unit_segment)]
    return {"tastes": {"gain": _interval(gain.uplift, gain.low, gain.high), "segments": segments}}


def summary(traffic: Traffic) -> dict[str, Any]:
    """The closing figures, for people and for scripts; null is what is not known."""
    clicks = traffic.scores.click_uplift()
    gain = _interval(clicks.uplift, clicks.low, clicks.high)
    delays = traffic.delays.quantiles_ms()
    return {
        "events": traffic.tally.events,
        "layouts": traffic.tally.layouts,
        "ctr_learned": _finite_or_none(clicks.learned),
        "ctr_holdout": _finite_or_none(clicks.holdout),
        "uplift": gain["value"],
        "uplift_low": gain["low"],
        "uplift_high": gain["high"],
        "front": front(traffic),
        **learned(traffic),
        "click_to_layout_ms": {"p50": delays.get("p50"), "p99": delays.get("p99")},
        "dead_letters": traffic.tally.dead_letters,
    }


def _interval(value: float, low: float, high: float) -> dict[str, float | None]:
    finite = math.isfinite(high)
    return {
        "value": _finite_or_none(value),
        "low": _finite_or_none(low) if finite else None,
        "high": _finite_or_none(high) if finite else None,
    }


def _finite_or_none(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
