"""The compiled fast path gives the same answers as the judge, the quota and the folder in Python."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import DAY_MS, IMPRESSIONS
from streams.fold.deltas import GroupDelta
from streams.fold.evidence import evidence_of
from streams.fold.fast import path as fast_path
from streams.fold.judge import Rejected
from streams.kafka.records import Batch, TopicPartition
from streams.settings import FoldSettings
from streams.state.arrays.directory import Directory, names_in
from streams.state.arrays.operations import packed_cells
from streams.state.partition import PartitionFold, Prepared
from streams.state.store import Store
from streams.state.watermark import Watermark
from tests.streams.logs import FOLD, LoggedRecord, logs

GROUPS = 3
TP = TopicPartition(IMPRESSIONS.name, 0)
if fast_path.BUILT:
    from streams.fold.fast import compiled

NOW = 1_700_000_000_000
ROOMY = FoldSettings()
VISIBLE_TIMES = [0, 59_999, 60_000, 60_001, 3_600_000, 3_600_001, -1, None, 5.0, 5.5, "5", True, [5], 10**18]

pytestmark = pytest.mark.skipif(
    not fast_path.BUILT, reason="streams.fold.fast.compiled was not built: is there a C compiler and Python's headers?"
)


async def dead_letter(_: TopicPartition, __: Sequence[Rejected]) -> None:
    """Nothing is committed here."""


def partition(fold: FoldSettings, built: bool, first: int = 0) -> PartitionFold:
    store = Store(None, "fast_path", GROUPS)  # type: ignore[arg-type]
    return PartitionFold(TP, store, 0, [Watermark(first)] * GROUPS, fold, dead_letter, built)


def told(part: PartitionFold, prepared: Prepared, floor: int) -> Any:
    """All that a batch leads to."""
    judged = prepared.judged
    above = part._folder.fold(judged.accepted, [floor, 0, floor + 2], judged.fast_events)
    reasons = sorted((one.record.offset, one.reason, one.detail) for one in judged.rejected)
    verdicts = (judged.skipped, reasons, prepared.names)
    return verdicts, prepared.watermark, prepared.tally(0), prepared.tally(floor), plain(prepared.deltas), plain(above)


def plain(deltas: dict[int, GroupDelta]) -> Any:
    """Deltas with all impressions in one place."""
    for delta in deltas.values():
        summed = evidence_of([delta.tables])
        for table in delta.tables.values():
            shown = Counter(table.amounts.get("impressions", {})) + Counter(
                table.fast_events.counted() if table.fast_events else {}
            )
            table.amounts["impressions"], table.fast_events = dict(shown), None
        assert summed == evidence_of([delta.tables])
    return deltas


def assert_same(fold: FoldSettings, records: list[LoggedRecord], size: int, first: int = 0) -> int:
    """Feed both, batch by batch; how many events the fast path took."""
    with_it, without = partition(fold, True, first), partition(fold, False, first)
    fast_events, start = 0, records[0].offset if records else 0
    for at in range(0, len(records), size):
        cut = records[at : at + size]
        batch = Batch(TP, start, cut[-1].offset + 1, 0, cut)
        start = batch.end
        one, other = with_it.prepare(batch), without.prepare(batch)
        floor = cut[len(cut) // 2].offset
        assert told(with_it, one, floor) == told(without, other, floor)
        fast_events += len(one.judged.fast_events or ())
    return fast_events


@given(log=logs(partitions=1, most=40), size=st.integers(1, 9), first=st.integers(0, 20))
def test_any_log_in_any_batches_from_anywhere(log: Any, size: int, first: int) -> None:
    assert_same(FOLD, log[TP], size, first)


def impression(number: int, **other: Any) -> dict[str, Any]:
    fields = {
        "event_id": f"e{number}",
        "occurred_at": NOW,
        "unit": f"u{number % 7}",
        "page": "home",
        "segment": f"s{number % 2}",
        "page_view_id": f"v{number}",
        "layout_version": 1,
        "variant": number % 4 - 2,
        "slots": [{"slot": f"slot{at}", "item": f"i{(number + at) % 5}"} for at in range(3)],
    }
    return fields | other


def record(offset: int, value: bytes, unit: str) -> LoggedRecord:
    return LoggedRecord(offset, NOW + offset, unit.encode(), value)


def test_plain_impressions_of_known_names_are_all_taken() -> None:
    events = [impression(number) for number in range(400)]
    records = [record(at, json.dumps(event).encode(), event["unit"]) for at, event in enumerate(events)]
    assert assert_same(ROOMY, records, 100) == 400, "those that bring the names, too"


ROWS = ["{}", '{"a": "new"}', '{"a": "new", "b": "sale"}', '{"b": "new"}', '{"c.d": "für dich", "a": "sale"}']
ODD_ROWS = [
    *(
        '{"a": "new", "a": "sale"}',
        '{"a": ""}',
        '{"": "new"}',
        '{"a": 5}',
        "null",
        "[]",
        '{"a"}',
        '{"a": "new",}',
        "{,}",
    ),
    *('{"%s": "new"}' % ("r" * 61), '{"a": "%s"}' % ("s" * 65), '{"a": "new"}, "rows": {"a": "sale"}'),
]
SLOT_ROWS = ["", ', "row": "a"', ', "row": "b"', ', "row": ""', ', "row": "nowhere"']
ODD_SLOT_ROWS = [', "row": 5', ', "row": null', ', "row": "%s"' % ("r" * 61), ', "row": "a", "row": "b"']


def arranged(number: int, rows: str, slots: list[tuple[str, str]], view: int) -> LoggedRecord:
    """An impression with rows, whose slots have names and perhaps say which row they are in."""
    event = impression(number, unit="u", page_view_id=f"v{view}", slots=[])
    places = ", ".join(f'{{"slot": "{slot}", "item": "i{number % 3}"{row}}}' for slot, row in slots)
    text = json.dumps(event)[:-1].replace('"slots": []', f'"slots": [{places}]')
    return record(number, (f'{text}, "rows": {rows}}}' if rows else f"{text}}}").encode(), "u")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", *ROWS, *ROWS, *ODD_ROWS]),
            st.lists(
                st.tuples(
                    st.sampled_from(["a.1", "a.2", "b.1", "c.d.1", "plain", ".x", "x."]),
                    st.sampled_from([*SLOT_ROWS, *SLOT_ROWS, *ODD_SLOT_ROWS]),
                ),
                min_size=1,
                max_size=4,
            ),
            st.integers(0, 3),
        ),
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_shelves_are_counted_alike(events: list[tuple[str, list[tuple[str, str]], int]], size: int) -> None:
    assert_same(ROOMY, [arranged(at, *event) for at, event in enumerate(events)], size)


def test_rows_without_slots_are_left_to_the_decoder() -> None:
    lacking = {name: value for name, value in impression(0, rows={"a": "new"}).items() if name != "slots"}
    assert assert_same(ROOMY, [record(0, json.dumps(lacking).encode(), "u0")], 1) == 0


def test_impressions_of_shelves_are_all_taken() -> None:
    slots = [("a.1", ""), ("plain", ', "row": "b"')]
    records = [arranged(number, ROWS[number % 5], slots, number) for number in range(200)]
    assert assert_same(ROOMY, records, 50) == 200, "those that bring the names, too"
    tight = FOLD.changed(max_slots=3)
    assert_same(tight, records, 7)


@given(
    times=st.lists(
        st.lists(st.sampled_from([None, 0, 1_500, 60_000, 3_600_000, ...]), min_size=1, max_size=4), max_size=40
    ),
    size=st.integers(1, 20),
)
def test_visible_times_are_added_up_alike(times: list[list[Any]], size: int) -> None:
    """They stay with their slot where others of the event are left out: views come again, slots are there twice."""
    events = [
        impression(
            number,
            unit="u",
            page_view_id=f"v{number % 9}",
            slots=[
                {"slot": f"slot{(number + at) % 3}", "item": "i"} | ({} if time is ... else {"visible_ms": time})
                for at, time in enumerate(some)
            ],
        )
        for number, some in enumerate(times)
    ]
    records = [record(at, json.dumps(event).encode(), event["unit"]) for at, event in enumerate(events)]
    assert_same(ROOMY, records, size)


def test_impressions_with_visible_times_are_all_taken() -> None:
    slots = [{"visible_ms": at * 40_000, "slot": f"slot{at}", "item": "i0"} for at in range(3)]
    events = [impression(number, slots=slots) for number in range(100)]
    records = [record(at, json.dumps(event).encode(), event["unit"]) for at, event in enumerate(events)]
    assert assert_same(ROOMY, records, 30) == 100
    part = partition(ROOMY, True)
    deltas = part.prepare(Batch(TP, 0, 100, 0, records)).deltas
    amounts = [table.amounts for delta in deltas.values() for table in delta.tables.values()]
    for name, expected in (("timed", [100, 100, 100]), ("visible_ms", [0, 4_000_000, 6_000_000])):
        assert [sum(some[name][f"slot{at}"] for some in amounts) for at in range(3)] == expected


def test_impressions_without_visible_times_add_no_amounts_beside_cells() -> None:
    records = [record(at, json.dumps(impression(at)).encode(), f"u{at % 7}") for at in range(50)]
    for built in (True, False):
        deltas = partition(ROOMY, built).prepare(Batch(TP, 0, 50, 0, records)).deltas
        names = {name for delta in deltas.values() for table in delta.tables.values() for name in table.amounts}
        assert names == (set() if built else {"impressions"})


def test_a_visible_time_that_is_there_twice_is_left_to_the_decoder() -> None:
    value = json.dumps(impression(0)).replace('"item"', '"visible_ms": 5, "visible_ms": 7, "item"')
    assert assert_same(ROOMY, [record(0, value.encode(), "u0")], 1) == 0


@given(units=st.lists(st.integers(0, 3), min_size=20, max_size=60), size=st.integers(1, 20))
def test_robots_are_told_alike(units: list[int], size: int) -> None:
    events = [impression(number, unit=f"u{unit}") for number, unit in enumerate(units)]
    records = [record(at, json.dumps(event).encode(), event["unit"]) for at, event in enumerate(events)]
    assert_same(FoldSettings(duplicate_window_ms=12, unit_impressions=3), records, size)


@given(
    shown=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 2), st.lists(st.integers(0, 7), min_size=1)),
        min_size=5,
        max_size=40,
    ),
    size=st.integers(1, 20),
    most=st.integers(2, 6),
)
def test_names_are_admitted_alike(shown: list[tuple[int, int, int, list[int]]], size: int, most: int) -> None:
    """Also those of duplicates, robots and repeats, which bring none, and where the quota refuses some."""
    events = [
        impression(
            number,
            event_id=f"e{ident}",
            unit=f"u{unit}",
            segment=f"s{segment}",
            page_view_id=f"v{number % 3}",
            slots=_slots(items[:4]),
        )
        for number, (ident, unit, segment, items) in enumerate(shown)
    ]
    records = [record(at, json.dumps(event).encode(), event["unit"]) for at, event in enumerate(events)]
    assert_same(FoldSettings(duplicate_window_ms=8, unit_impressions=6, max_items=most), records, size)


def _slots(items: Sequence[int]) -> list[dict[str, str]]:
    return [{"slot": f"slot{(at + item) % 5}", "item": f"i{item}"} for at, item in enumerate(items)]


@pytest.mark.parametrize(
    "changed",
    [
        {"event_id": "x" * 128},
        {"event_id": "x" * 129},
        {"event_id": ""},
        {"unit": "x" * 129},
        {"page_view_id": "é" * 128},
        {"occurred_at": 0},
        {"occurred_at": 4_102_444_800_001},
        {"occurred_at": NOW + 300_001},
        {"occurred_at": -1},
        {"occurred_at": 1.0},
        {"occurred_at": float(NOW)},
        {"occurred_at": str(NOW)},
        {"layout_version": 2**53},
        {"layout_version": 2**53 + 1},
        {"layout_version": 10**18},
        {"layout_version": 10**30},
        {"layout_version": True},
        {"variant": 255},
        {"variant": 256},
        {"variant": -2},
        {"variant": -3},
        {"variant": None},
        {"slots": []},
        {"slots": [{"slot": "slot0", "item": "i0"}] * 64},
        {"slots": [{"slot": "slot0", "item": "i0"}] * 65},
        {"slots": [{"slot": "slot0"}]},
        {"slots": [{"slot": "slot0", "item": "i0", "more": 1}]},
        {"slots": {"slot": "slot0", "item": "i0"}},
        *({"slots": [{"slot": "slot0", "item": "i0", "visible_ms": time}]} for time in VISIBLE_TIMES),
        {"page": "home\\u0041"},
        {"page": 'home"'},
        {"segment": "sé"},
        {"more": {"deep": [1, 2]}},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " :\n")])
def test_limits_and_forms(changed: dict[str, Any], separators: tuple[str, str]) -> None:
    events = [impression(number) for number in range(20)] + [impression(20, **changed), impression(21)]
    values = [json.dumps(event, separators=separators, ensure_ascii=False) for event in events]
    records = [record(at, values[at].encode(), event["unit"]) for at, event in enumerate(events)]
    assert assert_same(ROOMY, records, 20) >= 1


@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 3))
def test_damaged_bytes(seed: int, cuts: int) -> None:
    chance = random.Random(seed)
    records = []
    for number in range(30):
        event = impression(number)
        value = bytearray(json.dumps(dict(chance.sample(list(event.items()), 9))).encode())
        for _ in range(cuts if number > 10 and chance.random() < 0.7 else 0):
            at = chance.randrange(len(value))
            value[at : at + chance.randint(0, 2)] = bytes(chance.choices(b'{}[]",:\\ 019-eE.\x00\x1f\x7f\xc3', k=1))
        records.append(record(number, bytes(value), event["unit"]))
    assert_same(ROOMY, records, 10)


_cells = st.dictionaries(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("pqrstu")), st.integers(1, 2**31))


@given(
    shown=_cells, clicked=_cells, fast_events=st.integers(0, 30), known=st.lists(st.sampled_from("gfedab"), unique=True)
)
def test_cells_are_packed_alike(shown: Any, clicked: Any, fast_events: int, known: list[str]) -> None:
    events = [
        impression(0),
        *(impression(number, page="home", segment="s0", variant=1) for number in range(fast_events)),
    ]
    records = [record(at, json.dumps(event).encode(), event["unit"]) for at, event in enumerate(events)]
    part = partition(ROOMY, True)
    part.prepare(Batch(TP, 0, 1, 0, records[:1]))
    prepared = part.prepare(Batch(TP, 1, len(records), 0, records[1:]))
    found = [
        table.fast_events for delta in prepared.deltas.values() for table in delta.tables.values() if table.fast_events
    ]
    packed = []
    for pack in (compiled.packed_cells, packed_cells):
        items, slots = Directory(), Directory()
        for name in known:
            items.row(name)
        blocks = pack(found[0] if found else None, [shown, clicked], items, slots, 4)
        named = {
            (row, column): (item, slot)
            for row, item in enumerate(names_in(items.payload()[8:]))
            for column, slot in enumerate(names_in(slots.payload()[8:]))
        }
        packed.append(dict(_unpacked(blocks, named)))
        assert all(
            payload == b"".join(sorted(_pairs(payload), key=lambda pair: _place(bytes(pair)))) for _, payload in blocks
        )
    assert packed[0] == packed[1]


def _pairs(payload: bytes) -> list[bytes]:
    return [payload[at : at + 8] for at in range(0, len(payload), 8)]


def _place(pair: bytes) -> int:
    return int.from_bytes(pair[:4], "little")


def _unpacked(blocks: list[tuple[int, bytes]], named: dict[tuple[int, int], tuple[str, str]]) -> Iterator[Any]:
    for block, payload in blocks:
        for pair in _pairs(payload):
            row, rest = divmod(_place(pair), 8)
            yield (*named[row, block * 4 + rest // 2], rest % 2), int.from_bytes(pair[4:], "little")


def test_a_full_fast_path_is_made_anew_before_the_next_batch() -> None:
    events = [impression(number) for number in range(60)]
    records = [record(at, json.dumps(event).encode(), event["unit"]) for at, event in enumerate(events)]
    part, fast_paths = partition(ROOMY, True), []
    for at in range(0, 60, 20):
        assert len(part.prepare(Batch(TP, at, at + 20, 0, records[at : at + 20])).judged.fast_events or ()) == 20
        fast_paths.append(part._judge._fast_path)
        part._judge._full = at == 0
    assert [one is other for one, other in pairwise(fast_paths)] == [False, True]


def test_names_of_older_buckets_are_dropped_once_a_newer_one_begins() -> None:
    times = [NOW + day * DAY_MS for day in (0, 0, 1, 1, 0, 1, 2, 2)]
    records = [
        LoggedRecord(at, max(times[: at + 1]), b"u", json.dumps(impression(at, unit="u", occurred_at=time)).encode())
        for at, time in enumerate(times)
    ]
    part, fast_paths = partition(ROOMY, True), []
    for each in records:
        part.prepare(Batch(TP, each.offset, each.offset + 1, 0, [each]))
        fast_paths.append(part._judge._fast_path)
    # The one that saw a newer bucket begin is left behind at the next batch.
    assert [one is other for one, other in pairwise(fast_paths)] == [True, True, False, True, True, True, False]
    assert_same(ROOMY, records, 3)


CONTEXTS = ["{}", '{"device": "phone"}', '{"land": "Österreich", "x": ""}', '{"a": "%s"}' % ("v" * 64)]
ODD_CONTEXTS = [
    '{"": "x"}',
    '{"a": 5}',
    "null",
    '["a"]',
    '{"a": "%s"}' % ("v" * 65),
    '{"%s": "x"}' % ("n" * 33),
    json.dumps({f"n{at}": "x" for at in range(9)}),
    '{"a": "x"}, "context": {"a": "y"}',
]


@pytest.mark.parametrize(
    ("context", "fast_events"), [*((one, 1) for one in CONTEXTS), *((one, 0) for one in ODD_CONTEXTS)]
)
def test_what_is_known_of_a_visit_is_checked_and_passed_over(context: str, fast_events: int) -> None:
    value = json.dumps(impression(0))[:-1] + f', "context": {context}}}'
    assert assert_same(ROOMY, [record(0, value.encode(), "u0")], 1) == fast_events
