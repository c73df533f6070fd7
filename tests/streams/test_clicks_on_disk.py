"""The clicks on disk: what is found again, what is dropped, and files that are lost, locked or broken."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from policy.attribution.clicks import ClickRecord, CreditRule, Match, Moment, attribute
from schemas.errors import StateAttention
from schemas.topics import DAY_MS
from streams.settings import AttributionSettings
from streams.state.clicks.folder import ClickFolder, LockedStore
from streams.state.clicks.memory import ClickMemory, Criteria
from streams.state.clicks.store import Additions, ClickStore, Marks
from streams.state.watermark import Watermark

HALF = DAY_MS // 2
WINDOWS = {"home": 3 * DAY_MS, "cart": HALF}
UNITS, ITEMS = st.sampled_from(["u", "ü", "u2"]), st.sampled_from(["i", "i2"])
CLICKS = st.tuples(UNITS, ITEMS, st.sampled_from(list(WINDOWS)), st.integers(0, 8), st.sampled_from([0, 0, HALF]))
"""The last number is how far the click's clock is ahead of the log."""
PURCHASES = st.tuples(UNITS, ITEMS, st.integers(0, 10), st.integers(0, 10), st.sampled_from([0, HALF]))
STEPS = st.lists(st.one_of(CLICKS, CLICKS, CLICKS, UNITS, st.just("write"), st.just("open")), max_size=30)


def folder_in(path: Path) -> ClickFolder:
    return ClickFolder(AttributionSettings(folder=str(path), memory_mb=16))


def record(offset: int, item: str = "i", page: str = "home", at: int = 0, ahead: int = 0) -> ClickRecord:
    return ClickRecord(offset, at + offset - ahead, at, f"c{offset}", page, "s", "top", item, 7, -2)


def holds(store: ClickStore, unit: str, item: str = "i") -> list[int]:
    """Offsets of the clicks of a unit on an item, the latest by event time first."""
    return [one.offset for one in store.clicks(unit, Match("item", item), store.holding(unit), 100 * DAY_MS)]


@example(
    steps=[("u", "i", "home", 1, 0), "write", ("u", "i", "home", 2, 0), "write", "u", "write"],
    purchases=[],
    most_recent=0,
)
@given(steps=STEPS, purchases=st.lists(PURCHASES, max_size=8), most_recent=st.sampled_from([0, 3, 8, 10_000]))
@settings(max_examples=30)
def test_a_purchase_finds_the_click_that_the_rule_picks_from_all(
    steps: list[tuple[str, str, str, int, int] | str], purchases: list[tuple[str, str, int, int, int]], most_recent: int
) -> None:
    """Whatever of them is written, forgotten, opened again or kept in memory, and whoever looked before."""
    plain: dict[str, list[ClickRecord]] = {}
    appended_at = 0

    def opened(path: Path, mark: Watermark) -> tuple[LockedStore, ClickMemory]:
        locked = folder_in(path).open("live", 0)
        locked.store.most_recent = lambda: most_recent
        return locked, ClickMemory(locked.store, Marks(mark))

    def look(unit: str, item: str, half: int, appended: int, skew: int) -> None:
        purchase = Moment(half * HALF, appended * HALF)
        rule = CreditRule(WINDOWS.__getitem__, 30, skew)
        criteria = Criteria(purchase, rule, max(WINDOWS.values()))
        match = Match("item", item)
        picked = attribute(match, purchase, memory.of_unit(unit, criteria).clicks(match), rule)
        assert picked == attribute(match, purchase, plain.get(unit, []), rule)

    memory_disk = Path("/dev/shm")
    with TemporaryDirectory(dir=memory_disk if memory_disk.is_dir() else None) as path:
        locked, memory = opened(Path(path), Watermark(0))
        for offset, step in enumerate(steps):
            match step:
                case "write":
                    memory.write(Marks(Watermark(offset, appended_at)))
                case "open":
                    memory.write(Marks(Watermark(offset, appended_at)))
                    locked.close()
                    locked, memory = opened(Path(path), Watermark(offset, appended_at))
                case str(unit):
                    memory.forget(unit)
                    plain.pop(unit, None)
                case unit, item, page, half, ahead:
                    click = record(offset, item, page, half * HALF, ahead)
                    appended_at = max(appended_at, click.append_time)
                    click = replace(click, append_time=appended_at)
                    memory.add(unit, click)
                    plain.setdefault(unit, []).append(click)
            look("u", "i", 6, 6, 0)
        for one in purchases:
            look(*one)
        locked.close()


def test_what_came_lately_is_found_without_the_disk_and_memory_is_bounded(tmp_path: Path) -> None:
    locked = folder_in(tmp_path).open("live", 0)
    locked.store.most_recent = lambda: 8
    memory, rule = ClickMemory(locked.store, Marks(Watermark(0))), CreditRule(lambda page: DAY_MS, 0, 0)
    criteria, match = Criteria(Moment(100, 100), rule, DAY_MS), Match("item", "i")
    for offset in range(20):
        memory.add(f"u{offset}", record(offset, at=offset + 1, ahead=offset))
        memory.write(Marks(Watermark(offset + 1, offset + 1)))
    lately = [offset for offset in range(20) if memory.recent.clicks(f"u{offset}")]
    assert len(lately) <= 8
    assert lately == list(range(lately[0], 20))
    for offset in range(20):
        latest = memory.of_unit(f"u{offset}", criteria).latest(match)
        assert latest is not None
        assert latest.offset == offset
    assert memory.lookups == 20 - len(lately)
    locked.close()


def test_days_that_no_purchase_can_need_go_and_their_files_with_them(tmp_path: Path) -> None:
    locked = folder_in(tmp_path).open("live", 0)
    store = locked.store
    store.write(Additions([("u", record(at, at=at * DAY_MS)) for at in range(4)]), Marks(Watermark(4)), 0)
    store.expire(2 * DAY_MS - 1, 0)
    assert holds(store, "u") == [3, 2, 1]
    store.expire(3 * DAY_MS, 0)
    assert (holds(store, "u"), store.complete_since) == ([3], 3 * DAY_MS)
    locked.close()
    again = folder_in(tmp_path).open("live", 0)
    assert (holds(again.store, "u"), again.store.complete_since) == ([3], 3 * DAY_MS)
    again.close()


def test_over_many_days_files_are_few_and_little_is_written_to_a_new_one_each_time(tmp_path: Path) -> None:
    """Days that are over take no memory for what is to be written, which would send each write to a file."""
    days, writes, span = 30, 10, 2
    folder = folder_in(tmp_path)
    opened = [folder.open("live", partition) for partition in range(2)]
    for at in range(days * writes):
        time = at * DAY_MS // writes
        for locked in opened:
            locked.store.write(Additions([("u", record(at, at=time, ahead=at))]), Marks(Watermark(at, time)), 0)
            locked.store.expire(time - span * DAY_MS, 0)
    for locked in opened:
        assert len(holds(locked.store, "u")) > span * writes
        locked.close()
    begun = [path.read_text(errors="replace").count('"event": "flush_started"') for path in tmp_path.rglob("LOG")]
    assert len(begun) == len(opened)
    assert max(begun) <= days * writes // 4
    assert len(list(tmp_path.rglob("*.sst"))) <= len(opened) * 5 * (span + 2)


def test_a_unit_that_is_forgotten_has_no_clicks_and_its_name_is_on_no_disk(tmp_path: Path) -> None:
    locked = folder_in(tmp_path).open("live", 0)
    clicks = [("a-secret-name", record(0)), ("a-secret-name", record(1, at=DAY_MS)), ("b", record(2))]
    locked.store.write(Additions(clicks), Marks(Watermark(3)), 0)
    locked.store.write(Additions([("a-secret-name", record(4))], forgotten=["a-secret-name"]), Marks(Watermark(5)), 0)
    assert (holds(locked.store, "a-secret-name"), holds(locked.store, "b")) == ([4], [2])
    locked.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret" in path.read_bytes() for path in files)


def test_files_that_another_process_has_are_let_be(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    hangs = folder.open("live", 3)
    hangs.store.write(Additions([("u", record(0))]), Marks(Watermark(1)), 0)
    beside = folder.open("live", 3)
    assert (holds(beside.store, "u"), beside.store.marks) == ([], None)
    hangs.close()
    beside.close()
    again = folder.open("live", 3)
    assert holds(again.store, "u") == [0]
    assert [path.name for path in (tmp_path / "live").iterdir()] == ["3"]
    again.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_at_the_start_costs_no_clicks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    locked = folder_in(tmp_path).open("live", 0)
    locked.store.write(Additions([("u", record(3))]), Marks(Watermark(4)), None)
    locked.close()

    def fail(store: ClickStore) -> None:
        raise Exception(f"IO error: {os.strerror(code)}: While appending to file: 000011.sst")

    with monkeypatch.context() as patch:
        patch.setattr(ClickStore, "_load", fail)
        with pytest.raises(StateAttention, match=r"Nothing is lost.*attribution\.folder"):
            folder_in(tmp_path).open("live", 0)
    locked = folder_in(tmp_path).open("live", 0)
    assert holds(locked.store, "u") == [3]
    locked.close()


def test_a_day_that_cannot_begin_on_a_full_disk_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = folder_in(tmp_path).open("live", 0)

    class Full:
        def create_column_family(self, name: str, options: object) -> None:
            raise Exception(f"IO error: {os.strerror(errno.ENOSPC)}")

    with monkeypatch.context() as patch:
        patch.setattr(locked.store, "_db", Full())
        with pytest.raises(StateAttention, match=r"Nothing is lost.*attribution\.folder"):
            locked.store.write(Additions([("u", record(3))]), Marks(Watermark(4)), None)
    locked.close()


def test_a_store_that_cannot_be_closed_on_a_full_disk_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = folder_in(tmp_path).open("live", 0)
    locked.store.write(Additions([("u", record(3))]), Marks(Watermark(4)), None)

    class Full:
        def close(self) -> None:
            raise Exception(f"IO error: {os.strerror(errno.ENOSPC)}: While appending to file: 000020.sst")

    with monkeypatch.context() as patch:
        patch.setattr(locked.store, "_db", Full())
        with pytest.raises(StateAttention, match=r"Nothing is lost.*attribution\.folder"):
            locked.close()
    locked.close()
    again = folder_in(tmp_path).open("live", 0)
    assert holds(again.store, "u") == [3]
    again.close()


def test_files_that_are_broken_are_made_again(tmp_path: Path) -> None:
    locked = folder_in(tmp_path).open("live", 0)
    locked.store.write(Additions([("u", record(0))]), Marks(Watermark(1)), 0)
    locked.close()
    for current in tmp_path.rglob("CURRENT"):
        current.write_text("junk")
    again = folder_in(tmp_path).open("live", 0)
    assert again.store.marks is None
    again.store.write(Additions([("u", record(0))]), Marks(Watermark(1)), 0)
    again.close()
    shutil.rmtree(tmp_path / "live")
    fresh = folder_in(tmp_path).open("live", 0)
    assert fresh.store.marks is None
    fresh.close()
