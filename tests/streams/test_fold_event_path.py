"""Events of topics that are decoded get the same verdicts from the compiled path as from the judge in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.messages.events import Click, Signal
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, DAY_MS, SIGNALS
from streams.fold.fast import path as fast_path
from streams.fold.judge import Accepted, Judge, Judged
from streams.fold.names.quota import Refusal
from streams.kafka.records import Batch, TopicPartition
from streams.settings import FoldSettings
from streams.state.partition import PartitionFold
from streams.state.store import Store
from streams.state.watermark import Watermark
from tests.streams.logs import FOLD, LoggedRecord, logs

TOPICS = (CLICKS, CONVERSIONS, CREDITS)
NOW = 1_700_000_000_000

pytestmark = pytest.mark.skipif(
    not fast_path.BUILT, reason="streams.fold.fast.compiled was not built: is there a C compiler and Python's headers?"
)


def refuse_some(accepted: Accepted) -> Refusal | None:
    """A quota of its own kind: it depends on the event alone."""
    event: Any = accepted.event
    return Refusal("max_slots", "slots", 1, 1, 1, event.page) if event.slot == "a" else None


def verdicts(judged: Judged) -> Any:
    rejected = [(one.record.offset, one.reason, one.detail) for one in judged.rejected]
    return judged.accepted, rejected, judged.skipped, judged.refusals, judged.tally(None), judged.tally(7)


def assert_same(
    topic: Topic, fold: FoldSettings, records: list[LoggedRecord], size: int, first: int, admit: Any
) -> None:
    with_it, without = Judge(topic, fold), Judge(topic, fold, built=False)
    for at in range(0, len(records), size):
        cut = records[at : at + size]
        assert verdicts(with_it.judge(cut, first, admit)) == verdicts(without.judge(cut, first, admit))
        assert with_it.newest == without.newest
        for name in ("floor", "time_floor", "offset", "part_floor", "wanted"):
            assert getattr(with_it.recent, name) == getattr(without.recent, name)


@given(
    log=logs(partitions=1, most=40),
    size=st.integers(1, 9),
    first=st.integers(0, 20),
    admit=st.sampled_from([None, lambda accepted: None, refuse_some]),
)
def test_any_log_in_any_batches_from_anywhere(log: Any, size: int, first: int, admit: Any) -> None:
    for topic in TOPICS:
        assert_same(topic, FOLD, log[TopicPartition(topic.name, 0)], size, first, admit)


_unusual = [b"{", b"", None, b"[]", b'{"event_id": 3}']


@given(
    signals=st.lists(
        st.tuples(
            st.integers(0, 9),
            st.sampled_from(["u", "ü", "u\U0001f600", 'u"\\']),
            st.sampled_from([*FOLD.signals, "unheard-of"]),
            st.sampled_from([0, 0, 0, 300_000, 300_001, -86_400_000, -90_000_000]),
            st.sampled_from([None, None, None, *_unusual]),
            st.sampled_from([None, None, None, b"another", b"", b"\xff"]),
        ),
        max_size=40,
    ),
    size=st.integers(1, 20),
)
def test_signals_of_any_form(signals: list[Any], size: int) -> None:
    records = []
    for at, (number, unit, kind, ahead_ms, value, key) in enumerate(signals):
        event = Signal(f"s{number}", NOW + ahead_ms, unit, kind, "i")
        odd = value is not None or at % 11 == 10
        records.append(
            LoggedRecord(
                at, NOW + at, unit.encode() if key is None else key, value if odd else msgspec.json.encode(event)
            )
        )
    assert_same(SIGNALS, FoldSettings(duplicate_window_ms=12), records, size, 0, None)


def test_plain_events_are_all_taken() -> None:
    """None of them is left to Python."""
    events = [Signal(f"s{at}", NOW, f"u{at % 3}", FOLD.signals[0], "i") for at in range(50)]
    records = [
        LoggedRecord(at, NOW + at, event.unit.encode(), msgspec.json.encode(event)) for at, event in enumerate(events)
    ]
    judge = Judge(SIGNALS, FoldSettings())
    path, accepted, refused = judge._event_path, list[Accepted](), list[Any]()
    assert path is not None
    assert path.take(list(records), 0, 0, 0, accepted, Judged().skipped, None, refused) == 50
    assert [one.event for one in accepted] == events
    assert path.newest == NOW + 49


@given(log=logs(partitions=1, most=60), size=st.integers(1, 9), first=st.integers(0, 20))
def test_names_are_admitted_alike(log: Any, size: int, first: int) -> None:
    """Those that the path remembers as admitted, too: deltas, names and dead letters are the same."""
    for topic in TOPICS:
        tp = TopicPartition(topic.name, 0)
        store = Store(None, "event_path", 3)  # type: ignore[arg-type]
        parts = [
            PartitionFold(tp, store, 0, [Watermark(first)] * 3, FOLD, dead_letter, built) for built in (True, False)
        ]
        start = log[tp][0].offset if log[tp] else 0
        for at in range(0, len(log[tp]), size):
            cut = log[tp][at : at + size]
            batch = Batch(tp, start, cut[-1].offset + 1, 0, cut)
            start = batch.end
            one, other = (part.prepare(batch) for part in parts)
            assert verdicts(one.judged) == verdicts(other.judged)
            assert (one.names, one.deltas, one.watermark) == (other.names, other.deltas, other.watermark)


def clicks(number: int, days: int, shelves: Sequence[str] = ("",)) -> list[LoggedRecord]:
    """So many a day, each on an item of its own."""
    numbers = [(day, at, shelf) for day in range(days) for at in range(number) for shelf in shelves]
    events = [
        Click(f"c{offset}", NOW + day * DAY_MS, "u", "home", "s", "top", f"i{at}", f"v{offset}", 1, 0, shelf=shelf)
        for offset, (day, at, shelf) in enumerate(numbers)
    ]
    return [
        LoggedRecord(offset, event.occurred_at, event.unit.encode(), msgspec.json.encode(event))
        for offset, event in enumerate(events)
    ]


def test_names_of_days_gone_by_take_no_memory() -> None:
    def memory_after(days: int) -> int:
        judge = Judge(CLICKS, FoldSettings(unit_clicks=0))
        judged = judge.judge(clicks(500, days), 0, lambda accepted: None)
        assert len(judged.accepted) == 500 * days
        assert judge._event_path is not None
        return judge._event_path.admitted_bytes

    assert memory_after(40) <= 1.5 * memory_after(4)


def test_a_shelf_is_a_name_of_its_own() -> None:
    """A click whose other names were admitted before is asked about again where it names another shelf."""
    asked: list[str] = []

    def admit(accepted: Accepted) -> None:
        event: Any = accepted.event
        asked.append(event.shelf)

    Judge(CLICKS, FoldSettings(unit_clicks=0)).judge(clicks(1, 1, ["new", "sale", "new"]), 0, admit)
    assert asked == ["new", "sale"]


async def dead_letter(_: TopicPartition, __: Any) -> None:
    """Nothing is committed here."""
