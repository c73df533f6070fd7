"""Impressions, clicks, conversions and credits joined with the layouts that they came from: a pure function."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from policy.assignment import slate_chances
from schemas.messages.events import Click, Conversion, Credit, Impression
from schemas.messages.fields import BASELINE, FALLBACK, RETURN
from schemas.messages.layouts import Layout
from streams.fold.deltas import WHOLE_PAGE


@dataclass(slots=True)
class Outcome:
    """What came of one slot of a page view; `revenue`, and what of it was `returned`, in minor units.

    A click is one order, however many lines it brought.  `signals` are counted by kind.  `shelf` is the one that the
    page view names for the slot's row.
    """

    clicks: int = 0
    orders: int = 0
    revenue: int = 0
    returned: int = 0
    signals: Counter[str] = field(default_factory=Counter)
    shelf: str = ""


@dataclass(slots=True)
class View:
    """One page view; `outcomes` are those of the slots that were seen, by slot."""

    view: str
    unit: str
    segment: str
    occurred_at: int
    layout: Layout
    variant: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def slate(self) -> Mapping[str, str]:
        """What was shown, slot to item."""
        return self.layout.baseline if self.variant == BASELINE else self.layout.slates[self.variant]


class DecisionLog(NamedTuple):
    """Page views in the order of their time, and how many records were left out, by reason."""

    views: list[View]
    left_out: dict[str, int]

    def pages(self) -> dict[str, list[View]]:
        """The views by page."""
        by_page: dict[str, list[View]] = {}
        for view in self.views:
            by_page.setdefault(view.layout.page, []).append(view)
        return dict(sorted(by_page.items()))


def join(events: Iterable[Any], layouts: Iterable[Layout], amount_cap: int) -> DecisionLog:
    """The decision log of events that the learner accepts, each once, in any order.

    A page view without a layout in the history, or of the renderer's own fallback,
    has no propensities and is left out, and so is one whose layout is empty.  So is a slot in which the renderer showed
    another item than the layout says.  A click belongs to the page view that it
    names, a conversion or credit to its click; amounts are capped as in the state.
    """
    joined = _Joined({(layout.page, layout.segment, layout.version): layout for layout in layouts}, amount_cap)
    by_kind: dict[type, list[Any]] = defaultdict(list)
    for event in events:
        by_kind[type(event)].append(event)
    for impression in by_kind[Impression]:
        joined.impression(impression)
    for click in by_kind[Click]:
        joined.click(click)
    for conversion in by_kind[Conversion]:
        joined.conversion(conversion)
    for credit in by_kind[Credit]:
        joined.credit(credit)
    views = sorted(joined.views.values(), key=lambda view: (view.occurred_at, view.view))
    return DecisionLog(views, dict(sorted(joined.left_out.items())))


def _possible(layout: Layout, variant: int) -> bool:
    """Whether any visitor is shown the variant: a branch of a small share may have none of the bins."""
    if variant == BASELINE:
        return layout.holdout_share > 0.0
    return layout.holdout_share < 1.0 and variant < len(layout.slates) and slate_chances(layout)[variant] > 0.0


class _Joined:
    def __init__(self, layouts: Mapping[tuple[str, str, int], Layout], amount_cap: int) -> None:
        self.views: dict[tuple[str, str], View] = {}
        self.left_out: Counter[str] = Counter()
        self._layouts = layouts
        self._cap = amount_cap
        self._clicked: dict[str, Outcome] = {}

    def impression(self, event: Impression) -> None:
        key = event.page, event.page_view_id
        view = self.views.get(key) or self._view(event)
        if view is None:
            return
        self.views[key] = view
        for slot_item in event.slots:
            if view.slate.get(slot_item.slot) == slot_item.item:
                outcome = view.outcomes.setdefault(slot_item.slot, Outcome())
                outcome.shelf = max(outcome.shelf, event.shelf_of(slot_item))
            else:
                self.left_out["slot not as in the layout"] += 1

    def _view(self, event: Impression) -> View | None:
        if event.variant == FALLBACK:
            self.left_out["page view of the renderer's fallback"] += 1
            return None
        layout = self._layouts.get((event.page, event.segment, event.layout_version)) or self._layouts.get(
            (event.page, WHOLE_PAGE, event.layout_version)
        )
        if layout is None:
            self.left_out["page view without its layout in the history"] += 1
            return None
        if not layout.propensities and not layout.baseline:
            self.left_out["page view of a layout without slots"] += 1
            return None
        if not _possible(layout, event.variant):
            self.left_out["page view of a variant that its layout has not"] += 1
            return None
        return View(event.page_view_id, event.unit, event.segment, event.occurred_at, layout, event.variant)

    def click(self, event: Click) -> None:
        view = self.views.get((event.page, event.page_view_id))
        outcome = view.outcomes.get(event.slot) if view and view.slate.get(event.slot) == event.item else None
        if outcome is None:
            fallback = event.variant == FALLBACK
            self.left_out["click on the renderer's fallback" if fallback else "click without its page view"] += 1
            return
        outcome.clicks += 1
        self._clicked[event.event_id] = outcome

    def conversion(self, event: Conversion) -> None:
        outcome = self._clicked.get(event.click_id)
        if outcome is None:
            self.left_out["conversion without its click"] += 1
            return
        outcome.orders += not event.repeat
        outcome.revenue += min(event.amount, self._cap)

    def credit(self, event: Credit) -> None:
        outcome = self._clicked.get(event.click_id)
        if outcome is None:
            self.left_out["signal or return without its click"] += 1
        elif event.kind == RETURN:
            outcome.returned += min(event.amount, self._cap)
        else:
            outcome.signals[event.kind] += 1
