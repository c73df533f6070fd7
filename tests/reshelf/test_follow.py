"""Page views that go on while they are being settled are counted once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.evaluation.estimators import Evidence
from reshelf.evaluation.follow import Running
from schemas.codec import encode
from schemas.messages.events import Click, Conversion, Impression
from schemas.messages.layouts import Layout
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS, LAYOUTS_HISTORY
from streams.kafka.reader import Read
from streams.settings import FoldSettings
from tests.reshelf.decision_logs import EVENTS, LAYOUTS, NOW, SLOTS, a_layout, joined, later, visits
from tests.reshelf.plain_evaluation import page_log

SETTLE_MS = 5_000
KINDS: dict[type, Topic] = {Impression: IMPRESSIONS, Click: CLICKS, Conversion: CONVERSIONS}


def scrolled(events: list[Any], after_ms: int) -> list[Any]:
    """The second slot of each page view comes into sight so much later, and is clicked on then."""
    found: list[Any] = []
    for event in later(events):
        if type(event) is Impression:
            for at, shown in enumerate(event.slots):
                time_ms = event.occurred_at + at * after_ms
                one = msgspec.structs.replace(
                    event, event_id=f"{event.event_id}-{at}", occurred_at=time_ms, slots=[shown]
                )
                found.append(one)
            continue
        time_ms = event.occurred_at + SLOTS.index(event.slot) * after_ms
        field = {"clicked_at": time_ms} if type(event) is Conversion else {}
        found.append(msgspec.structs.replace(event, occurred_at=time_ms, **field))
    return sorted(found, key=lambda event: event.occurred_at)


def followed(events: list[Any], cuts: list[int]) -> Running:
    """What is counted by one who reads on, and settles at each of `cuts`, seconds."""
    running = Running("served", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), SETTLE_MS)
    running.take(LAYOUTS_HISTORY, 0, [Read(at, NOW, b"", encode(one)) for at, one in enumerate(LAYOUTS)])
    offsets, read = dict.fromkeys(KINDS.values(), 0), 0
    for cut in [NOW + seconds * 1_000 for seconds in sorted(cuts)] + [NOW + 10**7]:
        while read < len(events) and events[read].occurred_at <= cut:
            event, topic = events[read], KINDS[type(events[read])]
            running.take(topic, 0, [Read(offsets[topic], event.occurred_at, event.unit.encode(), encode(event))])
            offsets[topic] += 1
            read += 1
        running.settle(cut)
    return running


@given(st.lists(st.integers(1, 610), max_size=9))
@settings(max_examples=10)
def test_a_page_view_seen_bit_by_bit_is_counted_once_with_its_clicks(cuts: list[int]) -> None:
    events = scrolled(EVENTS, after_ms=3_000)
    running = followed(events, cuts)
    assert running.pages["home"].values.views == 600
    whole = Evidence.of("ips", page_log(joined(events).views, lambda layout: layout.slates).decisions("clicks"))
    assert running.pages["home"].values.evidence["clicks", "ips"].estimate()[1:6] == pytest.approx(
        whole.estimate()[1:6]
    )


def test_what_comes_into_sight_after_a_page_view_was_counted_is_no_other() -> None:
    assert followed(scrolled(EVENTS, after_ms=8_000), list(range(1, 620, 7))).pages["home"].values.views == 600


HOUR_MS, EPOCH_MS = 3_600_000, 86_400_000


def test_a_layout_that_stands_for_long_has_its_views_until_another_is_shown() -> None:
    """It expired long ago by itself, and the newest of the history never came to the renderers."""
    stands, torn, after = (a_layout(at, produced_at=NOW, expires_at=NOW + HOUR_MS) for at in (1, 2, 3))
    running = Running("served", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), SETTLE_MS, EPOCH_MS)
    running.take(LAYOUTS_HISTORY, 0, [Read(at, NOW, b"", encode(one)) for at, one in enumerate((stands, torn))])
    views = 0
    for hour, shown in ((0, stands), (5, stands), (20, stands), (21, after), (23, after)):
        at_ms = NOW + hour * HOUR_MS
        if shown is after:
            running.take(LAYOUTS_HISTORY, 0, [Read(2, at_ms, b"", encode(_made(after, at_ms)))])
        for event in visits([shown], 20):
            if type(event) is Impression:
                seen = msgspec.structs.replace(
                    event, occurred_at=at_ms, event_id=f"{event.event_id}-{hour}", page_view_id=f"v{views}"
                )
                running.take(IMPRESSIONS, 0, [Read(views, at_ms, event.unit.encode(), encode(seen))])
                views += 1
        running.settle(at_ms + 2 * SETTLE_MS)
    assert running.pages["home"].values.views == views
    assert {version for _, _, version in running._layouts} == {3}
    running.settle(NOW + 25 * HOUR_MS + EPOCH_MS)
    assert not running._layouts, "no layout stands for longer than an epoch"


def _made(layout: Layout, at_ms: int) -> Layout:
    return msgspec.structs.replace(layout, produced_at=at_ms, expires_at=at_ms + HOUR_MS)
