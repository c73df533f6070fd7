"""The pure parts of the fold: windows, quotas, verdicts, deltas, the alarm."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.errors import StateAttention
from schemas.messages.events import Click, Impression, Purchase, PurchaseLine, SlotItem
from schemas.topics import BY_NAME, CLICKS, IMPRESSIONS, PURCHASES
from streams.fold.alarm import InvalidAlarm
from streams.fold.deltas import Folder, Traffic, traffic_of
from streams.fold.fast.path import BUILT
from streams.fold.judge import DUPLICATE, FORGOTTEN, REPEATED, ROBOT, SKIPPED, Judge, Rejected
from streams.fold.measures import delay_bin
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, LearnerSettings
from streams.state.keys import group_of
from tests.streams.logs import FOLD, Log, LoggedRecord, logs

NOW = 1_700_000_000_000


def click(event_id: str = "c1", **other: Any) -> Click:
    fields: dict[str, Any] = {
        "event_id": event_id,
        "occurred_at": NOW,
        "unit": "u",
        "page": "home",
        "segment": "s",
        "slot": "a",
        "item": "i",
        "page_view_id": "v",
        "layout_version": 1,
        "variant": 0,
    }
    return Click(**(fields | other))


def record(event: Any, offset: int = 0, timestamp: int = NOW, key: bytes | None = b"u") -> LoggedRecord:
    return LoggedRecord(offset, timestamp, key, msgspec.json.encode(event))


@pytest.mark.parametrize(
    ("changed", "timestamp", "reason"),
    [
        ({}, NOW + 2 * 86_400_000 + 1, "late"),
        ({}, NOW - 300_001, "early"),
        ({"unit": "other"}, NOW, "key"),
    ],
)
def test_invalid_clicks_get_a_reason(changed: dict[str, Any], timestamp: int, reason: str) -> None:
    judged = Judge(CLICKS, FoldSettings()).judge([record(click(**changed), timestamp=timestamp)])
    assert [one.reason for one in judged.rejected] == [reason]
    assert judged.accepted == []


def test_broken_records_get_a_reason() -> None:
    values: list[bytes | None] = [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000]
    records = [LoggedRecord(at, NOW, b"u", value) for at, value in enumerate(values)]
    judged = Judge(IMPRESSIONS, FoldSettings()).judge(records)
    assert [one.reason for one in judged.rejected] == ["empty", "malformed", "invalid", "malformed", "invalid"]


def test_a_null_click_forgets_and_a_null_impression_does_not_fit() -> None:
    null = LoggedRecord(3, NOW, b"u", None)
    assert Judge(CLICKS, FoldSettings()).judge([null]).skipped[FORGOTTEN] == [3]
    assert [one.reason for one in Judge(IMPRESSIONS, FoldSettings()).judge([null]).rejected] == ["empty"]


def test_a_late_event_makes_its_repetition_a_duplicate() -> None:
    late = record(click(), 0, NOW + 3 * 86_400_000)
    judged = Judge(CLICKS, FoldSettings()).judge([late, record(click(), 1)])
    assert (len(judged.rejected), judged.skipped[DUPLICATE]) == (1, [1])


def test_a_unit_that_clicks_more_than_people_do_is_a_robot() -> None:
    limits = FoldSettings(unit_clicks=3, duplicate_window_ms=10, bucket_ms=0)
    clicks = [record(click(f"c{at}", page_view_id=f"v{at}"), at, NOW + at) for at in range(6)]
    other = record(click("other", unit="o"), 6, NOW + 6, key=b"o")
    later = record(click("later"), 7, NOW + 17)
    judged = Judge(CLICKS, limits).judge([*clicks, other, later])
    assert judged.skipped[ROBOT] == [3, 4, 5], "three at once are counted, records of robots count too"
    assert [one.offset for one in judged.accepted] == [0, 1, 2, 6, 7], "what is too long ago does not count any more"
    unlimited = FoldSettings(unit_clicks=0, duplicate_window_ms=10, bucket_ms=0)
    assert not Judge(CLICKS, unlimited).judge(clicks).skipped[ROBOT]


def test_a_unit_that_is_shown_more_than_people_are_is_a_robot() -> None:
    limits = FoldSettings(unit_impressions=2, bucket_ms=0)
    shown = [record(msgspec.structs.replace(_impression("a"), event_id=f"e{at}"), at) for at in range(4)]
    for built in {False, BUILT}:
        assert Judge(IMPRESSIONS, limits, built).judge(shown).skipped[ROBOT] == [2, 3]


def test_a_slot_of_a_page_view_is_clicked_once() -> None:
    again = [record(click("c1"), 0), record(click("c2"), 1), record(click("c3", slot="b"), 2)]
    judged = Judge(CLICKS, FoldSettings()).judge([*again, record(click("c1"), 3), record(click("c4"), 4)])
    assert (judged.skipped[REPEATED], judged.skipped[DUPLICATE]) == ([1, 4], [3])
    assert [one.offset for one in judged.accepted] == [0, 2]
    another = record(click("c5", unit="o"), 5, key=b"u")
    assert Judge(CLICKS, FoldSettings()).judge([another, record(click(), 6)]).skipped[REPEATED] == []


@pytest.mark.parametrize("built", sorted({False, BUILT}))
def test_a_slot_of_a_page_view_is_seen_once(built: bool) -> None:
    """As when a page is scrolled back, or a tab is restored; several pages may be rendered under one id."""
    shown = [_impression("a", "b"), _impression("a"), _impression("a", "b", "c"), _impression("a", "b")]
    shown[3] = msgspec.structs.replace(shown[3], page="category")
    slots = [SlotItem("s", "x"), SlotItem("s", "y")]
    twice = msgspec.structs.replace(_impression("a"), page_view_id="w", slots=slots)
    events = [msgspec.structs.replace(one, event_id=f"e{at}") for at, one in enumerate([*shown, twice])]
    settings = FoldSettings(bucket_ms=0)
    judge = Judge(IMPRESSIONS, settings, built)
    judged = judge.judge([record(event, at) for at, event in enumerate(events)])
    assert judged.skipped[REPEATED] == [1]
    assert [one.event.slots for one in judged.accepted] == [
        events[0].slots,
        [SlotItem("slot2", "c")],
        events[3].slots,
        [SlotItem("s", "x")],
    ]
    assert [one.new_view for one in judged.accepted] == [True, False, True, True], "a view is of one page"


def test_a_line_of_an_order_counts_once() -> None:
    """As when a thank-you page is loaded again; one order may come in several events."""
    two, more = [PurchaseLine("i", 1, 100), PurchaseLine("i", 2, 300)], [PurchaseLine("j", 1, 50)]
    orders = [("o", two), ("o", two), ("o", [*two, *more]), ("other", two)]
    events = [Purchase(f"e{at}", NOW, "u", order, "EUR", lines) for at, (order, lines) in enumerate(orders)]
    judged = Judge(PURCHASES, FoldSettings()).judge([record(event, at) for at, event in enumerate(events)])
    assert judged.skipped[REPEATED] == [1]
    numbered = [[replace(line, nth=at) for at, line in enumerate(lines, 1)] for lines in (two, more, two)]
    assert [one.event.lines for one in judged.accepted] == numbered


@given(log=logs(partitions=1), cut=st.integers(0, 10))
def test_verdicts_do_not_depend_on_batches(log: Log, cut: int) -> None:
    for tp, records in log.items():
        topic = BY_NAME[tp.topic]
        whole, parts = Judge(topic, FOLD).judge(records), Judge(topic, FOLD)
        first, second = parts.judge(records[:cut]), parts.judge(records[cut:])
        assert whole.accepted == first.accepted + second.accepted
        assert whole.skipped == {why: first.skipped[why] + second.skipped[why] for why in SKIPPED}


def _impression(*items: str, variant: int = 0) -> Impression:
    slots = [SlotItem(f"slot{at}", item) for at, item in enumerate(items)]
    return Impression("e", NOW, "u", "home", "s", "v", 1, variant, slots)


def test_fold_counts_traffic_apart() -> None:
    assert [traffic_of(variant) for variant in (-2, -1, 0, 15)] == [
        Traffic.FALLBACK,
        Traffic.HOLDOUT,
        Traffic.LEARNED,
        Traffic.LEARNED,
    ]
    events = [
        msgspec.structs.replace(_impression("a", variant=v), event_id=f"{v}", page_view_id=f"{v}") for v in (-2, -1, 0)
    ]
    shown = [record(event, at) for at, event in enumerate(events)]
    settings = FoldSettings(bucket_ms=0)
    judged = Judge(IMPRESSIONS, settings).judge(shown)
    delta = Folder(IMPRESSIONS, settings, lambda page, segment: group_of(page, segment, 1)).fold(judged.accepted)[0]
    assert {key.traffic: table.amounts["impressions"] for key, table in delta.tables.items()} == {
        traffic: {("a", "slot0"): 1} for traffic in Traffic
    }


def test_delays_lie_in_doubling_bins() -> None:
    assert [delay_bin(ms) for ms in (0, 999, 1_000, 1_999, 2_000, 4_000, 2**60)] == [0, 0, 1, 1, 2, 3, 31]


def test_nearly_all_invalid_stops_before_the_topic_is_drained() -> None:
    alarm = InvalidAlarm(TopicPartition("events-clicks", 0), LearnerSettings())
    alarm.note(900, 900, "bad")
    with pytest.raises(StateAttention, match="1800 of the last 1800 records of events-clicks/0 are invalid"):
        alarm.note(900, 900, "bad")


def test_some_invalid_raise_an_alarm_and_go_on(caplog: pytest.LogCaptureFixture) -> None:
    alarm = InvalidAlarm(TopicPartition("events-clicks", 0), LearnerSettings())
    for _ in range(3):
        alarm.note(1_000, 100, "bad")
    assert alarm.raised
    assert len(caplog.records) == 1
    for _ in range(30):
        alarm.note(1_000, 0, "")
    assert not alarm.raised


def test_the_share_of_invalid_records_is_known_however_few_come_at_a_time() -> None:
    settings = LearnerSettings()
    alarm = InvalidAlarm(TopicPartition("events-clicks", 0), settings)
    window, part = settings.window_records, settings.window_records // 100
    for _ in range(window // 10):
        alarm.note(10, 2, "bad")
    assert alarm.raised
    clean = 0
    while alarm.raised:
        alarm.note(1, 0, "")
        clean += 1
    # A fifth of them is invalid in the beginning, and the alarm is given up where less than its share is left.
    assert abs(clean - window * (1 - settings.alarm_share / 0.2)) <= 2 * part
    assert len(alarm._parts) <= 201


def test_a_record_too_large_for_a_letter_is_buried_without_its_content() -> None:
    tp = TopicPartition("events-clicks", 3)
    record = LoggedRecord(7, 1, b"u", b"x" * 1_000_100, (("own", b"1"),))
    letter = Rejected(record, "malformed", "no JSON").dead_letter(tp)
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("events-clicks", 3, 7, "malformed")
    assert (letter.key, letter.value, letter.headers) == (b"u", None, ())
    assert "1000105 bytes" in letter.detail
    whole = Rejected(LoggedRecord(7, 1, b"u", b"x" * 1_000, (("own", b"1"),)), "malformed", "no JSON").dead_letter(tp)
    assert (whole.value, whole.headers) == (b"x" * 1_000, (("own", b"1"),))
