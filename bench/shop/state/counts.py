"""What visitors did on a page on one day: made with numpy, the same for the same seed.

Numbers vary around their expectations as those of real visitors do: what they cost to hold, packed or not, and to
read is that of real ones, and they are made at some nanoseconds a cell.
"""

from __future__ import annotations

import numpy as np

from bench.shares import zipf
from bench.shop.catalog import Shop
from policy.arrays import Floats, Ints
from policy.assignment import BINS as UNIT_BINS
from streams.fold.deltas import Traffic
from streams.fold.measures import DELAY_BINS
from streams.state.arrays.tables import Table

HOLDOUT_SHARE = 0.1
SHARES = {Traffic.LEARNED: 1.0 - HOLDOUT_SHARE, Traffic.HOLDOUT: HOLDOUT_SHARE}
"""Of page views."""
CLICK_RATE, SALE_RATE = 0.05, 0.03
"""Clicks for an impression that is looked at, purchases for a click."""
LARGE = 4.0
"""From this expectation on a number varies by its root."""
WHOLE = 1_000_000
"""In the seed of a whole page's bins, where a table has the number of its segment."""


class PageDays:
    """The tables of one page; popular items are shown and clicked on more, slots further down less looked at."""

    def __init__(self, shop: Shop, page: int) -> None:
        self._shop = shop
        self._page = page
        self._names = tuple(shop.candidates(page))
        items, slots = len(self._names), len(shop.slots)
        self._shown = shown(items, slots).astype(np.float32)[:, None] / slots
        self._rates = np.linspace(1.5, 0.5, items, dtype=np.float32)[:, None] * CLICK_RATE
        self._rates = self._rates / np.arange(1, slots + 1, dtype=np.float32) ** 0.3
        self._amounts = 500 + 37 * np.arange(items)

    def table(self, segment: int, name: str, day: int, bucket: int, traffic: Traffic, views: float) -> Table:
        """What a segment's `views` page views of a day left.

        As many of the most popular items are in it as were seen at all: tables share directories.
        """
        chance = np.random.default_rng((self._shop.seed, self._page, segment, day, int(traffic)))
        seen = _rounded(views * SHARES[traffic] * self._shown, (len(self._names), len(self._shop.slots)), chance)
        rows = int(np.count_nonzero(seen.any(axis=1)))
        impressions = seen[:rows]
        clicks = np.minimum(_rounded(impressions * self._rates[:rows], impressions.shape, chance), impressions)
        sold = _rounded(clicks.sum(axis=1) * SALE_RATE, (rows,), chance)
        sold[np.count_nonzero(sold) :] = 0
        delays = np.zeros(DELAY_BINS, dtype=np.int64)
        delays[:20] = sold.sum() // 20
        amounts = self._amounts[:rows]
        return Table.of(
            name,
            bucket,
            traffic,
            self._names[:rows],
            self._shop.slots,
            impressions=impressions,
            clicks=clicks,
            conversions=sold,
            revenue=sold * amounts,
            squares=sold * amounts**2,
            delays=delays,
        )

    def bins(self, day: int, traffic: Traffic, views: float) -> Ints:
        """[256, 5]: page views, units, clicks, orders and revenue of the whole page by bin of units."""
        chance = np.random.default_rng((self._shop.seed, self._page, WHOLE, day, int(traffic)))
        seen = chance.poisson(views * SHARES[traffic] / UNIT_BINS, UNIT_BINS)
        clicks = chance.binomial(seen, min(1.0, CLICK_RATE * len(self._shop.slots)))
        orders = chance.binomial(clicks, SALE_RATE)
        return np.stack([seen, seen // 2, clicks, orders, orders * 5_000], axis=1)


def shown(items: int, slots: int) -> Floats:
    """How many slots of a page view each item has on average, the first most; at most one."""
    if items <= slots:
        return np.ones(items)
    share = zipf(items) * slots
    for _ in range(8):
        full = share >= 1.0
        share[full] = 1.0
        share[~full] *= (slots - full.sum()) / share[~full].sum()
    return np.minimum(share, 1.0)


def _rounded(expected: Floats, shape: tuple[int, ...], chance: np.random.Generator) -> Ints:
    """About Poisson's: large numbers with its variance, small ones rounded up or down."""
    rounded = expected + chance.random(shape, dtype=np.float32)
    spread = np.where(expected >= LARGE, np.sqrt(expected), 0.0) * chance.standard_normal(shape, dtype=np.float32)
    return np.maximum(rounded + spread, 0.0).astype(np.int64)
