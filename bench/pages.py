"""A page of any size with random counts, for measurements that need no visitors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules, PolicyChoice
from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Page
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose, stamped
from streams.page_settings import LayoutSettings
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState

PAGE, SEGMENT = "home", "readers"


@dataclass(frozen=True, slots=True)
class Size:
    """Items that the page may show, its slots, and the slates of a layout."""

    items: int
    slots: int
    variants: int = PolicyChoice().variants


def item_names(items: int) -> tuple[str, ...]:
    """Names as long as those of real catalogs."""
    return tuple(f"item-{number:06d}" for number in range(items))


def slot_names(slots: int) -> tuple[str, ...]:
    """Slots in rendered order."""
    return tuple(f"slot-{number:02d}" for number in range(slots))


def page(size: Size) -> Page:
    """The page as declared, every item a candidate."""
    rules = PageRules(PAGE, 1, list(slot_names(size.slots)), policy=PolicyChoice(variants=size.variants))
    return Page(rules, CandidateSet(item_names(size.items)), [size.items])


def state(size: Size, seed: int) -> KeyState:
    """Counts of every item in every slot, learned traffic and holdout, one bucket."""
    tables = [_table(size, traffic, seed) for traffic in (Traffic.LEARNED, Traffic.HOLDOUT)]
    return KeyState(tuple(tables), {"events-clicks": [seed] * 4})


def layout(size: Size) -> Layout:
    """A layout of the page as it is published."""
    composed = compose(SEGMENT, state(size, 1), page(size), LayoutSettings(), 1)
    return stamped(composed, 1, 1_000, LayoutSettings().ttl_ms)


def _table(size: Size, traffic: Traffic, seed: int) -> Table:
    chance = np.random.default_rng((seed, int(traffic)))
    impressions = chance.integers(1, 1_000, (size.items, size.slots))
    clicks = chance.binomial(impressions, 0.05)
    sold = chance.binomial(clicks.sum(axis=1), 0.1)
    return Table.of(
        segment=SEGMENT,
        bucket=0,
        traffic=traffic,
        items=item_names(size.items),
        slots=slot_names(size.slots),
        impressions=impressions,
        clicks=clicks,
        conversions=sold,
        revenue=sold * 1_000,
        squares=sold * 1_000_000,
    )
