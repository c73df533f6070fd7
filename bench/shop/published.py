"""Layouts of a whole shop on the topic, for those who only read them."""

from __future__ import annotations

import time

import msgspec

from bench.shop.catalog import Shop, number_in
from bench.shop.sending import Sender
from bench.shop.state.counts import SHARES, PageDays
from bench.shop.state.filling import bucket_of_day
from bench.shop.workplace import Workplace
from schemas.codec import encode_key
from schemas.messages.layouts import Layout
from schemas.topics import LAYOUTS
from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Page
from streams.layouts.compose import compose, stamped
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState


def publish_layouts(at: Workplace) -> int:
    """One for each page and segment, where a layout worker has not made them here; how many there are.

    Those of a page have the same slates: what they cost to hold does not depend on which items they show.
    """
    keys, layouts = at.shop.layout_keys(), at.settings.layouts
    if at.layouts_made:
        return len(keys)
    sender, now, composed = Sender(at.settings.kafka), time.time_ns() // 1_000_000, dict[str, Layout]()
    for key in keys:
        if key.page not in composed:
            composed[key.page] = stamped(_composed(at.shop, number_in(key.page), layouts), now, now, layouts.ttl_ms)
        sender.send(
            LAYOUTS.name, encode_key(LAYOUTS, *key), msgspec.structs.replace(composed[key.page], segment=key.segment)
        )
    sender.settle()
    at.layouts_made = True
    return len(keys)


def _composed(shop: Shop, page: int, settings: LayoutSettings) -> Layout:
    counts = PageDays(shop, page)
    today = bucket_of_day(shop, 0)
    tables = tuple(counts.table(0, "*", 0, today, traffic, 1_000.0) for traffic in SHARES)
    declared = Page(shop.rules(page), CandidateSet(tuple(sorted(shop.candidates(page)))), [0] * shop.size.partitions)
    return compose("*", KeyState(tables, {}), declared, settings, 1)
