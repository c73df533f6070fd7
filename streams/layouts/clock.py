"""The clocks of the layout producer, how it waits, and what it reports of a decision."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from streams.catalog.page import Key


@dataclass(frozen=True, slots=True)
class Clock:
    """Times in milliseconds: since 1970, of a clock that is never set back, and of a processor that this thread had."""

    wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    steady: Callable[[], float] = lambda: time.perf_counter() * 1000
    busy: Callable[[], float] = lambda: time.thread_time() * 1000


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a key that was due: `result` as in reshelf_layouts_total.

    Or, `deferred`, of a request that did not make its key due: `request` is its offset.
    Its turn came, its counts were read, its layout was composed, and it was done with at these
    milliseconds of the steady clock.
    """

    key: Key
    watermarks: Mapping[str, Sequence[int]]
    result: Literal["published", "unchanged", "held", "refused", "stopped", "deferred"]
    taken_at: float
    read_at: float
    composed_at: float
    done_at: float
    request: int = -1


async def woken(event: asyncio.Event, timeout_s: float | None) -> None:
    """Wait for the event; `asyncio.wait_for` could lose a cancellation that comes with it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
