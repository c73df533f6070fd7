"""Rows of exports as they should be, and as no tracker would write them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

FOLDER = Path(__file__).parent / "dialects"
NAMES = ("ga4", "segment", "snowplow", "shopify")


def fixture(dialect: str) -> Path:
    """The file of a dialect."""
    return FOLDER / f"{dialect}.jsonl"


def objects(dialect: str) -> list[dict[str, Any]]:
    """Its rows, without lines that are damaged on purpose."""
    rows = []
    for line in fixture(dialect).read_bytes().splitlines():
        try:
            rows.append(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
    return rows


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25), st.floats(), st.decimals(), st.sampled_from([10**18, 1e300, 5e-324, -0.0])
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    ANY_TEXT,
    st.datetimes(),
    st.dates(),
    st.binary(max_size=4),
    st.sampled_from(
        ["x" * 200, "(not set)", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "12.90", "²", "٣"]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def odd_rows(draw: st.DrawFn, dialect: str) -> dict[str, Any]:
    """A row of the fixture in which some values, at any depth, are something else or gone."""
    row: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(objects(dialect))))
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(row))
        holder, name = draw(st.sampled_from(places))
        if draw(st.integers(0, 3)) == 0:
            del holder[name]
            if not row:
                break
        else:
            holder[name] = draw(VALUES)
    return row


def _places(value: Any) -> Any:
    """Each holder and name or number of a value within."""
    names = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in names:
        yield value, name
        yield from _places(value[name])
