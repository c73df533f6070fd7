"""What a log says of a policy, and its rows, the slow and obvious way: all page views in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import EMPTY, Floats, Ints
from policy.assignment import slate_chances, unit_bin
from policy.evaluation.decisions import Comparison, Decisions, Lacking, compare
from policy.evaluation.estimators import ESTIMATORS, Evidence
from policy.evaluation.ratio import Ratio
from policy.evaluation.reward_model import FOLDS, expected_reward, fold_of
from policy.model.examination import examination, fit_examination
from reshelf.evaluation.arrays import REWARDS, Reward, Slate, Target
from reshelf.evaluation.join import View
from reshelf.evaluation.page_values import Clustering, estimate_as_json, unlike
from reshelf.evaluation.recompose import Stretch
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout
from streams.fold.deltas import WHOLE_PAGE
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition


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


def page_log(views: Sequence[View], target: Target, clustering: Clustering = unlike) -> PageLog:
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
    filled, ladder = (slates_shown != EMPTY).any(axis=0), clustering(list(codes))
    compared = [
        compare(served[name], _served_chances(layout), targets[name], _even(len(targets[name])), curve, filled, ladder)
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

    It is fitted to items by segment, as in a fit of the page: each segment is shown first what it
    likes, and for items alone that looks as if nobody looked further down.
    """
    names = list(dict.fromkeys(segments))
    own, items = np.array([names.index(segment) for segment in segments]), int(slates.max(initial=0)) + 1
    impressions, clicked = (
        np.stack([sums_by_item(slates[own == at], values[own == at], items) for at in range(len(names))])
        for values in (np.ones(slates.shape), clicks)
    )
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
    columns = zip(*(comparison.columns for comparison in compared), strict=True)
    return Comparison._make([*(np.concatenate(column) for column in columns), lacking])


def _rewards(views: Sequence[View], slots: Sequence[str]) -> dict[Reward, Floats]:
    place = {slot: at for at, slot in enumerate(slots)}
    sums = np.zeros((len(REWARDS), len(views), len(slots)))
    for row, view in enumerate(views):
        for slot, outcome in view.outcomes.items():
            sums[:, row, place[slot]] = outcome.clicks, outcome.orders, outcome.revenue
    return dict(zip(REWARDS, sums, strict=True))


def answerable(policy: str, views: Sequence[View]) -> list[View]:
    """The page views of layouts that hold what the policy would have shown: a shadow is not always watched."""
    return [view for view in views if policy != "shadow" or view.layout.shadow]


def evaluated(log: PageLog, views: list[View], level: float) -> dict[str, Any]:
    """What is said of one page: the value per page view of what was served, and of the target by each estimator."""
    held = np.array([view.variant == BASELINE for view in views])
    return {
        "views": len(views),
        "layouts": len(log.targets),
        "items": log.items,
        "clusters": float(log.chances.clusters.mean(axis=1).mean()),
        "after_alike": 1.0,
        "served": {
            reward: {side: _mean(log, reward, rows, level) for side, rows in (("learned", ~held), ("holdout", held))}
            for reward in REWARDS
        },
        "estimates": {reward: estimates(log, reward, level, ~held) for reward in REWARDS},
    }


def estimates(log: PageLog, reward: Reward, level: float, learned: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Every estimator's estimate, as JSON has it."""
    decisions, served = log.decisions(reward), _ratio(log, reward, learned)
    return [estimate_as_json(Evidence.of(name, decisions).estimate(level, served=served)) for name in ESTIMATORS]


def _mean(log: PageLog, reward: Reward, rows: NDArray[np.bool_], level: float) -> dict[str, float | None]:
    value, low, high = _ratio(log, reward, rows).interval(level)
    return _numbers({"value": value, "low": max(0.0, low) if rows.any() else np.nan, "high": high})


def _ratio(log: PageLog, reward: Reward, rows: NDArray[np.bool_]) -> Ratio:
    ones = np.ones(np.count_nonzero(rows))
    return Ratio.of(log.bins[rows], log.rewards[reward][rows].sum(axis=1), ones, ones)


def _numbers(content: dict[str, float]) -> dict[str, float | None]:
    return {name: float(value) if np.isfinite(value) else None for name, value in content.items()}


def rows(views: list[View]) -> Iterator[dict[str, Any]]:
    """A row for each slot that was seen, with the columns of `COLUMNS`."""
    for view in views:
        layout = view.layout
        positions = {slot: at for at, slot in enumerate(dict.fromkeys([*layout.propensities, *layout.baseline]))}
        for slot, outcome in sorted(view.outcomes.items(), key=lambda pair: positions[pair[0]]):
            item = view.slate[slot]
            yield {
                "page_view_id": view.view,
                "unit": view.unit,
                "occurred_at": view.occurred_at,
                "page": layout.page,
                "segment": view.segment,
                "layout_segment": layout.segment,
                "layout_version": layout.version,
                "policy": layout.policy,
                "variant": view.variant,
                "slot": slot,
                "position": positions[slot],
                "shelf": outcome.shelf,
                "item": item,
                "propensity": propensity(layout, view.variant, slot, item),
                "holdout_share": layout.holdout_share,
                "clicks": outcome.clicks,
                "orders": outcome.orders,
                "revenue": outcome.revenue,
                "returned": outcome.returned,
                "signals": sorted(outcome.signals.items()),
            }


def propensity(layout: Layout, variant: int, slot: str, item: str) -> float:
    """How likely a visitor of the same kind sees the item in the slot: in the holdout the baseline is certain."""
    return 1.0 if variant == BASELINE else layout.propensities[slot][item]


class PlainLog:
    """A log's events in memory, as `reshelf.evaluation.recompose.PastLog`."""

    def __init__(self, log: Mapping[TopicPartition, Sequence[Accepted]]) -> None:
        self._log = log
        self.partitions = list(log)

    def of(self, page: str, segment: str) -> PlainLog:
        return PlainLog(
            {
                tp: [e for e in some if e.event.page == page and segment in (WHOLE_PAGE, e.event.segment)]
                for tp, some in self._log.items()
            }
        )

    def between(self, stretches: Mapping[TopicPartition, Stretch]) -> Iterator[tuple[str, list[Accepted]]]:
        for tp, (first, end) in stretches.items():
            yield tp.topic, [entry for entry in self._log[tp] if first <= entry.offset < end]
