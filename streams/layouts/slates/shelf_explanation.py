"""Why a shelf stands where it stands: what it adds, what its rows are worth, what was counted of it, its rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policy.pages.compiled import CompiledPage
from policy.pages.holding import broken
from policy.pages.model.factors import FactorInterval
from policy.pages.period import length
from policy.pages.published import SegmentShelves
from policy.pages.rules import LeastExposure, MostOfKind, NotAbove, NotBelow, ShelfRule, label
from schemas.messages.layouts import Layout
from schemas.messages.parameters import Factor, ShelvesFit
from streams.catalog.layouts.arranged import PublishedRows, row_codes
from streams.catalog.page import Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import weights
from streams.fold.deltas import WHOLE_PAGE
from streams.layouts.segments.serving import page_epoch
from streams.layouts.slates.shelf_evidence import Apart, ShelfEvidence
from streams.layouts.slates.statistics import counted_tables
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState


@dataclass(frozen=True, slots=True)
class ShelfInRow:
    """A shelf in one row: the share of slates in which it stands there, what the row is worth, what was counted.

    `reach` is the share of page views in which the row comes into view and `look` how likely its slots are looked at
    then, on average.  `factor` is what the shelf adds there beside what it adds anywhere, None where nothing tells it.
    `allowed` says whether it may stand there; `revenue` is in minor units.
    """

    row: str
    allowed: bool
    share: float
    reach: float
    look: float
    factor: FactorInterval | None
    impressions: float
    clicks: float
    orders: float
    revenue: float


@dataclass(frozen=True, slots=True)
class Period:
    """Since when shelves stand still, and until when: page views of the segment, or the end of its epoch (ms).

    `over` says that they are decided anew with the next layout: since page views grew, or the page or the epoch
    changed.
    """

    version: int
    since: float
    views: float
    until: float
    epoch_end: int
    over: bool


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule for a shelf in words, and in how many slates of the layout it does not hold."""

    text: str
    lacking: int


@dataclass(frozen=True, slots=True)
class ShelfExplanation:
    """Why a shelf stands where it stands in the published layout, which is that of all segments where `of` is '*'.

    `page` and `segment` are what it adds to clicks, and `orders` to orders per click: None where its title cannot be
    told from its items, or nothing was fitted.  `apart` says what tells them, in the segment and on the whole page.
    `items` are all it may show, `available` those that may be shown now.
    """

    page_name: str
    segment_name: str
    shelf: str
    title: str
    kind: str
    least_columns: int
    most_columns: int
    items: int
    available: int
    of: str
    version: int
    slates: int
    guard_rail: str
    baseline: str
    period: Period | None
    fitted: bool
    page: FactorInterval | None
    segment: FactorInterval | None
    orders: FactorInterval | None
    apart: Apart
    apart_on_page: Apart
    rows: Sequence[ShelfInRow]
    rules: Sequence[RuleState] = field(default_factory=list)

    @property
    def standing(self) -> Sequence[ShelfInRow]:
        """The rows in which it stands, that of most slates first."""
        return sorted((row for row in self.rows if row.share), key=lambda row: -row.share)


def explain_shelf(
    shelf: str,
    segment: str,
    states: tuple[KeyState, KeyState],
    page: Page,
    settings: LayoutSettings,
    published: Layout | None,
    now_ms: int,
) -> ShelfExplanation:
    """Say all that makes a shelf of a page stand where it stands in a published layout.

    `states` are the counts of the segment and of the whole page.  Raises `KeyError` where the page has no such shelf.
    """
    compiled = page.compiled(segment, now_ms)
    declared = {each.name: each for each in compiled.page.shelves}[shelf]
    counted, on_page = (
        ShelfEvidence.of(shelf, counted_tables(name, state, page), page, compiled, settings)
        for name, state in zip((segment, WHOLE_PAGE), states, strict=True)
    )
    usable = page.candidates.mask((shelf,))[0]
    factors = _Factors(page.shelves_fit, shelf, segment)
    return ShelfExplanation(
        page_name=page.rules.page,
        segment_name=segment,
        shelf=shelf,
        title=declared.title,
        kind=declared.kind,
        least_columns=declared.least_columns,
        most_columns=declared.most_columns,
        items=int(usable.sum()),
        available=int((usable & (page.bound(segment, now_ms).score_factor > 0.0)).sum()),
        of=published.segment if published else "",
        version=published.version if published else 0,
        slates=len(published.slates) if published else 0,
        guard_rail=published.guard_rail if published else "",
        baseline=_baseline(shelf, published),
        period=_period(segment, states[0], page, settings, published, now_ms),
        fitted=page.shelves_fit is not None,
        page=factors.page if on_page.apart.is_told else None,
        segment=factors.segment if counted.apart.is_told else None,
        orders=factors.orders if on_page.apart.is_told else None,
        apart=counted.apart,
        apart_on_page=on_page.apart,
        rows=list(_rows(shelf, segment, page, compiled, published, counted, on_page)),
        rules=list(_rules(shelf, compiled, published)),
    )


@dataclass(frozen=True, slots=True)
class _Factors:
    """What was fitted of a shelf."""

    fit: ShelvesFit | None
    shelf: str
    name: str

    @property
    def page(self) -> FactorInterval | None:
        return self._of(self.fit.page) if self.fit else None

    @property
    def segment(self) -> FactorInterval | None:
        return self._of(self.fit.segments.get(self.name, {})) if self.fit else None

    @property
    def orders(self) -> FactorInterval | None:
        return self._of(self.fit.orders.get(self.name, self.fit.orders.get(WHOLE_PAGE, {}))) if self.fit else None

    def _of(self, stored: Mapping[str, Factor]) -> FactorInterval | None:
        return FactorInterval.of(*stored[self.shelf]) if self.shelf in stored else None


def _rows(
    shelf: str,
    segment: str,
    page: Page,
    compiled: CompiledPage,
    published: Layout | None,
    counted: ShelfEvidence,
    on_page: ShelfEvidence,
) -> Iterator[ShelfInRow]:
    of_segment, fit = SegmentShelves.of(compiled, page.shelves_fit, segment), page.shelves_fit
    shares = published.row_propensities or {} if published else {}
    number = compiled.page.shelf_names.index(shelf)
    for at, row in enumerate(compiled.page.rows):
        width = max(1, int(compiled.columns[at, number]))
        stored = fit.spots.get(row.name, {}).get(shelf) if fit else None
        is_told = on_page.apart.from_row and on_page.impressions[at]
        yield ShelfInRow(
            row=row.name,
            allowed=bool(compiled.allowed[at, number]),
            share=shares.get(row.name, {}).get(shelf, 0.0),
            reach=float(of_segment.reach[at]),
            look=float(of_segment.looks[number, compiled.slots[at, :width]].mean()),
            factor=FactorInterval.of(*stored) if stored and is_told else None,
            impressions=float(counted.impressions[at]),
            clicks=float(counted.clicks[at]),
            orders=float(counted.orders[at]),
            revenue=float(counted.revenue[at]),
        )


def _baseline(shelf: str, published: Layout | None) -> str:
    rows = published.baseline_rows or {} if published else {}
    return next((row for row, standing in rows.items() if standing == shelf), "")


def _period(
    segment: str, state: KeyState, page: Page, settings: LayoutSettings, published: Layout | None, now_ms: int
) -> Period | None:
    """None where the segment has no layout of its own, or where all visitors get the baseline."""
    standing = PublishedRows.of(published) if published and published.segment == segment else None
    if standing is None:
        return None
    counts = WeightedCounts(page.candidates, tuple(page.rules.slots))
    tables = counted_tables(segment, state, page)
    counts.move_to(tables, weights(tables, settings.half_life_ms))
    arranged = standing.arranged
    epoch = page_epoch(page.rules, segment, now_ms, settings.epoch_ms)
    return Period(
        version=arranged.version,
        since=arranged.views,
        views=counts.views,
        until=arranged.views + length(arranged.views),
        epoch_end=epoch.end_ms,
        over=not standing.holds(page.rules, segment, epoch.number, counts.views, now_ms),
    )


def _rules(shelf: str, compiled: CompiledPage, published: Layout | None) -> Iterator[RuleState]:
    """The rules for a shelf that are in force, its pin first; rows that are for others are no rules."""
    rows = published.rows or [] if published else []
    lacking = dict(broken(compiled, row_codes(compiled, rows))) if rows else {}
    declared = next(each for each in compiled.page.shelves if each.name == shelf)
    if declared.pinned:
        yield RuleState(f"pinned to {declared.pinned}", lacking.get(f"pin {shelf}", 0))
    if declared.keeps:
        yield RuleState("claims its best items before any other shelf", 0)
    for rule in compiled.page.rules:
        if text := _words(rule, shelf, declared.kind):
            yield RuleState(f"{text} by {rule.name}", lacking.get(label(rule), 0))


def _words(rule: ShelfRule, shelf: str, kind: str) -> str:
    match rule:
        case NotAbove(shelf=of, row=row) if of == shelf:
            return f"not above {row}"
        case NotBelow(shelf=of, row=row) if of == shelf:
            return f"not below {row}"
        case LeastExposure(shelf=of, least=least) if of == shelf:
            return f"in at least {least:.0%} of slates"
        case MostOfKind(kind=of, most=most) if of == kind:
            return f"at most {most} of kind {kind} on a page"
    return ""
