"""Rows that are sorted on disk are those that are sorted in memory, and so is what is made of them."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from reshelf.namespaces.state import SHOWN, Compared, compare
from streams.sorted_rows import SortedRows
from streams.state import export

Row = list[Any]
NAMES = st.sampled_from(["a", "b", "é", "\U0001f600", "zz", ""])
NUMBERS = st.integers(0, 3)
ROWS = st.lists(
    st.tuples(st.just("cell"), NAMES, NAMES, NUMBERS, NUMBERS, NUMBERS, NAMES, NAMES, NUMBERS, NUMBERS).map(list)
    | st.tuples(st.just("sale"), NAMES, NAMES, NUMBERS, NUMBERS, NUMBERS, NAMES, NUMBERS, NUMBERS, NUMBERS).map(list)
    | st.tuples(st.just("tally"), NAMES, NUMBERS, NAMES, NUMBERS).map(list),
    max_size=60,
)


def distinct(rows: list[Row]) -> list[Row]:
    return [list(row) for row in sorted({tuple(row) for row in rows})]


@given(ROWS, st.integers(1, 9), st.integers(2, 4), st.booleans())
def test_runs_on_disk_give_the_rows_in_order(rows: list[Row], run: int, most_runs: int, compact: bool) -> None:
    rows = distinct(rows) + rows[:3]
    with TemporaryDirectory() as folder:
        canonical = SortedRows(Path(folder), run, most_runs)
        canonical.add(rows)
        if compact:
            canonical.compact()
        assert list(canonical) == sorted(rows) == list(canonical)
        assert len(list(Path(folder).iterdir())) <= (1 if compact else most_runs * (len(rows).bit_length() + 1))
        digest = sha256(b"".join(orjson.dumps(row) + b"\n" for row in sorted(rows))).hexdigest()
        assert export.counted_digest(canonical) == (digest, len(rows))


def plain_compared(first: list[Row], second: list[Row]) -> Compared:
    """As sets of rows."""
    one, other = ({tuple(row) for row in rows} for rows in (first, second))
    left, right = sorted(one - other, key=str), sorted(other - one, key=str)
    examples = [[list(row) for row in rows[:SHOWN]] for rows in (left, right)]
    return Compared(len(one & other), max(len(left), len(right)), *examples)


@given(ROWS, ROWS, ROWS)
def test_sorted_exports_are_compared_as_sets_are(both: list[Row], one: list[Row], other: list[Row]) -> None:
    first, second = distinct(both + one), distinct(both + other)
    assert compare(first, second) == plain_compared(first, second)


@given(ROWS)
def test_csv_adds_up_the_traffic_of_each_cell(rows: list[Row]) -> None:
    canonical = list({tuple(row[: 8 if row[0] == "cell" else 7]): row for row in distinct(rows)}.values())
    counts: dict[tuple[Any, ...], list[int]] = {}
    for kind, *place in canonical:
        if kind == "cell":
            *key, _, item, slot, impressions, clicks = place
            sums = counts.setdefault((*key, item, slot), [0] * 4)
            sums[:2] = [sums[0] + impressions, sums[1] + clicks]
        elif kind == "sale":
            *key, _, item, conversions, revenue, _ = place
            sums = counts.setdefault((*key, item, ""), [0] * 4)
            sums[2:] = [sums[2] + conversions, sums[3] + revenue]
    text = StringIO()
    export.write_csv(canonical, text)
    head, *lines = text.getvalue().splitlines()
    places = [head.split(",").index(name) for name in ("impressions", "clicks", "conversions", "revenue")]
    assert [line.split(",")[:6] for line in lines] == [list(map(str, key)) for key, _ in sorted(counts.items())]
    assert [[int(line.split(",")[place]) for place in places] for line in lines] == [
        numbers for _, numbers in sorted(counts.items())
    ]


MEASURED = """
import resource, sys, tempfile
from pathlib import Path
from streams.state.export import counted_digest
from streams.sorted_rows import SortedRows
with tempfile.TemporaryDirectory() as folder:
    rows = SortedRows(Path(folder), run=5_000)
    numbers = (number * 7919 % 100_003 for number in range(int(sys.argv[1])))
    rows.add(["cell", f"page {number}", "s", 0, 1, 0, "item", "slot", number, 1] for number in numbers)
    counted_digest(rows)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_rows() -> None:
    """A row in memory takes half a kilobyte: 90,000 more would take 40 MB."""
    few, many = (
        int(subprocess.run([sys.executable, "-c", MEASURED, str(rows)], capture_output=True, check=True).stdout)
        for rows in (10_000, 100_000)
    )
    assert many - few < 15, (few, many)
