"""An evaluation that goes on while events come in."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.evaluation.estimators import Evidence
from reshelf.evaluation.arrays import REWARDS
from reshelf.evaluation.follow import Progress, Running
from schemas.topics import IMPRESSIONS, LAYOUTS_HISTORY
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from tests.reshelf.decision_logs import EVENTS, LAYOUTS, NOW, joined, later, recorded_events, visits
from tests.reshelf.plain_evaluation import page_log


@given(st.lists(st.integers(1, 250), max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_following_counts_each_page_view_once_however_it_settles(cuts: list[int], chance: random.Random) -> None:
    events = later(EVENTS)
    running = Running("shadow", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), settle_ms=5_000)
    for topic, records in recorded_events(events).items():
        running.take(topic, 0, records)
    for cut in sorted(cuts):
        running.settle(NOW + cut * 1_000 + chance.randrange(1_000))
    running.settle(NOW + 10**7)
    assert not running.settle(NOW + 10**7)
    log = page_log(joined(events).views, lambda layout: layout.shadow)
    assert running.pages["home"].values.views == 600
    for reward, name in product(REWARDS, ("item-position", "snips", "replay")):
        whole, parts = Evidence.of(name, log.decisions(reward)), running.pages["home"].values.evidence[reward, name]
        assert parts.estimate()[1:6] == pytest.approx(whole.estimate()[1:6])


def test_what_may_still_be_clicked_waits() -> None:
    running = Running("served", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), settle_ms=5_000)
    records = recorded_events(later(EVENTS))
    running.take(LAYOUTS_HISTORY, 0, records[LAYOUTS_HISTORY])
    running.take(IMPRESSIONS, 0, records[IMPRESSIONS])
    assert running.settle(NOW + 10_000)
    assert running.pages["home"].values.views == 5


def test_models_are_fitted_to_all_that_came_and_not_to_the_newest_page_views_alone() -> None:
    """Nearly nobody looks at the second slot, which the few clicks of one moment do not show."""
    events = visits(LAYOUTS, 2_000, fade=19.0)
    whole = page_log(joined(events).views, lambda layout: layout.shadow)
    running = Running("shadow", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), settle_ms=0)
    for topic, records in recorded_events(later(events)).items():
        running.take(topic, 0, records)
    for cut in range(10, 2_001, 10):
        running.settle(NOW + cut * 1_000)
    followed = running.pages["home"].values.evidence["clicks", "position-based"].estimate(always_valid=True)
    expected = Evidence.of("position-based", whole.decisions("clicks")).estimate()
    assert followed.value == pytest.approx(expected.value, rel=0.03)
    assert followed.low < expected.low < expected.high < followed.high


def test_progress_is_that_of_the_slowest_partition_and_at_the_end_the_brokers_time() -> None:
    """The clock of this machine is not asked: it would settle page views before their outcomes came."""
    now = 100.0
    one, other = TopicPartition("a", 0), TopicPartition("b", 0)
    progress = Progress([one, other], lambda: now)
    progress.read(one, 50)
    assert progress.at() is None
    progress.read(other, 40)
    assert progress.at() == 40
    progress.ended(other)
    assert progress.at() == 50
    progress.ended(one)
    now += 3.0
    assert progress.at() == 3_050


def test_a_log_without_records_says_no_time() -> None:
    progress = Progress([TopicPartition("a", 0)])
    progress.ended(TopicPartition("a", 0))
    assert progress.at() is None
