"""A page's decisions as the arrays that estimators take, some page views at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, Protocol

import numpy as np

from policy.arrays import EMPTY, Bools, Floats, Ints
from policy.assignment import slate_chances, unit_bin
from policy.evaluation.decisions import Comparison, Lacking, compare
from policy.slates.alike import Alike
from reshelf.evaluation.join import View
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout

Slate = Mapping[str, str]
Target = Callable[[Layout], Sequence[Slate]]
"""The slates, equally likely, that a policy would have shown in a layout's place."""
Reward = Literal["clicks", "orders", "revenue"]
REWARDS: tuple[Reward, ...] = "clicks", "orders", "revenue"
VIEWS_AT_ONCE = 20_000
LAYOUTS_AT_ONCE = 500


class LayoutViews(NamedTuple):
    """Page views of one layout, N, and what a target would have shown there.

    `variants`, `bins` and `segments` are int64[N]; the visitors' segments have any numbers.  `outcomes`
    are row, slot, clicks, orders and revenue of the slots that something came of.
    """

    layout: Layout
    target: Sequence[Slate]
    variants: Ints
    segments: Ints
    bins: Ints
    outcomes: Sequence[tuple[int, str, int, int, int]]


class PageViews(Protocol):
    """The page views of one page; each can be asked again and again, and is in the order of versions."""

    def layouts(self) -> Iterable[tuple[Layout, Sequence[Slate]]]:
        """Each layout once, with the target's slates."""

    def views(self) -> Iterable[LayoutViews]:
        """All page views, those of one layout behind each other, in as many pieces as there are."""


class ListedViews:
    """Page views that are in memory, at least one, all of one page; `target` is asked in the order of versions.

    `segments` has the numbers of those that came before, and gets those of new ones.
    """

    def __init__(self, views: Sequence[View], target: Target, segments: dict[str, int] | None = None) -> None:
        self._views = sorted(views, key=lambda view: (view.layout.version, view.layout.segment))
        layouts = {id(view.layout): view.layout for view in self._views}
        self._targets = [(layout, target(layout)) for layout in layouts.values()]
        self._segments = {} if segments is None else segments
        for view in self._views:
            self._segments.setdefault(view.segment, len(self._segments))

    def layouts(self) -> Iterable[tuple[Layout, Sequence[Slate]]]:
        """As `PageViews` has it."""
        return self._targets

    def views(self) -> Iterator[LayoutViews]:
        """As `PageViews` has it."""
        grouped = groupby(self._views, key=lambda view: id(view.layout))
        for (layout, target), (_, views) in zip(self._targets, grouped, strict=True):
            yield listed(layout, target, list(views), self._segments)


def listed(layout: Layout, target: Sequence[Slate], views: Sequence[View], segments: Mapping[str, int]) -> LayoutViews:
    """Views of one layout as arrays."""
    return LayoutViews(
        layout,
        target,
        np.array([view.variant for view in views], dtype=np.int64),
        np.array([segments[view.segment] for view in views], dtype=np.int64),
        np.array([unit_bin(view.unit) for view in views], dtype=np.int64),
        [
            (row, slot, outcome.clicks, outcome.orders, outcome.revenue)
            for row, view in enumerate(views)
            for slot, outcome in view.outcomes.items()
        ],
    )


class PageNames(NamedTuple):
    """A page's slots and items, and how many layouts it had.

    `slots` are in rendered order, as the newest layout has them; then those that older ones had, or the
    target alone fills.
    """

    slots: list[str]
    items: dict[str, int]
    layouts: int

    @classmethod
    def empty(cls) -> PageNames:
        """No names."""
        return cls([], {}, 0)

    @classmethod
    def of(cls, layouts: Iterable[tuple[Layout, Sequence[Slate]]], before: PageNames | None = None) -> PageNames:
        """The names of layouts and their targets, and those of layouts `before` them."""
        slots, items, count = (
            ([], dict[str, int](), 0) if before is None else (before.slots, {**before.items}, before.layouts)
        )
        served, targets = dict.fromkeys(slots), dict[str, None]()
        for layout, target in layouts:
            count += 1
            own = dict.fromkeys([*layout.propensities, *layout.baseline])
            if list(own) != list(served):
                served = own | served
            for slate in (*layout.slates, layout.baseline, *target):
                for item in slate.values():
                    items.setdefault(item, len(items))
            targets |= dict.fromkeys(slot for slate in target for slot in slate)
        return cls(list(served | targets), items, count)

    def coded(self, slates: Sequence[Slate]) -> Ints:
        """Int64[V, S], the items' numbers."""
        rows = [[self.items[slate[slot]] if slot in slate else EMPTY for slot in self.slots] for slate in slates]
        return np.array(rows, dtype=np.int64).reshape(len(slates), len(self.slots))


class Batch(NamedTuple):
    """Some page views of a page, N, of some layouts.

    `served` int64[N, S] is what was shown, `held` bool[N] who was in the holdout, `rewards` float64[3, N, S] what it
    earned, in the order of `REWARDS`.  `rows` are those of each view's slate in `slates` of all
    layouts, and `of` its layout.
    """

    layouts: list[Layout]
    targets: list[Ints]
    slates: list[Ints]
    rows: Ints
    of: Ints
    served: Ints
    held: Bools
    segments: Ints
    bins: Ints
    rewards: Floats

    def chances(self, curve: Floats, filled: Bools, ladder: Ints, alike: Alike | None = None) -> Comparison:
        """How likely what was shown is, of the policy that was served and of the target, [N, S].

        The policy that was served shows the holdout's share the baseline, and the others each slate with its chances.
        `ladder` has clusters of the page's items, `alike` which of them take clicks from each other.
        """
        compared = [
            compare(served, _served_chances(layout), target, _even(len(target)), curve, filled, ladder, alike)
            for layout, served, target in zip(self.layouts, self.slates, self.targets, strict=True)
        ]
        return _stacked(compared).at(self.rows)


def batches(views: Iterable[LayoutViews], names: PageNames) -> Iterator[Batch]:
    """Page views as arrays, at most some thousands at a time."""
    pieces, size = list[LayoutViews](), 0
    for piece in views:
        pieces.append(piece)
        size += len(piece.bins)
        if size >= VIEWS_AT_ONCE or len(pieces) >= LAYOUTS_AT_ONCE:
            yield _batch(pieces, names)
            pieces, size = [], 0
    if pieces:
        yield _batch(pieces, names)


def _batch(pieces: Sequence[LayoutViews], names: PageNames) -> Batch:
    slates = [names.coded([*piece.layout.slates, piece.layout.baseline]) for piece in pieces]
    starts = np.cumsum([0, *(len(those) for those in slates)])
    of = np.repeat(np.arange(len(pieces)), [len(piece.bins) for piece in pieces])
    variants = np.concatenate([piece.variants for piece in pieces])
    held, last = variants == BASELINE, starts[1:][of] - 1
    rows = np.where(held, last, starts[of] + variants)
    return Batch(
        layouts=[piece.layout for piece in pieces],
        targets=[names.coded(piece.target) for piece in pieces],
        slates=slates,
        rows=rows,
        of=of,
        served=np.concatenate(slates)[rows],
        held=held,
        segments=np.concatenate([piece.segments for piece in pieces]),
        bins=np.concatenate([piece.bins for piece in pieces]),
        rewards=_rewards(pieces, names.slots),
    )


def _rewards(pieces: Sequence[LayoutViews], slots: Sequence[str]) -> Floats:
    place, first = {slot: at for at, slot in enumerate(slots)}, 0
    sums = np.zeros((len(REWARDS), sum(len(piece.bins) for piece in pieces), len(slots)))
    for piece in pieces:
        for row, slot, *outcome in piece.outcomes:
            sums[:, first + row, place[slot]] = outcome
        first += len(piece.bins)
    return sums


def _served_chances(layout: Layout) -> Floats:
    """Of each slate, and of the baseline behind them."""
    share = layout.holdout_share
    return np.array([(1.0 - share) * chance for chance in slate_chances(layout)] + [share])


def _even(slates: int) -> Floats:
    return np.full(slates, 1.0 / slates)


def _stacked(compared: Sequence[Comparison]) -> Comparison:
    sizes = [len(comparison.logged) for comparison in compared]
    lacking = Lacking(
        *(np.repeat(np.array(shares), sizes) for shares in zip(*(c.lacking for c in compared), strict=True))
    )
    columns = zip(*(comparison.columns for comparison in compared), strict=True)
    return Comparison._make([*(np.concatenate(column) for column in columns), lacking])
