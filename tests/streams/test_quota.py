"""The quota of names: who gets in, by which limits, in how many bytes, and what is said of those who do not."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import StateAttention
from schemas.messages.events import Impression, SlotItem
from streams.fold.alarm import InvalidAlarm, QuotaAlarm
from streams.fold.limits import Change, LimitLog, limits_of
from streams.fold.names.name_codes import NameCodes, mark, name_code
from streams.fold.names.quota import Quota, Refusal
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, LearnerSettings
from tests.streams.test_fold import NOW, click


def _impression(*items: str) -> Impression:
    return Impression(
        "e", NOW, "u", "home", "s", "v", 1, 0, [SlotItem(f"slot{at}", item) for at, item in enumerate(items)]
    )


def quota_of(**limits: int) -> Quota:
    return Quota(LimitLog(()).then(0, limits_of(FoldSettings(**limits))))


def test_quota_admits_whole_records_or_nothing() -> None:
    quota = quota_of(max_items=2, max_slots=9, max_keys=9)
    assert quota.admit(0, 0, click(item="a"))
    refusal = quota.admit(1, 0, _impression("b", "c"))
    assert isinstance(refusal, Refusal)
    assert (refusal.setting, refusal.limit, refusal.use, refusal.need, refusal.page) == ("max_items", 2, 1, 2, "home")
    assert "fold.max_items allows a partition 2 distinct pairs of page and item in a time bucket: 1 are used" in str(
        refusal
    )
    assert not isinstance(quota.admit(2, 0, click(item="b")), Refusal)
    assert quota.admit(3, 0, click(item="a")) == ()
    assert isinstance(quota.admit(4, 0, click(item="c")), Refusal)
    assert quota.admit(5, 1, click(item="c")), "another bucket has a quota of its own"
    assert quota.use() == [1, 2, 1, 2, 1]


def test_a_page_has_limits_of_its_own() -> None:
    quota = quota_of(max_page_items=2, max_page_slots=2)
    verdicts = [quota.admit(at, 0, click(page=page, item=f"i{at}")) for at, page in enumerate("aabaab")]
    assert [isinstance(verdict, Refusal) for verdict in verdicts] == [False, False, False, True, True, False]
    refusal = quota.admit(6, 0, click(page="a", item="i0", slot="b")), quota.admit(7, 0, click(page="a", item="x"))
    assert [getattr(each, "setting", "") for each in refusal] == ["", "max_page_items"]


def test_changed_limits_hold_from_an_offset_on_and_the_past_stays() -> None:
    small, large = (limits_of(FoldSettings(max_items=items)) for items in (1, 3))
    log = LimitLog((Change(0, small), Change(10, large), Change(20, small)))
    assert LimitLog.decode(log.encode()) == log
    assert [log.epoch(offset) for offset in (0, 9, 10, 19, 20, 99)] == [0, 0, 1, 1, 2, 2]
    quota, stored = Quota(log), b""
    items = {1: "a", 2: "b", 11: "b", 12: "c", 21: "d", 22: "c"}
    verdicts = {}
    for offset, item in items.items():
        names = verdicts[offset] = quota.admit(offset, 0, click(item=item))
        if not isinstance(names, Refusal):
            codes = mark(log.epoch(offset)), *(name.code for name in names)
            stored += b"".join(code.to_bytes(8, "little") for code in codes)
    assert [offset for offset, verdict in verdicts.items() if isinstance(verdict, Refusal)] == [2, 21]
    again = Quota(log)
    again.load(0, stored)
    refused = [at for at, item in items.items() if isinstance(again.admit(at, 0, click(item=item)), Refusal)]
    assert refused == [2, 21], "b is not let in at 2 because it was at 11"


def test_many_names_take_few_bytes_and_are_counted_exactly() -> None:
    codes = NameCodes()
    names = [name_code(at % 3, f"page {at % 50}", f"name {at}") for at in range(20_000)]
    tracemalloc.start()
    for at in range(0, len(names), 10):
        assert codes.missing(set(names[at : at + 10])) == sorted(names[at : at + 10])
        codes.add(names[at : at + 10])
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert codes.missing(set(names)) == []
    assert size < 40 * len(names)
    assert codes.counts == [sum(at % 3 == kind for at in range(20_000)) for kind in range(3)]
    on_pages = [Counter(at % 50 for at in range(kind, 20_000, 3)) for kind in range(3)]
    assert codes.largest == [max(counts.values()) for counts in on_pages]
    loaded = NameCodes()
    loaded.join(codes.packed())
    assert (loaded.counts, loaded.largest) == (codes.counts, codes.largest)


@given(items=st.lists(st.sampled_from("abcdefg"), max_size=20), read=st.integers(0, 20))
def test_quota_from_redis_decides_as_the_one_in_memory(items: list[str], read: int) -> None:
    limits = {"max_items": 3, "max_slots": 9, "max_keys": 9}
    whole = quota_of(**limits)
    verdicts = [whole.admit(at, 0, click(item=item)) for at, item in enumerate(items)]
    admitted = [names for names in verdicts[:read] if not isinstance(names, Refusal)]
    again = quota_of(**limits)
    again.load(0, b"".join(new.code.to_bytes(8, "little") for names in admitted for new in names))
    decisions = [isinstance(again.admit(at, 0, click(item=item)), Refusal) for at, item in enumerate(items)]
    assert decisions == [isinstance(verdict, Refusal) for verdict in verdicts], (
        "also for records before what was stored"
    )


def test_a_packed_bucket_of_the_quota_answers_as_an_open_one(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [click(f"c{at}", segment=f"s{at % 3}", item=f"i{at % 7}", slot=f"l{at % 2}") for at in range(400)]

    def verdicts() -> list[object]:
        quota = quota_of(max_keys=2, max_items=3, max_slots=3)
        return [quota.admit(at, at % 13, event) or [] for at, event in enumerate(events)]

    packing = verdicts()
    monkeypatch.setattr("streams.fold.names.quota.OPEN_BUCKETS", 100)
    assert packing == verdicts()
    assert any(isinstance(verdict, Refusal) for verdict in packing)


def test_a_flood_of_names_raises_the_alarm_and_does_not_stop_the_learner(caplog: pytest.LogCaptureFixture) -> None:
    alarm = InvalidAlarm(TopicPartition("events-clicks", 0), LearnerSettings())
    for _ in range(5):
        alarm.note(900, 890, "quota", refused=890)
    assert alarm.raised
    for _ in range(10):
        alarm.note(900, 900, "malformed")
    with pytest.raises(StateAttention, match="9900 of the last 10800 records"):
        alarm.note(900, 900, "malformed")


def test_a_full_quota_is_in_the_log_once_in_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    alarm = QuotaAlarm(TopicPartition("events-clicks", 0), lambda: now[0])
    refusal = Refusal("max_items", "pairs of page and item", 2, 2, 1, "home")
    for now[0] in (0.0, 1.0, 599.0, 601.0):
        alarm.note({"max_items": (3, refusal)})
    first, second = (line.getMessage() for line in caplog.records)
    assert "3 records of events-clicks/0 are over a quota: fold.max_items allows" in first
    assert "Raise fold.max_items" in first
    assert "no new namespace" in first
    assert second.startswith("9 records"), "those in between are counted"
