"""What a request says of a visitor: unit, items that they looked at, current segment, and a value of an attribute."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl

LONGEST_NAME = 128
LONGEST_SEGMENT = 64
LONGEST_VALUE = 256
MOST_ITEMS = 64


class Visitor(NamedTuple):
    """A visitor; `unit` is None where the whole layout is asked for, and the newest of `items` stands last."""

    unit: str | None
    items: tuple[str, ...] = ()
    segment: str = ""
    value: str = ""


def visitor_of(query: bytes) -> Visitor:
    """The visitor of a query string; of a name that is given twice the last counts.

    Items are separated by commas; one whose name has a comma comes by itself, as `item`, behind all `items`, and that
    may be given more than once.  Raises `ValueError`, which says what was expected.
    """
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=2 * MOST_ITEMS)
    values = dict(pairs)
    listed = [name for name in values.get("items", "").split(",") if name]
    items = (*listed, *(value for name, value in pairs if name == "item"))
    if len(items) > MOST_ITEMS:
        raise ValueError(f"items: expected at most {MOST_ITEMS}, got {len(items)}")
    for item in items:
        _require("items", item, LONGEST_NAME)
    unit = values.get("unit")
    return Visitor(
        None if unit is None else _require("unit", unit, LONGEST_NAME),
        items,
        _require("segment", values.get("segment", ""), LONGEST_SEGMENT, least=0),
        _require("value", values.get("value", ""), LONGEST_VALUE, least=0),
    )


def _require(name: str, text: str, longest: int, least: int = 1) -> str:
    if not least <= len(text) <= longest:
        raise ValueError(f"{name}: expected {least} to {longest} characters, got {len(text)}")
    return text
