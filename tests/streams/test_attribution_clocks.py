"""Clocks of web tiers, checkouts and workers that are wrong: the log decides where it can."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from schemas.messages.events import Click, Purchase, PurchaseLine
from schemas.topic import Topic
from schemas.topics import CLICKS, PURCHASES
from streams.attribution.agent import Attribution
from streams.attribution.core import PartitionAttribution
from streams.attribution.order import Track
from streams.attribution.step import Remembered
from streams.attribution.windows import PageWindows
from streams.kafka.broker_time import BrokerTime
from streams.kafka.records import Batch, Logged, TopicPartition
from streams.retry import Retry
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.folder import ClickFolder
from streams.state.clicks.progress import Position
from streams.state.watermark import Watermark

NOON, MINUTE = 1_700_000_000_000, 60_000
FOLD, SETTINGS = FoldSettings(), AttributionSettings()


def click(offset: int, at: int, ahead_ms: int) -> Logged:
    """Appended at a time, by a web tier whose clock is ahead."""
    event = Click(f"c{offset}", at + ahead_ms, f"u{offset % 20}", "home", "s", "top", "i", f"v{offset}", 1, 0)
    return Logged(offset, at + 20, event.unit.encode(), msgspec.json.encode(event))


def purchase(offset: int, at: int, ahead_ms: int = 0) -> Logged:
    event = Purchase(f"p{offset}", at + ahead_ms, f"u{offset}", f"o{offset}", "EUR", [PurchaseLine("i", 1, 5)])
    return Logged(offset, at + 20, event.unit.encode(), msgspec.json.encode(event))


def decided(folder: Path, clicks: list[Logged], purchases: list[Logged]) -> tuple[list[str], Counter[str]]:
    """The clicks that are credited, and how often for which reason."""
    locked = ClickFolder(SETTINGS.changed(folder=str(folder), memory_mb=16)).open("clocks", 0)
    start = Position(Watermark(0), Watermark(0))
    remembered = Remembered.nothing(locked.store, (CLICKS, PURCHASES))
    core = PartitionAttribution(SETTINGS, FOLD, PageWindows(60 * MINUTE), remembered, start)
    for topic, records in ((CLICKS, clicks), (PURCHASES, purchases)):
        core.feed(Batch(TopicPartition(topic.name, 0), 0, len(records), 0, records))
        core.tracks[topic.name].ended(len(records), NOON + 600 * MINUTE)
    credited, counts = [], Counter[str]()
    while (step := core.decide()).records:
        credited += [decision.event.click_id for decision in step.decisions]
        counts += step.counts
        core.write(0)
    locked.close()
    return credited, counts


@pytest.mark.parametrize(
    ("web_ms", "checkout_ms", "verdict"),
    [
        (0, 0, "credited"),
        (2_000, 0, "credited_by_log"),
        (4 * MINUTE, 0, "credited_by_log"),
        (0, -4 * MINUTE, "credited_by_log"),
        (2 * MINUTE, -2 * MINUTE, "credited_by_log"),
        (0, 4 * MINUTE, "credited"),
        (-4 * MINUTE, 0, "credited"),
    ],
)
def test_purchases_are_credited_to_the_newest_click_although_clocks_differ(
    tmp_path: Path, web_ms: int, checkout_ms: int, verdict: str
) -> None:
    before = [click(number, NOON + number * 100 - 10 * MINUTE, web_ms) for number in range(20)]
    clicks = before + [click(20 + number, NOON + number * 100, web_ms) for number in range(20)]
    purchases = [purchase(number, NOON + 1_000 + number * 100, checkout_ms) for number in range(20)]
    credited, counts = decided(tmp_path, clicks, purchases)
    assert credited == [f"c{20 + number}" for number in range(20)]
    assert counts[verdict] == 20


def test_a_click_after_the_purchase_has_a_verdict_of_its_own(tmp_path: Path) -> None:
    _, counts = decided(tmp_path, [click(0, NOON, 0)], [purchase(0, NOON - 1_000)])
    assert counts["unattributed_after_purchase"] == 1


def test_the_brokers_time_is_that_of_the_newest_append_and_what_went_by_since() -> None:
    steady = iter([10.0, 11.0, 13.0, 14.5])
    broker = BrokerTime(lambda: next(steady))
    assert broker.at_least() is None
    broker.read(NOON)
    broker.read(NOON + 200)
    assert [broker.at_least(), broker.at_least()] == [NOON + 3_000, NOON + 4_500]


@pytest.mark.parametrize("ahead_s", [6.0, -6.0, 86_400.0])
def test_a_worker_whose_clock_is_wrong_waits_as_long_as_any(monkeypatch: pytest.MonkeyPatch, ahead_s: float) -> None:
    """What it takes the log to be past is what a worker with a right clock does."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + ahead_s)
    appended_at, past = round(right() * 1000), list[int]()
    broker = BrokerTime()
    broker.read(appended_at)
    worker = SimpleNamespace(ended=lambda ends, at_ms: past.append(at_ms), work=lambda: asyncio.sleep(0))
    part: Any = SimpleNamespace(number=0, time=broker, worker=worker, lock=asyncio.Lock())
    ends = SimpleNamespace(of=lambda number: asyncio.sleep(0, {}))
    attribution: Any = SimpleNamespace(
        _ends=ends, _settings=SETTINGS, _retry=Retry(), _owns=lambda part: True, _go_on=lambda part, step: step()
    )
    asyncio.run(Attribution._look(attribution, part))
    assert 0 <= past[0] - (appended_at - SETTINGS.clock_skew_ms) < 3_000


@pytest.mark.parametrize(("appended_at", "overdue"), [(NOON + 5, 0), (NOON - 5, 1)])
def test_a_record_of_a_time_that_was_taken_for_past_is_counted(appended_at: int, overdue: int) -> None:
    topic: Topic = CLICKS
    track = Track(topic, FOLD, Watermark(0), 0)
    track.ended(0, NOON)
    track.feed(Batch(TopicPartition(topic.name, 0), 0, 1, 0, [click(0, appended_at - 20, 0)]))
    assert track.overdue == overdue
