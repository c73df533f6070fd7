"""The common order of several logs: runs of one log at once come as its records would one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.attribution.order import Entry, Track, Turn, in_order

times = st.lists(st.integers(0, 12), max_size=8).map(sorted)
logs = st.lists(st.tuples(times, st.integers(0, 14), st.sampled_from([0, 3, 6])), min_size=1, max_size=4)
"""For each log when its records were appended, up to when it was read, and how much later they have their turn."""


class Log:
    """What the order needs to know of a track."""

    def __init__(self, name: int, appended: Sequence[int], read_to: int) -> None:
        entries = [Entry(cast(Any, (name, at)), time, None, None, "") for at, time in enumerate(appended)]
        self.waiting = deque(entries)
        self.horizon = max([read_to, *appended])

    def take(self) -> Entry:
        return self.waiting.popleft()


def turns_of(drawn: list[tuple[list[int], int, int]]) -> list[Turn]:
    return [
        Turn(cast(Track, Log(stage, appended, read_to)), delay, stage)
        for stage, (appended, read_to, delay) in enumerate(drawn)
    ]


def one_by_one(turns: Sequence[Turn]) -> Iterator[tuple[Entry, int]]:
    """The order written the obvious way: all heads are compared for each record."""
    while heads := [(head, turn) for turn in turns if (head := turn.head) is not None]:
        first, turn = min(heads, key=lambda each: each[0])
        if any(other.earliest < first for other in turns if not other.track.waiting):
            return
        yield turn.track.take(), turn.stage


@settings(max_examples=300)
@given(logs)
def test_records_come_in_the_order_of_their_turns(drawn: list[tuple[list[int], int, int]]) -> None:
    ours, plain = turns_of(drawn), turns_of(drawn)
    assert list(in_order(ours)) == list(one_by_one(plain))
    assert [len(turn.track.waiting) for turn in ours] == [len(turn.track.waiting) for turn in plain]
