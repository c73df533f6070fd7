"""The shop's own truth: what learned layouts and the holdout brought, and how fast clicks came back as layouts.

Counts are kept by arm and by one of 256 bins of units, since views of one
visitor are not independent: the interval is made from bins, not from views.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from policy.arrays import Ints
from policy.experiments.sequence import CLICKS as CLICKED
from policy.experiments.sequence import REVENUE, Sides, Uplift, uplift
from reshelf.demo.renderer import Key
from schemas.messages.fields import BASELINE
from schemas.topics import CLICKS

BINS = 256
LEARNED, HOLDOUT, TRIAL = 0, 1, 2


class Scores:
    """Page views, clicks, orders and revenue (cents) by arm and bin."""

    def __init__(self) -> None:
        self.views, self.clicks, self.orders, self.revenue = np.zeros((4, 3, BINS), dtype=np.int64)

    def add_views(self, arm: Ints, bins: Ints, clicks: Ints) -> None:
        """Count page views with their number of clicks; those of arm -1 belong to none."""
        for which in (LEARNED, HOLDOUT, TRIAL):
            here = arm == which
            self.views[which] += np.bincount(bins[here], minlength=BINS)
            self.clicks[which] += np.bincount(bins[here], weights=clicks[here], minlength=BINS).astype(np.int64)

    def add_order(self, arm: int, unit_bin: int, amount: int) -> None:
        """Count an order that followed a click on a page of this arm; -1 is no arm."""
        if arm >= 0:
            self.orders[arm, unit_bin] += 1
            self.revenue[arm, unit_bin] += amount

    def click_rate(self, arm: int) -> float:
        """Clicks per page view."""
        return _ratio(int(self.clicks[arm].sum()), int(self.views[arm].sum()))

    def revenue_per_view(self, arm: int) -> float:
        """Revenue per page view, in cents."""
        return _ratio(int(self.revenue[arm].sum()), int(self.views[arm].sum()))

    def click_uplift(self, arm: int = LEARNED, other: int = HOLDOUT) -> Uplift:
        """Relative uplift of clicks per page view of one arm over another, of learned over holdout."""
        return self._uplift(CLICKED, arm, other)

    def revenue_uplift(self) -> Uplift:
        """Relative uplift of revenue (cents) per page view."""
        return self._uplift(REVENUE, LEARNED, HOLDOUT)

    def _uplift(self, column: int, arm: int, other: int) -> Uplift:
        """With bounds that hold at all looks together: the screen shows them anew each second."""
        counts = np.stack([self.views, np.zeros_like(self.views), self.clicks, self.orders, self.revenue], axis=2)
        return uplift(Sides(counts[arm], counts[other]), column)


def arms(variant: Ints) -> Ints:
    """Arm of each variant: 0 learned, 1 holdout, -1 the renderer's fallback."""
    return np.where(variant >= 0, LEARNED, np.where(variant == BASELINE, HOLDOUT, -1))


def trial_arms(variant: Ints, branch: Ints) -> Ints:
    """Arms as `arms`, and 2 for the branch on trial of the page."""
    return np.where(branch > 0, TRIAL, arms(variant))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


@dataclass(slots=True)
class Delays:
    """Click-to-layout delay: from the production of the newest click that a layout reflects to that layout.

    Clicks before it had waited, since they were too few to change anything.  Clicks sent before a page and
    segment had any layout are left out: they waited for the workers to start.
    """

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))
    _begun: dict[Key, float] = field(default_factory=dict)
    _waiting: dict[tuple[Key, int], deque[tuple[int, float]]] = field(default_factory=dict)

    def click(self, key: Key, partition: int, offset: int, produced: float) -> None:
        """A click was acknowledged at this place of the log; `produced` is when it was sent, in seconds."""
        queue = self._waiting.setdefault((key, partition), deque(maxlen=10_000))
        queue.append((offset, produced))

    def layout(self, key: Key, watermarks: dict[str, list[int]], received: float) -> None:
        """A layout arrived at `received` seconds; its watermarks say which clicks it reflects."""
        begun = self._begun.setdefault(key, received)
        newest = float("-inf")
        for partition, position in enumerate(watermarks.get(CLICKS.name, [])):
            queue = self._waiting.get((key, partition), deque())
            while queue and queue[0][0] < position:
                newest = max(newest, queue.popleft()[1])
        if newest >= begun:
            self.recent.append(received - newest)

    def quantiles_ms(self) -> dict[str, float]:
        """The median and the 99th percentile, milliseconds; empty before the first."""
        if not self.recent:
            return {}
        p50, p99 = np.quantile(np.array(self.recent, dtype=np.float64), [0.5, 0.99]) * 1000
        return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}


def unit_bins(units: Sequence[str]) -> Ints:
    """The bin of each unit: a hash of its own, apart from those that choose holdout and variant."""
    digests = b"".join(blake2b(unit.encode(), digest_size=1, person=b"demo-bins").digest() for unit in units)
    return np.frombuffer(digests, dtype=np.uint8).astype(np.int64)
