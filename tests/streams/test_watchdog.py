"""What counts as standing still."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.transport.watchdog import Stillness


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 6))
def test_still_is_the_same_at_so_many_looks_after_the_first(seen: list[int], limit: int) -> None:
    stillness = Stillness(limit)
    for number, now in enumerate(seen):
        window = seen[max(0, number - limit) : number + 1]
        assert stillness.look(now) == (len(window) > limit and len(set(window)) == 1)


def test_what_is_new_at_every_look_is_never_still() -> None:
    stillness = Stillness(1)
    assert not any(stillness.look(object()) for _ in range(10))
