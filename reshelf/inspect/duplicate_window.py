"""How much of its time the window of duplicates covers, in words."""

from __future__ import annotations

from reshelf.inspect.attribution_window import duration
from schemas.topics import BY_NAME
from streams.fold.window import RecentWindow, memory_for
from streams.kafka.records import TopicPartition

Tightest = tuple[TopicPartition, RecentWindow]
"""The partition that needs the most of its memory, and its window."""


def window_in_words(tightest: Tightest) -> str:
    """As "16 minutes of 2 hours"."""
    tp, window = tightest
    share = f"{window.ratio:.0%} of fold.duplicate_mb in {tp}"
    return f"{duration(window.covered)} of {duration(window.span)} ({share})"


def next_step(tightest: Tightest) -> str:
    """Which setting to change, and to what."""
    tp, window = tightest
    return (
        f"Set fold.duplicate_mb to at least {memory_for(BY_NAME[tp.topic], window.wanted)} for all learners (no new "
        "namespace is needed), or fold.duplicate_window_ms shorter in a new namespace: an event that is sent again "
        "after a longer time counts again. docs/operating/operating.md says more, under ReshelfDuplicateWindow."
    )
