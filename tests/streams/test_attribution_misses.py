"""Why a purchase counts for nothing: each reason, from the disk and from memory alike; returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policy.attribution.clicks import ClickRecord, CreditRule, Moment
from schemas.topics import PURCHASES
from streams.attribution.step import explained, is_return
from streams.fold.judge import Judge, Rejected
from streams.kafka.records import Logged
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.folder import ClickFolder
from streams.state.clicks.memory import MISSES, ClickMemory, Criteria, parents
from streams.state.clicks.store import Marks
from streams.state.watermark import Watermark

NOON, WINDOW = 1_700_000_000_000, 60_000
CASES = {
    "after_purchase": [("shirt-1-red", NOON + 10)],
    "outside_window": [("shirt-1-red", NOON - WINDOW - 1), ("shirt-1", NOON - 5)],
    "parent_clicked": [("shirt-1", NOON - 5), ("hat", NOON - 5)],
    "other_item": [("shirt-10", NOON - 5), ("shirt-1-red-xl", NOON - 5)],
    "no_click": [],
}


@pytest.mark.parametrize("written", [False, True])
def test_each_reason(tmp_path: Path, written: bool) -> None:
    assert set(CASES) == set(MISSES)
    locked = ClickFolder(AttributionSettings(folder=str(tmp_path), memory_mb=16)).open("misses", 0)
    memory, offset = ClickMemory(locked.store, Marks(Watermark(0))), 0
    for unit, clicks in CASES.items():
        for item, at in clicks:
            memory.add(unit, ClickRecord(offset, at, at, f"c{offset}", "home", "s", "top", item, 1, 0))
            offset += 1
    if written:
        memory.write(Marks(Watermark(offset)))
    criteria = Criteria(Moment(NOON, NOON), CreditRule(lambda page: WINDOW, 0, 0), WINDOW)
    assert {unit: memory.of_unit(unit, criteria).miss("shirt-1-red") for unit in CASES} == {
        unit: unit for unit in CASES
    }
    locked.close()


def test_what_may_be_a_parent() -> None:
    assert parents("shirt-1_red XL") == ["shirt", "shirt-1", "shirt-1_red"]
    assert parents("-shirt") == parents("shirt") == []


def judged(lines: list[dict[str, Any]]) -> Rejected:
    """The verdict on a purchase with these lines, which is refused."""
    order = {"event_id": "p", "occurred_at": NOON, "unit": "u", "order_id": "o", "currency": "EUR", "lines": lines}
    record = Logged(0, NOON, b"u", json.dumps(order).encode())
    (rejected,) = Judge(PURCHASES, FoldSettings()).judge([record]).rejected
    return rejected


@pytest.mark.parametrize(
    ("line", "returned"),
    [
        ({"quantity": -1, "amount": 5}, True),
        ({"quantity": 1, "amount": -990}, True),
        ({"quantity": -1}, True),
        ({"quantity": 0, "amount": 5}, False),
        ({"quantity": 1, "amount": 10**15}, False),
        ({"quantity": 1, "amount": "-5"}, False),
        ({"quantity": 1}, False),
    ],
)
def test_a_return_is_told_from_what_is_only_wrong(line: dict[str, Any], returned: bool) -> None:
    rejected = judged([{"item": "a", "quantity": 1, "amount": 5}, {"item": "b", **line}])
    assert (rejected.reason, is_return(rejected)) == ("invalid", returned)
    assert explained(rejected).detail.startswith("a return, which counts in events-returns alone: ")
