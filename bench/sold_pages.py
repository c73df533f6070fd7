"""A page whose clicks are followed by carts, orders and returns: days of several segments, as a reader holds them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from bench.pages import PAGE, Size, item_names, page, slot_names
from policy.arrays import Ints
from schemas.messages.parameters import PolicyParameters, ReturnFit, Sales, SignalFit
from schemas.topics import DAY_MS
from streams.catalog.item_features import item_features
from streams.catalog.page import Page
from streams.fold.deltas import Traffic
from streams.state.arrays.packed import CodedNames, NameList, PackedCounts, pack
from streams.state.arrays.parts import KeyTables, PageTables
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState

KINDS = ("add-to-cart",)


@dataclass(frozen=True, slots=True)
class History:
    """How many segments of a page have counts, and of how many days."""

    segments: int
    days: int


def sold_page(size: Size, history: History, *, stages: bool) -> Page:
    """The page with what was fitted for it; `stages` says whether signals and returns were."""
    fitted = PolicyParameters(PAGE, 1, history.days * DAY_MS, 0.02, 50.0, sales=_sales(history))
    if stages:
        fitted = _with_stages(fitted, history)
    bare = page(size)
    return replace(bare, item_features=item_features(fitted, bare.candidates, {}))


def _with_stages(fitted: PolicyParameters, history: History) -> PolicyParameters:
    """The same with signals and returns: days are the less mature, the younger they are."""
    shares = _maturity(history)
    signals = SignalFit(KINDS[0], 0.12, 50.0, 0.25, 0.01, 0.2, 0.8, 30.0, coverage=0.75)
    signals = msgspec.structs.replace(signals, maturity={day: (1.0, share) for day, share in shares.items()})
    returns = ReturnFit(0.15, 40.0, 1.0, 1_000.0, 300.0, {day: share**2 for day, share in shares.items()})
    return msgspec.structs.replace(fitted, signals=signals, returns=returns)


def _sales(history: History) -> Sales:
    return Sales(0.04, 60.0, 1_000.0, 300.0, maturity=_maturity(history))


def _maturity(history: History) -> dict[str, float]:
    return {str(day * DAY_MS): round(1.0 - 0.5 ** (history.days - day), 5) for day in range(history.days)}


class SoldState:
    """Counts of a page; `click` changes one cell of one table, as an event does."""

    def __init__(self, size: Size, history: History, seed: int = 1) -> None:
        names = NameList()
        names.names.extend(item_names(size.items))
        self._names, self._size, self._chance = names, size, np.random.default_rng(seed)
        self._segments = [f"segment-{number}" for number in range(history.segments)]
        self._parts = {
            segment: KeyTables(self._table(segment, day * DAY_MS) for day in range(history.days))
            for segment in self._segments
        }

    def state(self) -> KeyState:
        """The counts of the whole page now."""
        return KeyState(PageTables(self._parts.values()), {"events-clicks": [1] * 4}, KINDS)

    def click(self, turn: int) -> None:
        """One more click, with a cart, in the newest table of one segment."""
        segment = self._segments[turn % len(self._segments)]
        *others, newest = self._parts[segment]
        counts = {name: newest.counts[name] for name in newest.counts}
        counts["clicks"][turn % self._size.items, turn % self._size.slots] += 1
        counts["signals_0"][turn % self._size.items] += 1
        self._parts[segment] = KeyTables([*others, replace(newest, counts=self._packed(counts))])

    def _table(self, segment: str, bucket: int) -> Table:
        size, chance = self._size, self._chance
        impressions = chance.integers(1, 100, (size.items, size.slots))
        clicks = chance.binomial(impressions, 0.05)
        carts = chance.binomial(clicks.sum(axis=1), 0.12)
        sold = chance.binomial(carts, 0.3)
        back = chance.binomial(sold, 0.15)
        counts = {
            "impressions": impressions,
            "clicks": clicks,
            "conversions": sold,
            "revenue": sold * 1_000,
            "squares": sold * 1_000_000,
            "returns": back,
            "returned": back * 1_000,
            "signals_0": carts,
            "via_0": sold,
        }
        codes = np.arange(size.items, dtype=np.uint16 if size.items <= 2**16 else np.uint32)
        items = CodedNames(self._names, codes)
        return Table(
            segment, range(bucket, bucket + 1), Traffic.LEARNED, items, slot_names(size.slots), self._packed(counts)
        )

    def _packed(self, counts: dict[str, Ints]) -> PackedCounts:
        packed = ((name, pack(array.reshape(-1))) for name, array in counts.items())
        return PackedCounts((self._size.items, self._size.slots, 0), packed)
