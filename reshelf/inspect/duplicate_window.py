"""How much of its time the window of duplicates covers, in words."""

from __future__ import annotations

from reshelf.inspect.attribution_window import duration
from reshelf.numbers import share
from reshelf.words.said import say
from schemas.topics import BY_NAME
from streams.fold.window import RecentWindow, memory_for
from streams.kafka.records import TopicPartition

Tightest = tuple[TopicPartition, RecentWindow]
"""The partition that needs the most of its memory, and its window."""


def window_in_words(tightest: Tightest) -> str:
    """As "16 minutes of 2 hours"."""
    tp, window = tightest
    covered, whole = duration(window.covered), duration(window.span)
    return say("window.covered-share", covered=covered, whole=whole, share=share(window.ratio, 0), partition=str(tp))


def next_step(tightest: Tightest) -> str:
    """Which setting to change, and to what."""
    tp, window = tightest
    return say("window.duplicates-next", size=str(memory_for(BY_NAME[tp.topic], window.wanted)))
