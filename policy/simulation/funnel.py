"""A page whose clicks are followed by carts, orders and returns, counted as tiers log them: some log few carts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from policy.arrays import Bools, Floats, Indices
from policy.model.chain.stages import StageCounts

DAY_S = 86_400.0
BINS = 32
NOON = 0.5
"""The share of today's bucket that has passed."""

Logging = Literal["complete", "items", "days", "segments", "all"]
"""Which tiers log few carts: none, those of half of the items, of every other day, of half of the segments,
or all."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """What kind of page: chances of a click, how far items differ in them, delays, and what is logged.

    `fresh` items have `clicks` each, spread over the last `days_young`; `established` ones about `history`, spread
    over `days`.  `carts` and `direct` are the mean chances of a cart and of an order without one per click,
    `orders` that of an order per cart, `returns` that of a return per order; each is Gamma distributed over items with
    the shape `*_shape` (relative variance 1 / shape).  Where carts are `telling`, more of them mean more orders; else
    an item's orders per cart are so many the fewer.  `logged` is the share of carts that careless tiers log.
    """

    fresh: int = 200
    established: int = 200
    clicks: int = 250
    days_young: float = 1.0
    history: int = 300
    days: int = 28
    segments: int = 4
    carts: float = 0.12
    carts_shape: float = 4.0
    orders: float = 0.25
    orders_shape: float = 25.0
    direct: float = 0.01
    direct_shape: float = 4.0
    returns: float = 0.15
    returns_shape: float = 4.0
    telling: bool = True
    logging: Logging = "complete"
    logged: float = 0.3


class FunnelCounts(NamedTuple):
    """Counts of T tables and A items, and the truth.

    `returned` lines and the amounts (minor units) are [T, A], `delays` [T, 32] by stage: carts, orders behind them,
    all orders, returns.  `buckets` and `segments` number the tables; `oldest` and `youngest` [T] say how long ago the
    clicks of a table were, in milliseconds.  `orders` and `kept_orders` are the true chances per click, float64[A],
    and `fresh` says which items are, bool[A].
    """

    tables: StageCounts
    returned: Floats
    amounts: Floats
    squares: Floats
    returned_amounts: Floats
    delays: dict[str, Floats]
    buckets: Indices
    segments: Indices
    oldest: Floats
    youngest: Floats
    orders: Floats
    kept_orders: Floats
    fresh: Bools


class _Items(NamedTuple):
    carts: Floats
    orders: Floats
    direct: Floats
    returns: Floats
    prices: Floats
    careless: Bools


class _Clicks(NamedTuple):
    """N clicks: item, age in seconds, bucket (0 is today's) and table."""

    items: Indices
    ages: Floats
    buckets: Indices
    tables: Indices


class _Followed(NamedTuple):
    """What followed N clicks by now, and how many seconds after the step before."""

    signal: Bools
    order: Bools
    via: Bools
    returned: Bools
    cart_s: Floats
    behind_s: Floats
    order_s: Floats
    return_s: Floats


def count_funnel(funnel: Funnel, seed: int) -> FunnelCounts:
    """The counts of a page.  With one seed, visitors do the same whatever is logged."""
    visits, logs = np.random.default_rng([seed, 3]).spawn(2)
    items = _draw_items(funnel, visits)
    clicks = _draw_clicks(funnel, visits)
    followed = _follow(clicks, items, visits, _logged(funnel, clicks, items, logs))
    shape = (int(clicks.buckets.max()) + 1) * funnel.segments, len(items.carts)

    def tabled(which: Bools) -> Floats:
        places = clicks.tables[which] * shape[1] + clicks.items[which]
        return np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)

    orders, returned = tabled(followed.order), tabled(followed.returned)
    bucket = np.arange(shape[0], dtype=np.float64) // funnel.segments
    chance = items.carts * items.orders + items.direct
    return FunnelCounts(
        tables=StageCounts(
            clicks=tabled(np.ones(len(clicks.items), dtype=np.bool_)),
            lines=orders,
            repeats=np.zeros_like(orders),
            signals=tabled(followed.signal),
            via=tabled(followed.via),
        ),
        returned=returned,
        amounts=orders * items.prices,
        squares=orders * np.square(items.prices),
        returned_amounts=returned * items.prices,
        delays={
            "carts": _histogram(clicks, followed.signal, followed.cart_s, shape[0]),
            "behind": _histogram(clicks, followed.via, followed.behind_s, shape[0]),
            "orders": _histogram(clicks, followed.order, followed.order_s, shape[0]),
            "returns": _histogram(clicks, followed.returned, followed.return_s, shape[0]),
        },
        buckets=bucket.astype(np.intp),
        segments=np.arange(shape[0]) % funnel.segments,
        oldest=1_000.0 * DAY_S * (bucket + NOON),
        youngest=1_000.0 * DAY_S * np.maximum(0.0, bucket - 1.0 + NOON),
        orders=chance,
        kept_orders=chance * (1.0 - items.returns),
        fresh=np.arange(shape[1]) < funnel.fresh,
    )


def _histogram(clicks: _Clicks, which: Bools, delays_s: Floats, tables: int) -> Floats:
    """Delays by table and bin, float64[T, 32]: bin 0 below a second, then one for each doubling."""
    bins = np.clip(np.floor(np.log2(np.maximum(delays_s[which], 0.5))) + 1, 0, BINS - 1).astype(np.intp)
    counts = np.bincount(clicks.tables[which] * BINS + bins, minlength=tables * BINS)
    return counts.reshape(tables, BINS).astype(np.float64)


def _draw_items(funnel: Funnel, rng: np.random.Generator) -> _Items:
    count = funnel.fresh + funnel.established

    def spread(mean: float, shape: float) -> Floats:
        return np.minimum(0.9, mean * rng.gamma(shape, 1.0 / shape, count))

    carts, orders = spread(funnel.carts, funnel.carts_shape), spread(funnel.orders, funnel.orders_shape)
    if not funnel.telling:
        own = spread(funnel.carts * funnel.orders, funnel.carts_shape)
        orders = np.minimum(0.9, own / carts)
    direct, returns = spread(funnel.direct, funnel.direct_shape), spread(funnel.returns, funnel.returns_shape)
    prices = np.floor(np.exp(rng.normal(8.0, 0.7, count))) + 1.0
    careless = rng.permutation(count) < count // 2
    return _Items(carts, orders, direct, returns, prices, careless)


def _draw_clicks(funnel: Funnel, rng: np.random.Generator) -> _Clicks:
    history = np.maximum(20, funnel.history * rng.lognormal(0.0, 0.7, funnel.established)).astype(np.intp)
    counts = np.concatenate([np.full(funnel.fresh, funnel.clicks), history])
    items = np.repeat(np.arange(len(counts)), counts)
    longest = np.where(items < funnel.fresh, funnel.days_young, float(funnel.days))
    ages = rng.uniform(0.0, longest * DAY_S)
    buckets = np.floor(ages / DAY_S + 1.0 - NOON).astype(np.intp)
    return _Clicks(items, ages, buckets, buckets * funnel.segments + rng.integers(0, funnel.segments, len(items)))


def _logged(funnel: Funnel, clicks: _Clicks, items: _Items, rng: np.random.Generator) -> Bools:
    """Which carts of these clicks would be logged, bool[N]."""
    careless = {
        "complete": np.zeros(len(clicks.items), dtype=np.bool_),
        "items": items.careless[clicks.items],
        "days": clicks.buckets % 2 == 1,
        "segments": clicks.tables % funnel.segments < funnel.segments // 2,
        "all": np.ones(len(clicks.items), dtype=np.bool_),
    }[funnel.logging]
    logged: Bools = rng.random(len(careless)) < np.where(careless, funnel.logged, 1.0)
    return logged


def _follow(clicks: _Clicks, items: _Items, rng: np.random.Generator, logged: Bools) -> _Followed:
    """Carts come minutes after the click, orders most of a day later, and returns after a week."""
    at, count = clicks.items, len(clicks.items)
    cart = rng.random(count) < items.carts[at]
    ordered = rng.random(count) < np.where(cart, items.orders[at], items.direct[at] / (1.0 - items.carts[at]))
    cart_s, behind_s = _delays(rng, 180.0, 1.2, count), _delays(rng, 0.75 * DAY_S, 1.2, count)
    order_s = np.where(cart, cart_s + behind_s, _delays(rng, 0.5 * DAY_S, 1.2, count))
    return_s = _delays(rng, 8.0 * DAY_S, 0.5, count)
    signal = cart & logged & (cart_s < clicks.ages)
    order = ordered & (order_s < clicks.ages)
    returned = order & (rng.random(count) < items.returns[at]) & (order_s + return_s < clicks.ages)
    return _Followed(signal, order, order & signal, returned, cart_s, behind_s, order_s, return_s)


def _delays(rng: np.random.Generator, median_s: float, spread: float, count: int) -> Floats:
    return median_s * np.exp(spread * rng.normal(size=count))
