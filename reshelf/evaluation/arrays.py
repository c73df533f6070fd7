"""A page's decisions as the arrays that estimators take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from policy.arrays import Floats, Ints
from policy.assignment import slate_chances, unit_bin
from policy.evaluation.decisions import EMPTY, Comparison, Decisions, Lacking, compare
from policy.evaluation.reward_model import FOLDS, expected_reward, fold_of
from policy.model.examination import examination, fit_examination
from reshelf.evaluation.join import View
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout

Slate = Mapping[str, str]
Target = Callable[[Layout], Sequence[Slate]]
"""The slates, equally likely, that a policy would have shown in a layout's place."""
Reward = Literal["clicks", "orders", "revenue"]
REWARDS: tuple[Reward, ...] = "clicks", "orders", "revenue"


class PageLog(NamedTuple):
    """The page views of one page, N, with what came of them; `shown` int64[N, S] are item codes.

    `curve` [S] is the slots' examination, fitted to this log.

    `chances` [N, S] compares the policy that was served with the target;
    `targets[layout]` are the target's slates and `of` int64[N] the layout of each view.
    """

    slots: list[str]
    curve: Floats
    bins: Ints
    served: Ints
    rewards: dict[Reward, Floats]
    chances: Comparison
    targets: list[Ints]
    of: Ints
    items: int

    def decisions(self, reward: Reward) -> Decisions:
        """The decisions with one of the rewards."""
        earned, places = self.rewards[reward], np.arange(len(self.slots))
        folds = fold_of(self.bins)
        model = expected_reward(self._by_fold(folds, np.ones(earned.shape)), self._by_fold(folds, earned), self.curve)
        model = np.concatenate([model, np.zeros_like(model[:, :1])], axis=1)
        value_of_target = np.array([model[:, slates, places].mean(axis=1) for slates in self.targets])
        expected = model[folds[:, None], self.served, places]
        return Decisions(self.bins, earned, self.chances, expected, value_of_target[self.of, folds])

    def _by_fold(self, folds: Ints, values: Floats) -> Floats:
        """Sums by fold, item and slot."""
        return np.stack([sums_by_item(self.served[folds == k], values[folds == k], self.items) for k in range(FOLDS)])


def sums_by_item(slates: Ints, values: Floats, items: int) -> Floats:
    """Sums of values [N, S] by item and slot, float64[items, S]; empty slots are left out."""
    sums, filled = np.zeros((items, slates.shape[1])), slates != EMPTY
    np.add.at(sums, (slates[filled], np.nonzero(filled)[1]), values[filled])
    return sums


def page_log(views: Sequence[View], target: Target) -> PageLog:
    """The arrays of at least one view, all of one page.

    The policy that was served shows the holdout's share the baseline, and the
    others each slate with its chances.  `target` is asked in the order of versions.
    """
    unsorted = {id(view.layout): view.layout for view in views}
    layouts = dict(sorted(unsorted.items(), key=lambda pair: pair[1].version))
    wished = {name: target(layout) for name, layout in layouts.items()}
    slots, codes = _slots(list(layouts.values()), wished.values()), dict[str, int]()
    served = {name: _coded([*layout.slates, layout.baseline], slots, codes) for name, layout in layouts.items()}
    targets = {name: _coded(slates, slots, codes) for name, slates in wished.items()}
    starts = dict(zip(layouts, np.cumsum([0, *(len(slates) for slates in served.values())]).tolist(), strict=False))
    rows = np.array([starts[id(view.layout)] + _row(view) for view in views], dtype=np.int64)
    slates_shown, rewards = np.concatenate(list(served.values()))[rows], _rewards(views, slots)
    curve = _curve([view.segment for view in views], slates_shown, rewards["clicks"], examination(slots, {}))
    filled = (slates_shown != EMPTY).any(axis=0)
    compared = [
        compare(served[name], _served_chances(layout), targets[name], _even(len(targets[name])), curve, filled)
        for name, layout in layouts.items()
    ]
    number = {name: at for at, name in enumerate(layouts)}
    return PageLog(
        slots=slots,
        curve=curve,
        bins=np.array([unit_bin(view.unit) for view in views], dtype=np.int64),
        served=slates_shown,
        rewards=rewards,
        chances=_stacked(compared).at(rows),
        targets=list(targets.values()),
        of=np.array([number[id(view.layout)] for view in views], dtype=np.int64),
        items=len(codes),
    )


def _curve(segments: Sequence[str], slates: Ints, clicks: Floats, start: Floats) -> Floats:
    """The slots' examination, from clicks [N, S] on what was shown to visitors of these segments.

    Its rows are items by segment, as in a fit of the page: each segment is shown first what it
    likes, and for items alone that looks as if nobody looked further down.
    """
    names = {name: at for at, name in enumerate(dict.fromkeys(segments))}
    own = np.array([names[segment] for segment in segments])[:, None]
    arms, rows = np.unique(slates * len(names) + own, return_inverse=True)
    rows = np.where(slates == EMPTY, EMPTY, rows.reshape(slates.shape))
    impressions, clicked = (sums_by_item(rows, values, len(arms)) for values in (np.ones(slates.shape), clicks))
    return fit_examination(impressions, clicked, start)


def _slots(layouts: Sequence[Layout], targets: Iterable[Sequence[Slate]]) -> list[str]:
    """In rendered order, as the newest layout has them; then those that older ones had, or the target alone fills."""
    served = (slot for layout in reversed(layouts) for slot in (*layout.propensities, *layout.baseline))
    return list(dict.fromkeys([*served, *(slot for slates in targets for slate in slates for slot in slate)]))


def _coded(slates: Sequence[Slate], slots: Sequence[str], codes: dict[str, int]) -> Ints:
    """Int64[V, S]; `codes` grows by items that are new."""
    rows = [
        [codes.setdefault(slate[slot], len(codes)) if slot in slate else EMPTY for slot in slots] for slate in slates
    ]
    return np.array(rows, dtype=np.int64).reshape(len(slates), len(slots))


def _served_chances(layout: Layout) -> Floats:
    """Of each slate, and of the baseline behind them."""
    share = layout.holdout_share
    return np.array([(1.0 - share) * chance for chance in slate_chances(layout)] + [share])


def _even(slates: int) -> Floats:
    return np.full(slates, 1.0 / slates)


def _row(view: View) -> int:
    return len(view.layout.slates) if view.variant == BASELINE else view.variant


def _stacked(compared: Sequence[Comparison]) -> Comparison:
    sizes = [len(comparison.logged) for comparison in compared]
    lacking = Lacking(
        *(np.repeat(np.array(shares), sizes) for shares in zip(*(c.lacking for c in compared), strict=True))
    )
    columns = zip(*(comparison.probabilities for comparison in compared), strict=True)
    return Comparison._make([*(np.concatenate(column) for column in columns), lacking])


def _rewards(views: Sequence[View], slots: Sequence[str]) -> dict[Reward, Floats]:
    place = {slot: at for at, slot in enumerate(slots)}
    sums = np.zeros((len(REWARDS), len(views), len(slots)))
    for row, view in enumerate(views):
        for slot, outcome in view.outcomes.items():
            sums[:, row, place[slot]] = outcome.clicks, outcome.orders, outcome.revenue
    return dict(zip(REWARDS, sums, strict=True))
