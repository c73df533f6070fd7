"""How much of the attribution window the clicks of each partition cover, in words."""

from __future__ import annotations

from collections.abc import Mapping

from reshelf.words.said import say
from streams.state.clicks.progress import Window

UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000))
NEXT_STEP = say("window.clicks-next")


def shortest(windows: Mapping[int, Window]) -> tuple[int, Window] | None:
    """The partition whose clicks cover the least of the window; None where no worker has said anything."""
    return min(windows.items(), key=lambda item: item[1].covered - item[1].longest, default=None)


def window_in_words(window: Window) -> str:
    """As "16 minutes of 7 days"."""
    return say("window.covered", covered=duration(window.covered), whole=duration(window.longest))


def duration(milliseconds: int) -> str:
    """In the largest unit that it has at least one of, rounded down."""
    for unit, size in UNITS:
        if milliseconds >= size:
            count = milliseconds // size
            return say(f"duration.{unit}", count=count, number=str(count))
    return say("duration.ms", number=str(milliseconds))
