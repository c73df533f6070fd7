"""A sample of page views as wholes, of visitors that a hash chooses: memory is bounded, and a visitor is in or out.

What is true of a page view's slots together, or of all that one visitor did, is learned from it; counts say neither.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from sys import intern
from typing import NamedTuple
from zlib import crc32

import numpy as np

from policy.arrays import Bools
from policy.model.visits.cells import PageViews
from policy.model.visits.lowering import kinds_of
from schemas.messages.events import Click, Impression

SPAN_MS = 7 * 86_400_000
"""Page views of a week are sampled."""
SETTLE_MS = 60_000
"""Younger page views may be clicked yet."""
PAGES = 5
"""The sample of all pages together has room for so many full ones."""
PENDING = 10_000
"""Clicks that are remembered until the impression of their page view is read."""


class UnitShare:
    """Which units are in a sample: those whose hash is low enough; fewer with each time that it is halved."""

    def __init__(self) -> None:
        self._below = 1 << 32

    @property
    def size(self) -> float:
        """The share of all units that is in, above 0 and at most 1."""
        return self._below / 2**32

    def has(self, unit: int) -> bool:
        """Whether a unit with this hash is in the sample."""
        return unit < self._below

    def halve(self) -> None:
        self._below >>= 1


def unit_hash(unit: bytes) -> int:
    """Of a unit as it is the key of records, 32 bits: all that is remembered of it."""
    return crc32(unit)


@dataclass(slots=True)
class SampledView:
    """One page view of a layout: the hash of its unit, what was in its slots, and which were clicked."""

    unit: int
    segment: str
    layout: int
    at: int
    items: dict[str, str] = field(default_factory=dict)
    clicked: tuple[tuple[str, str], ...] = ()


class Snapshot(NamedTuple):
    """Page views of a page, and bool[N], which of two halves of the units each is of."""

    views: PageViews
    even: Bools


class ViewSample:
    """At most `limit` page views of each page, the newest; `revision` counts those that came."""

    def __init__(self, limit: int) -> None:
        self.units = UnitShare()
        self.revision: dict[str, int] = {}
        self._limit = limit
        self._pages: dict[str, OrderedDict[str, SampledView]] = {}
        self._pending: OrderedDict[tuple[str, str], tuple[tuple[str, str], ...]] = OrderedDict()
        self._newest = 0
        self._total = 0

    def see(self, event: Impression) -> None:
        """Take in what came into view."""
        unit = unit_hash(event.unit.encode())
        if event.occurred_at < self._newest - SPAN_MS or not self.units.has(unit):
            return
        page = self._pages.setdefault(event.page, OrderedDict())
        view = page.get(event.page_view_id)
        if view is None:
            view = page[event.page_view_id] = SampledView(
                unit, intern(event.segment), event.layout_version, event.occurred_at
            )
            view.clicked = self._pending.pop((event.page, event.page_view_id), ())
            self.revision[event.page] = self.revision.get(event.page, 0) + 1
            self._total += 1
        # Names come again and again: one of each is enough.
        view.items.update((intern(slot.slot), intern(slot.item)) for slot in event.slots)
        self._newest = max(self._newest, event.occurred_at)
        self._bound(page)

    def click(self, event: Click) -> None:
        """Take in a click."""
        page = self._pages.get(event.page)
        view = page.get(event.page_view_id) if page else None
        if view is not None:
            view.clicked += ((intern(event.slot), intern(event.item)),)
            return
        key = event.page, event.page_view_id
        self._pending[key] = (*self._pending.get(key, ()), (event.slot, event.item))
        if len(self._pending) > PENDING:
            self._pending.popitem(last=False)

    def forget(self, unit: int) -> None:
        """Let go of the page views of a unit with this hash."""
        self._drop(lambda view: view.unit == unit)

    def keep_pages(self, pages: Collection[str]) -> None:
        """Forget all pages but these."""
        for page in self._pages.keys() - set(pages):
            self._total -= len(self._pages.pop(page))

    def views(self, page: str) -> list[SampledView]:
        """Copies of the page views of a page that hardly anybody clicks on any more, in the order of their coming."""
        sampled = self._pages.get(page) or OrderedDict[str, SampledView]()
        first, last = self._newest - SPAN_MS, self._newest - SETTLE_MS
        return [replace(view, items={**view.items}) for view in sampled.values() if first <= view.at <= last]

    def _bound(self, page: OrderedDict[str, SampledView]) -> None:
        while len(page) > self._limit:
            page.popitem(last=False)
            self._total -= 1
        if self._total > PAGES * self._limit:
            self.units.halve()
            self._drop(lambda view: not self.units.has(view.unit))

    def _drop(self, which: Callable[[SampledView], bool]) -> None:
        for views in self._pages.values():
            for name in [name for name, view in views.items() if which(view)]:
                del views[name]
                self._total -= 1


def snapshot(
    views: Sequence[SampledView], slots: Sequence[str], categories: Mapping[str, str], left_out: Collection[str] = ()
) -> Snapshot:
    """Page views as arrays, without those of segments that are left out; `slots` are in rendered order.

    A click on an item that was not seen in its slot does not count.  An item is another one in each layout: what a
    layout is made from are the clicks before it, so an item that was lucky is shown elsewhere in the next.
    """
    views = [view for view in views if view.segment not in left_out]
    columns, pairs = {slot: column for column, slot in enumerate(slots)}, dict[tuple[str, int, str], int]()
    shape = len(views), len(slots)
    numbers, clicked = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
    for row, view in enumerate(views):
        for slot, item in view.items.items():
            if (column := columns.get(slot)) is not None:
                numbers[row, column] = pairs.setdefault((view.segment, view.layout, item), len(pairs))
                clicked[row, column] = (slot, item) in view.clicked
    kinds = np.append(kinds_of([categories.get(item, "") for *_, item in pairs]), -1).astype(np.int64)
    # The last bit: the first ones choose who is in the sample.
    even = np.fromiter((view.unit % 2 == 0 for view in views), dtype=np.bool_, count=len(views))
    return Snapshot(PageViews(np.maximum(numbers, 0), kinds[numbers], numbers >= 0, clicked), even)
