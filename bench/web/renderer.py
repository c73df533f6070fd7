"""What a layout costs a page renderer: microseconds for each call of the reference one.

Decoding happens once for each layout received.  Choosing the variant and reading
the slate's slots happen for each page view; no call leaves the process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice

from bench.pages import Size, layout, slot_names
from policy.assignment import choose
from schemas.codec import decoder, encode
from schemas.messages.layouts import Layout

UNITS = 4_096


@dataclass(frozen=True, slots=True)
class Renderer:
    """Medians over the rounds, microseconds for each call."""

    items: int
    slots: int
    variants: int
    layout_bytes: int
    decode_us: float
    choose_us: float
    slate_us: float
    rounds: int


def measure(size: Size, calls: int, rounds: int) -> Renderer:
    """Time `calls` of each step, `rounds` times after one round that does not count."""
    page_layout = layout(size)
    value, decode, slots = encode(page_layout), decoder(Layout), slot_names(size.slots)
    units = list(islice(cycle([f"unit-{number}" for number in range(UNITS)]), calls))
    slates = list(islice(cycle([choose(page_layout, unit).slate for unit in units[:UNITS]]), calls))

    def decoding() -> None:
        for _ in units:
            decode(value)

    def choosing() -> None:
        for unit in units:
            choose(page_layout, unit)

    def reading() -> None:
        for slate in slates:
            for slot in slots:
                slate.get(slot)

    decode_us, choose_us, slate_us = (per_call_us(step, calls, rounds) for step in (decoding, choosing, reading))
    return Renderer(size.items, size.slots, size.variants, len(value), decode_us, choose_us, slate_us, rounds)


def per_call_us(
    step: Callable[[], None], calls: int, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Microseconds for each of the `calls` of a step by a clock: the median over rounds, after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        began = clock()
        step()
        times.append(clock() - began)
    return round(statistics.median(times[1:]) / calls * 1e6, 3)
