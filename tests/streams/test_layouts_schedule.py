"""Laws of the schedule: spaced per key, oldest first, nothing starves, within its share of the processor."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.page import Key
from streams.layouts.clock import woken
from streams.layouts.schedule import SAVED_MS, SPARE, Schedule

KEYS = [Key("home", str(number)) for number in range(5)]
REFRESH = 200
HEAD_START_MS = 2_000.0

marks = st.tuples(st.sampled_from(["mark", "press"]), st.sampled_from(KEYS), st.integers(0, 500))
steps = st.lists(
    st.one_of(
        marks,
        st.tuples(st.just("pass"), st.none(), st.integers(1, 150)),
        st.tuples(st.just("take"), st.none(), st.integers(0, 30)),
        st.tuples(st.just("finish"), st.sampled_from(KEYS), st.just(0)),
    ),
    max_size=80,
)


@given(steps)
def test_a_key_is_taken_once_per_interval_never_twice_at_once_and_only_when_marked(
    history: list[tuple[str, Any, int]],
) -> None:
    schedule, now = Schedule(REFRESH, 1.0, HEAD_START_MS), 0.0
    taken: dict[Key, float] = {}
    wanted: dict[Key, float] = {}
    running: set[Key] = set()
    for verb, key, amount in history:
        if verb in ("mark", "press"):
            schedule.mark(key, now + amount, urgent=verb == "press")
            wanted[key] = min(now + amount, wanted.get(key, float("inf")))
        elif verb == "pass":
            now += amount
        elif verb == "finish" and key in running:
            schedule.finished(key)
            running.discard(key)
        elif verb == "take" and (key := schedule.take(now)) is not None:
            assert key not in running
            assert now - taken.get(key, float("-inf")) >= REFRESH
            assert wanted.pop(key) <= now
            taken[key] = now
            running.add(key)
    for key in running:
        schedule.finished(key)
    assert schedule._waiting.keys() == wanted.keys(), "what was marked and not taken still waits"


@given(st.lists(st.sampled_from(KEYS), min_size=1, max_size=60), st.floats(0.05, 1.0))
def test_nothing_starves_and_the_share_of_the_processor_holds(pressed: list[Key], cpu_share: float) -> None:
    """However often some keys are asked for, each other key goes before a ready one at most once."""
    schedule, now, busy, cost = Schedule(REFRESH, cpu_share, HEAD_START_MS), 0.0, 0.0, 40.0
    ready: dict[Key, float] = {}
    overtaken: Counter[Key] = Counter()
    for key in pressed:
        schedule.mark(key, now)
        ready.setdefault(key, now)
        now += max(0.0, schedule.wait(now))
        chosen = schedule.take(now)
        assert chosen is not None and ready.pop(chosen) <= now
        overtaken.update(other for other, since in ready.items() if since <= now)
        del overtaken[chosen]
        ready[chosen] = now + REFRESH
        schedule.mark(chosen, now)
        now, busy = now + cost, busy + cost
        schedule.spent(now, cost)
        schedule.finished(chosen)
        assert all(count < len(KEYS) for count in overtaken.values())
        assert busy <= cpu_share * (now + schedule.wait(now) + SAVED_MS) + 1e-6


def test_the_key_that_waits_longest_goes_first() -> None:
    schedule = Schedule(REFRESH, 1.0, HEAD_START_MS)
    for at, key in enumerate([KEYS[2], KEYS[0], KEYS[1]]):
        schedule.mark(key, at)
    schedule.mark(KEYS[2], 50)
    assert [schedule.take(100) for _ in range(4)] == [KEYS[2], KEYS[0], KEYS[1], None]


def test_keys_that_are_taken_down_leave_nothing_behind() -> None:
    schedule = Schedule(REFRESH, 1.0, HEAD_START_MS)
    for number in range(20 * SPARE):
        key = Key("campaign", str(number))
        schedule.mark(key, now := number * REFRESH)
        assert schedule.take(now) == key
        schedule.finished(key)
    assert len(schedule._started_at) <= SPARE + 2
    schedule.mark(key, now)
    assert schedule.take(now + REFRESH - 1) is None, "the refresh interval of the last one still holds"


def test_a_mark_while_running_is_kept_for_afterwards() -> None:
    schedule = Schedule(REFRESH, 1.0, HEAD_START_MS)
    schedule.mark(KEYS[0], 0)
    assert schedule.take(0) == KEYS[0]
    schedule.mark(KEYS[0], 5)
    assert schedule.take(1000) is None and schedule.wait(1000) == float("inf")
    schedule.finished(KEYS[0])
    assert schedule.take(199) is None and schedule.wait(199) == 1
    assert schedule.take(200) == KEYS[0]


def test_keys_that_went_elsewhere_are_forgotten() -> None:
    schedule = Schedule(REFRESH, 1.0, HEAD_START_MS)
    for key in KEYS:
        schedule.mark(key, 0)
    assert schedule.take(0) == KEYS[0]
    schedule.mark(KEYS[0], 1)
    schedule.keep(lambda key: key == KEYS[3])
    schedule.finished(KEYS[0])
    assert schedule.take(1000) == KEYS[3]
    assert schedule.take(1000) is None


def test_an_urgent_key_goes_first_but_not_before_what_waits_much_longer() -> None:
    schedule = Schedule(REFRESH, 1.0, HEAD_START_MS)
    schedule.mark(KEYS[0], 0)
    schedule.mark(KEYS[1], 10)
    schedule.mark(KEYS[2], HEAD_START_MS + 5, urgent=True)
    schedule.mark(KEYS[3], 20, urgent=True)
    late = HEAD_START_MS + 100
    assert [schedule.take(late) for _ in range(4)] == [KEYS[3], KEYS[0], KEYS[2], KEYS[1]]


def test_a_key_becomes_urgent_while_it_waits_or_runs() -> None:
    schedule = Schedule(REFRESH, 1.0, HEAD_START_MS)
    for at, key in enumerate(KEYS[:3]):
        schedule.mark(key, at)
    schedule.mark(KEYS[2], 50, urgent=True)
    assert schedule.take(100) == KEYS[2]
    schedule.mark(KEYS[2], 110, urgent=True)
    schedule.finished(KEYS[2])
    assert [schedule.take(300) for _ in range(4)] == [KEYS[2], KEYS[0], KEYS[1], None]


@pytest.mark.parametrize("turns", range(6))
def test_a_producer_that_is_cancelled_while_it_is_woken_ends(turns: int) -> None:
    async def run() -> None:
        event = asyncio.Event()

        async def wait_for_ever() -> None:
            while True:
                await woken(event, 60.0)
                event.clear()

        waiting = asyncio.create_task(wait_for_ever())
        await asyncio.sleep(0.01)
        event.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        assert await asyncio.wait([waiting], timeout=5.0) == ({waiting}, set())

    asyncio.run(run())
