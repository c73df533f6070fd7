"""A layout worker whose clock is wrong publishes nothing over good layouts, says so, and goes on once it is right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.codec import decoder
from schemas.messages.layouts import Layout
from schemas.topics import LAYOUTS_HISTORY
from streams.layouts.clock_guard import RETRY_MS, ClockGuard
from streams.metrics import Registry
from streams.obstacles import OBSTACLES
from streams.page_settings import LayoutSettings
from streams.transport.health import Vitals
from tests.streams.layouts_shop import Shop, open_shop

__all__ = ["open_shop"]

NOON, DAY_MS, ALLOWED_MS, TTL_MS = 1_700_000_000_000, 86_400_000, 60_000, 600_000
GOOD = NOON


@pytest.fixture(autouse=True)
def _no_obstacles() -> Iterator[None]:
    yield
    OBSTACLES.clear()


class Guarded:
    """A guard with a clock that the test sets."""

    def __init__(self) -> None:
        self.steady = 0.0
        self.metrics, self.recoveries = Registry(), list[bool]()
        self.guard = ClockGuard(
            ALLOWED_MS, TTL_MS, self.metrics, lambda: self.steady, lambda: self.recoveries.append(True)
        )


@pytest.mark.parametrize(
    ("skew_ms", "stamped", "publishes", "said"),
    [
        (0, True, True, ""),
        (ALLOWED_MS, True, True, ""),
        (-DAY_MS, True, False, "86,400 s behind the brokers'"),
        (DAY_MS, True, False, "86,400 s ahead of the brokers'"),
        (-DAY_MS, False, False, "behind the one that made the newest layout"),
        (DAY_MS, False, True, ""),
        (-TTL_MS + 1, False, True, ""),
    ],
)
def test_a_clock_that_is_far_off_stops_it(skew_ms: int, stamped: bool, publishes: bool, said: str) -> None:
    guarded, sent = Guarded(), NOON + 10 + skew_ms
    appended = NOON + 15 if stamped else None
    assert guarded.guard.check_delivery(sent, sent + 10, appended, GOOD) is publishes
    assert said in " ".join(OBSTACLES.values()) and bool(OBSTACLES) is not publishes
    assert guarded.guard.resting is not publishes
    if stamped:
        skew_s = guarded.metrics.value("reshelf_layout_clock_skew_seconds")
        assert skew_s == pytest.approx(skew_ms / 1000, abs=0.011)


def test_a_slow_acknowledgement_is_no_skew() -> None:
    guarded = Guarded()
    assert guarded.guard.check_delivery(NOON, NOON + 10 * ALLOWED_MS, NOON + 5 * ALLOWED_MS, 0)


def test_it_tries_again_after_a_while_and_says_when_the_clock_is_right() -> None:
    guarded = Guarded()
    assert not guarded.guard.check_delivery(NOON - DAY_MS, NOON - DAY_MS, NOON, GOOD)
    guarded.steady += RETRY_MS
    assert not guarded.guard.resting and guarded.guard.reason
    assert guarded.guard.check_delivery(NOON, NOON, NOON, GOOD)
    assert (guarded.guard.reason, OBSTACLES, guarded.recoveries) == ("", {}, [True])


def test_requests_show_a_clock_that_is_behind_before_anything_is_due() -> None:
    guarded = Guarded()
    guarded.guard.check_append(NOON, NOON - ALLOWED_MS)
    assert not OBSTACLES
    guarded.guard.check_append(NOON, NOON - ALLOWED_MS - 1)
    assert "behind the brokers'" in guarded.guard.reason
    guarded.guard.check_append(NOON, NOON)
    assert (guarded.guard.reason, guarded.recoveries) == ("", [True])


def test_a_worker_a_day_behind_leaves_good_layouts_alone(
    kafka: str, open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, offset_s = open_shop(kafka), 0.0
    own = SimpleNamespace(
        time_ns=lambda: time.time_ns() + round(offset_s * 1e9),
        perf_counter=time.perf_counter,
        thread_time=time.thread_time,
    )
    monkeypatch.setattr("streams.layouts.clock.time", own)

    async def run() -> None:
        nonlocal offset_s
        async with shop.working() as app:
            good = await shop.until(shop.newest)
            offset_s = -86_400.0
            shop.stock(good.slates[0]["top"], available=False)
            await shop.until(lambda: shop.metrics.value("reshelf_layouts_total", "stopped") > 0)
            vitals: Any = Vitals(1)
            vitals.consumer = app.consumer
            assert "behind the brokers'" in " ".join(vitals.health().reasons)
            assert shop.newest().version == good.version
            history = [decoder(Layout)(value or b"") for value in shop.seen(LAYOUTS_HISTORY)]
            assert len(history) <= 2
            offset_s = 0.0
            monkeypatch.setattr("streams.layouts.clock_guard.RETRY_MS", 0.0)
            shop.request("home", "*")
            mended = await shop.until(lambda: shop.newest().version > good.version and shop.newest())
            assert mended.expires_at > time.time_ns() // 1_000_000
            assert not OBSTACLES

    asyncio.run(run())


def test_the_skew_that_is_allowed_is_less_than_a_layout_lives() -> None:
    settings = LayoutSettings()
    assert settings.max_clock_skew_ms < settings.ttl_ms // 2
