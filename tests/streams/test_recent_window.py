"""What a partition had lately: exact, the same from wherever it is fed, and the same again from its journal."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import IMPRESSIONS
from streams.fold import window
from streams.fold.fast.path import BUILT, recent_names
from streams.fold.limits import LimitLog, limits_of
from streams.fold.window import (
    KEY_BYTES,
    NAME_BYTES,
    Kind,
    Reach,
    RecentNames,
    parts_within,
    records_within,
    window_now,
)
from streams.kafka.records import Batch, TopicPartition
from streams.settings import FoldSettings
from streams.state.recent import journal as journals
from streams.state.recent import window as windows
from streams.state.recent.journal import Journal
from streams.state.recent.window import OtherLog, PartitionWindow
from streams.state.watermark import Watermark, fingerprint
from tests.streams.choices import Choices
from tests.streams.logs import LARGE_NAME, LoggedRecord

TP = TopicPartition(IMPRESSIONS.name, 0)
compiled_only = pytest.mark.skipif(not BUILT, reason="streams.fold.fast.compiled was not built: is there a C compiler?")


class Step(NamedTuple):
    """A record, the names and parts that it brings and the key that it counts for."""

    offset: int
    time: int
    names: list[tuple[int, str]]
    key: bytes
    parts: list[str]


CHOICES = 15
"""Bytes that the choices for any step need at most."""


@st.composite
def steps(draw: st.DrawFn, most: int = 40) -> list[Step]:
    """Records whose clock may step back, at offsets that may pass 32 bits."""
    offset, time = draw(st.sampled_from([0, 7, 2**32 - 20])), 1_000
    found = []
    for _ in range(draw(st.integers(1, most))):
        among = Choices(draw(st.binary(min_size=CHOICES, max_size=CHOICES))).among
        offset += among([1, 1, 1, 4])
        time += among([0, 1, 3, 20, -7, -60, 300])
        key = among([b"u", b"v"])
        names = [(among(range(1, 4)), among("abcdef")) for _ in range(among(range(4)))]
        parts = [among("abcdef") for _ in range(among(range(5)))]
        found.append(Step(offset, time, names, key, parts))
    return found


reaches = st.builds(
    Reach,
    st.sampled_from([1, 30, 999, 2_500]),
    st.sampled_from(
        [
            ((0, 3, 20),),
            ((0, 1_000, 6),),
            ((0, 5, 9), (9, 2, 4), (20, 30, 15)),
            ((2**32 - 15, 6, 8), (2**32, 2, 3)),
        ]
    ),
)


def floor_of(log: list[Step], at: int, reach: Reach) -> int:
    """Where the window begins at a record, said without a memory of it."""
    floor = 0
    for number, step in enumerate(log[: at + 1]):
        held = [records for since, records, _ in reach.changes if since <= step.offset] or [reach.changes[0][1]]
        first = step.time // reach.step_ms - reach.steps
        old = [before.offset + 1 for before in log[:number] if before.time // reach.step_ms < first]
        floor = max(floor, step.offset - held[-1], *old, 0)
    return floor


def repeated_parts(log: list[Step], floors: list[int], reach: Reach) -> list[list[bool]]:
    """Which parts are recent, said without a memory: when there are too many, those of a whole block of offsets go."""
    found, noted, part_floor = [], list[tuple[int, str]](), 0
    for step, floor in zip(log, floors, strict=True):
        held = [parts for since, _, parts in reach.changes if since <= step.offset] or [reach.changes[0][2]]
        noted = [(at, name) for at, name in noted if (at // reach.block + 1) * reach.block > floor]
        part_floor = max(part_floor, floor)
        while len(noted) > held[-1]:
            part_floor = max(part_floor, (noted[0][0] // reach.block + 1) * reach.block)
            noted = [(at, name) for at, name in noted if at // reach.block != noted[0][0] // reach.block]
        before = [name for at, name in noted if at >= part_floor]
        found.append([name in [*before, *step.parts[:at]] for at, name in enumerate(step.parts)])
        noted += [(step.offset, name) for name in step.parts]
    return found


def answers(recent: RecentNames, log: list[Step]) -> list[object]:
    found: list[object] = []
    for step in log:
        recent.enter(step.offset, step.time)
        parts = [recent.part_seen("owner", name) for name in step.parts]
        found.append(([recent.seen(kind, name) for kind, name in step.names], recent.count(step.key), parts))
    return found


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "PART_BLOCK", 4)


@pytest.mark.usefixtures("small_blocks")
@given(log=steps(), reach=reaches, start=st.integers(0, 40))
@settings(suppress_health_check=[])
def test_a_window_is_exact_from_wherever_it_is_fed(log: list[Step], reach: Reach, start: int) -> None:
    floors = [floor_of(log, at, reach) for at in range(len(log))]
    brought = [(step.offset, name) for step in log for name in step.names]
    expected: list[object] = []
    repeated = repeated_parts(log, floors, reach)
    for step, floor, parts in zip(log, floors, repeated, strict=True):
        before = [name for offset, name in brought if floor <= offset < step.offset]
        seen = [name in [*before, *step.names[:at]] for at, name in enumerate(step.names)]
        count = sum(floor <= other.offset <= step.offset and other.key == step.key for other in log)
        expected.append((seen, count, parts))
    for built in {False, BUILT}:
        recent = recent_names(reach, built)
        assert answers(recent, log) == expected
        assert recent.floor == floors[-1]
        at = min(start, len(log) - 1)
        first = next(number for number, step in enumerate(log) if step.offset >= reach.begin(floors[at]))
        later = recent_names(reach, built)
        assert answers(later, log[first:])[at - first :] == expected[at:]


@compiled_only
@pytest.mark.usefixtures("small_blocks")
def test_both_windows_say_the_same_of_themselves() -> None:
    reach = Reach(1_000, ((0, 10, 9),))
    for built in (False, True):
        recent = recent_names(reach, built)
        for offset in range(30):
            recent.enter(offset, 5_000 + offset * 20)
            for part in range(2):
                recent.part_seen("owner", f"s{part}")
        assert window_now(recent, 1_000) == (200, 1_000, 30, 10, 20), "memory holds 10 of 30 records, which are 200 ms"
        assert window_now(recent, 1_000).ratio == 3
        for offset in range(30, 40):
            recent.enter(offset, 5_600 + offset * 300)
        assert window_now(recent, 1_000) == (1_000, 1_000, 4, 10, 1_000)


@compiled_only
def test_a_window_takes_no_more_memory_than_it_is_granted() -> None:
    """All names differ: the worst case."""
    records, parts = records_within(IMPRESSIONS, 2), parts_within(IMPRESSIONS, 2)
    recent = recent_names(Reach(10**9, ((0, records, parts),)))
    most = 0
    for offset in range(3 * records):
        recent.enter(offset, offset)
        recent.count(b"u%d" % offset)
        for kind in (Kind.EVENT, Kind.VIEW, Kind.UNIT):
            recent.seen(kind, f"n{offset}")
        for part in range(5):
            recent.part_seen(f"{offset}", f"s{part}")
        if offset % 997 == 0:
            most = max(most, recent.size)  # type: ignore[attr-defined]
    assert most <= 3 << 20
    granted = records * (3 * NAME_BYTES + KEY_BYTES) + parts * NAME_BYTES
    assert most > 0.6 * granted, "the figures for a name are not far too large"


# From disk


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of some records, journals of small segments."""
    monkeypatch.setattr(window, "NAME_BYTES", LARGE_NAME)
    monkeypatch.setattr(window, "KEY_BYTES", LARGE_NAME)
    monkeypatch.setattr(window, "PART_BLOCK", 2)
    monkeypatch.setattr(windows, "OVERLAP", 2)
    monkeypatch.setattr(windows, "FEW_RECORDS", 0)
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 300)


SPAN_MS = 100


def records_of(log: list[Step]) -> list[LoggedRecord]:
    return [LoggedRecord(step.offset, step.time, step.key, repr(step[2:]).encode()) for step in log]


class Feed:
    """A worker's window, fed as a partition would feed it."""

    def __init__(self, log: list[Step], journal: Journal | None, memory_mb: int = 6) -> None:
        fold = FoldSettings(duplicate_window_ms=SPAN_MS, duplicate_mb=memory_mb)
        self.window = PartitionWindow(IMPRESSIONS, fold, LimitLog(()).then(0, limits_of(fold)), BUILT, journal)
        self.log = log
        self.records = records_of(log)
        self.asked: list[int] = []

    async def first_since(self, time_ms: int) -> int:
        self.asked.append(time_ms)
        return next((one.offset for one in self.records if one.timestamp >= time_ms), self.records[-1].offset + 1)

    def begin(self, applied: int) -> int:
        """From where to read, when the state has applied what is below the offset."""
        before = [one for one in self.records if one.offset < applied]
        last = before[-1] if before else LoggedRecord(0, -1, b"", b"")
        newest = max((one.timestamp for one in before), default=0)
        mark = Watermark(applied, newest, last.timestamp, fingerprint(last)) if before else Watermark(applied)
        return asyncio.run(self.window.begin(TP, mark, self.records[0].offset, self.first_since))

    def read(self, first: int, end: int, size: int) -> dict[int, object]:
        """The answers for the records between two offsets."""
        found: dict[int, object] = {}
        while first < end:
            batch = Batch(TP, first, min(first + size, end), 0, self._between(first, min(first + size, end)))
            for record in self.window.unknown(batch):
                step = next(one for one in self.log if one.offset == record.offset)
                found[record.offset] = answers(self.window.recent, [step])[0]
            last = batch.records[-1] if batch.records else LoggedRecord(0, -1, b"", b"")
            mark = Watermark(batch.end, 1, last.timestamp, fingerprint(last) if batch.records else 0)
            self.window.write(batch, mark)
            first = batch.end
        return found

    def _between(self, first: int, end: int) -> list[LoggedRecord]:
        return [one for one in self.records if first <= one.offset < end]


@compiled_only
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("in_vain", "in_force"), [(2, 6), (6, 2)])
def test_a_journal_of_limits_that_never_held_is_not_believed(tmp_path: Path, in_vain: int, in_force: int) -> None:
    """A worker with other settings judged, and wrote down, what another one then applied."""
    log = [Step(at, 1_000 + at, [(1, f"e{at % 5}")], b"u", [f"s{at % 3}"]) for at in range(30)]
    expected = Feed(log, None, in_force).read(0, 30, 7)
    other = Feed(log, Journal(tmp_path, SPAN_MS), in_vain)
    other.read(other.begin(0), 20, 1)
    worker = Feed(log, Journal(tmp_path, SPAN_MS), in_force)
    answers_now = worker.read(worker.begin(20), 30, 7)
    assert {at: answers_now[at] for at in range(20, 30)} == {at: expected[at] for at in range(20, 30)}


@compiled_only
@pytest.mark.usefixtures("small")
@given(data=st.data(), log=steps(most=60))
@settings(max_examples=60, suppress_health_check=[])
def test_a_journal_gives_the_window_again_at_any_offset(data: st.DataObject, log: list[Step]) -> None:
    """Workers start anywhere, also before what was written down, and with another machine's disk.

    Memory or time says how far a window reaches.
    """
    end, memory_mb = log[-1].offset + 1, data.draw(st.sampled_from([6, 200]))
    whole = Feed(log, None, memory_mb)
    expected = whole.read(log[0].offset, end, 7)
    with TemporaryDirectory() as folder:
        for _ in range(data.draw(st.integers(1, 5))):
            worker = Feed(log, Journal(Path(folder) / data.draw(st.sampled_from("ab")), SPAN_MS), memory_mb)
            applied = data.draw(st.sampled_from(log)).offset
            position = worker.begin(applied)
            to = data.draw(st.integers(applied, end))
            found = worker.read(position, to, data.draw(st.integers(1, 9)))
            assert {at: one for at, one in found.items() if at >= applied} == {
                at: one for at, one in expected.items() if applied <= at < to
            }


def busy(records: int) -> list[Step]:
    return [Step(at, 1_000 + at, [(1, f"n{at % 9}")], b"u", [f"p{at % 5}"]) for at in range(records)]


@compiled_only
@pytest.mark.usefixtures("small")
def test_a_start_reads_what_the_journal_lacks_and_little_more(tmp_path: Path) -> None:
    log = busy(200)
    first = Feed(log, Journal(tmp_path, 100))
    first.read(first.begin(0), 150, 10)
    assert len(list(tmp_path.glob("*.names"))) <= 4, "what no window needs is dropped"
    again = Feed(log, Journal(tmp_path, 100))
    assert again.begin(150) == 148
    assert not again.asked
    behind = Feed(log, Journal(tmp_path, 100))
    assert behind.begin(145) == 138, "only whole batches from before where Redis stands are taken"
    elsewhere = Feed(log, Journal(tmp_path / "new", 100))
    assert elsewhere.begin(150) == 144, "from where memory reaches"
    roomy = Feed(log, None, memory_mb=200)
    position = roomy.begin(180)
    roomy.read(position, 181, 10)
    assert position <= roomy.window.recent.floor < position + 5, "from where time reaches"


@compiled_only
@pytest.mark.usefixtures("small")
def test_a_journal_that_begins_too_late_for_a_rollback_is_not_used(tmp_path: Path) -> None:
    log = busy(200)
    worker = Feed(log, Journal(tmp_path, 100))
    assert worker.begin(100) == 94
    worker.read(94, 102, 2)
    assert Feed(log, Journal(tmp_path, 100)).begin(102) == 100
    assert Feed(log, Journal(tmp_path, 100)).begin(98) == 92, "the window at 98 begins before the journal"


@compiled_only
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("damage", ["cut", "flipped", "head", "span"])
def test_a_journal_that_is_damaged_ends_there(tmp_path: Path, damage: str) -> None:
    log = busy(60)
    worker = Feed(log, Journal(tmp_path, 100))
    worker.read(worker.begin(0), 50, 10)
    last = max(tmp_path.glob("*.names"))
    content = last.read_bytes()
    match damage:
        case "cut":
            last.write_bytes(content[:-5])
        case "flipped":
            last.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
        case "head":
            (tmp_path / "head").write_bytes(os.urandom(48))
    again = Feed(log, Journal(tmp_path, 200 if damage == "span" else 100))
    position = again.begin(50)
    expected = Feed(log, None).read(0, 60, 10)
    found = again.read(position, 60, 4)
    assert {at: one for at, one in found.items() if at >= 50} == {at: one for at, one in expected.items() if at >= 50}


@compiled_only
@pytest.mark.usefixtures("small")
def test_a_journal_of_another_log_is_noticed(tmp_path: Path) -> None:
    worker = Feed(busy(60), Journal(tmp_path, 100))
    worker.read(worker.begin(0), 50, 10)
    other = Feed([step._replace(key=b"other") for step in busy(60)], Journal(tmp_path, 100))
    position = other.begin(50)
    with pytest.raises(OtherLog, match="are of another log"):
        other.read(position, 60, 10)
    again = Feed(other.log, Journal(tmp_path, 100))
    again.read(again.begin(50), 60, 10)


@compiled_only
@pytest.mark.usefixtures("small")
def test_a_full_disk_costs_a_start_but_no_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = busy(60)
    journal = Journal(tmp_path / "journal", 100)
    worker = Feed(log, journal)
    position = worker.begin(0)
    (tmp_path / "journal").rename(tmp_path / "gone")
    assert worker.read(position, 60, 10) == Feed(log, None).read(0, 60, 10)
    assert "the next start reads the log" in caplog.text
