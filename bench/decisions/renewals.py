"""What it costs to compose by what was learned, and to hold layouts back: regret, layouts made, slots that change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.simulation.flicker import changed
from policy.simulation.learned import Learned, Setup
from policy.simulation.means import mean_of, ratio_of
from policy.simulation.race import opened, race
from policy.simulation.shop import Feedback, Offer, Shape
from reshelf.processes.parallel import counted, mapped

STEP = 50
"""Page views between two looks at which segments are due."""
SHARES = (0.0, 0.01, 0.03, 0.1)
THRESHOLDS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
FIT_SHARE = 1 / 30


class Renewal(NamedTuple):
    """When a layout is composed (layouts.growth_share) and when it is shown (layouts.change_threshold)."""

    growth_share: float
    change_threshold: float


RENEWALS = [
    *(Renewal(share, 0.0) for share in SHARES),
    *(Renewal(0.03, threshold) for threshold in THRESHOLDS[1:]),
]


class Outcome(NamedTuple):
    """Of one shop: clicks lost, layouts composed, and slots that changed under the eyes of a visitor who stays."""

    regret: float
    layouts: float
    slots: float


@dataclass(slots=True)
class _Stayed:
    """A learner whose slates are seen by visitors who stay: what changes on a new day does not count."""

    learner: Learned
    slots: float = field(init=False, default=0.0)
    _before: tuple[int, NDArray[np.intp]] | None = field(init=False, default=None)

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        self.learner.observe(feedback)

    def slates(self, offer: Offer) -> NDArray[np.intp]:
        """See `Learner`."""
        chosen = self.learner.slates(offer)
        if self._before is not None and self._before[0] == offer.day:
            self.slots += changed(self._before[1], chosen) * chosen.shape[2]
        self._before = offer.day, chosen
        return chosen


def compare(
    shape: Shape,
    setup: Setup,
    views: int,
    seeds: int,
    processes: int,
    say: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[dict[str, Any]]:
    """A row for each of RENEWALS, all in the same shops; ratios are to the first, which composes and shows all.

    `regret_more` are the clicks that are lost beyond those of the row that has the other setting and this one at 0.
    """
    tasks = [(renewal, seed) for seed in range(seeds) for renewal in RENEWALS]
    tell = counted(say, "renewals", len(tasks))
    outcomes = mapped(partial(_run, shape=shape, setup=setup, views=views), tasks, processes, tell)
    by_renewal = {
        renewal: [o for (r, _), o in zip(tasks, outcomes, strict=True) if r == renewal] for renewal in RENEWALS
    }
    return [_row(renewal, of, by_renewal, views) for renewal, of in by_renewal.items()]


def _run(task: tuple[Renewal, int], shape: Shape, setup: Setup, views: int) -> Outcome:
    renewal, seed = task
    learner = Learned(shape, replace(setup, fit_share=FIT_SHARE, **renewal._asdict()))
    stayed = _Stayed(learner)
    course = race(opened(shape, seed, views), stayed, (views,), step=STEP)
    return Outcome(course.regret[-1], learner.composed, stayed.slots)


def _without(renewal: Renewal) -> Renewal:
    """What a renewal is compared with."""
    return renewal._replace(change_threshold=0.0) if renewal.change_threshold else RENEWALS[0]


def _row(
    renewal: Renewal, of: Sequence[Outcome], by_renewal: Mapping[Renewal, Sequence[Outcome]], views: int
) -> dict[str, Any]:
    regret, layouts, slots = (list(column) for column in zip(*of, strict=True))
    most, without = by_renewal[RENEWALS[0]], by_renewal[_without(renewal)]
    more = [mine.regret - other.regret for mine, other in zip(of, without, strict=True)]
    thousands = views / 1_000
    return renewal._asdict() | {
        "regret": mean_of(regret)._asdict(),
        "regret_more": mean_of(more)._asdict(),
        "regret_ratio": ratio_of(regret, [outcome.regret for outcome in most])._asdict(),
        "layouts_per_1000_views": float(np.mean(layouts)) / thousands,
        "slots_changed_per_1000_views": float(np.mean(slots)) / thousands,
        "slots_changed_ratio": float(np.sum(slots) / max(np.sum([outcome.slots for outcome in most]), 1e-12)),
    }


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table."""
    lines = [
        f"{'grows by':>8}  threshold  {'clicks lost':<22} {'more':<24} {'ratio':<25} {'layouts':>7}  slots changed",
    ]
    for row in rows:
        regret, more, ratio = row["regret"], row["regret_more"], row["regret_ratio"]
        lost = f"{regret['mean']:,.0f} ({regret['low']:,.0f} to {regret['high']:,.0f})"
        difference = f"{more['mean']:+,.1f} ({more['low']:+,.1f} to {more['high']:+,.1f})"
        against = f"{ratio['mean']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
        lines.append(
            f"{row['growth_share']:>8.1%}  {row['change_threshold']:>9.1%}  {lost:<22} {difference:<24} {against:<25} "
            f"{row['layouts_per_1000_views']:>7,.1f}  {row['slots_changed_per_1000_views']:>8,.1f} "
            f"({row['slots_changed_ratio']:.0%})"
        )
    lines.append("more: clicks lost beyond those at threshold 0, or beyond those of the first row, in the same shops")
    lines.append("layouts composed, and slots that change under a visitor's eyes, per 1,000 page views of the shop")
    return "\n".join(lines)
