"""What goes back of an order, and rows of the back office, that are imported after the order's own row."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reshelf.cli.main import run
from reshelf.datasets.exports import Export, publish
from reshelf.datasets.imported import Publisher, held_orders
from reshelf.dialects.action import Options
from schemas.codec import decoder
from schemas.messages.events import Purchase, Return
from schemas.topics import PURCHASES, RETURNS
from streams.kafka.reader import partitions, reader, to_the_end
from streams.settings import KafkaSettings
from tests.reshelf.dialect_rows import FOLDER, fixture

OPTIONS = Options(handles={"901": "tee"})
LINES = fixture("shopify").read_bytes().splitlines()
ORDER_OF_PIXEL, ORDER_OF_OFFICE = LINES[2], LINES[-1]
BEFORE = "rows without a visitor, who is that of the same order, which was imported before"
NOBODY = "order without reshelf_unit in note_attributes: no visitor"
Events = dict[tuple[str, str], str]


def read(lines: Iterable[bytes], before: Iterable[Purchase] = ()) -> tuple[Events, dict[str, Any]]:
    """Values of the events of lines by topic and id, and the report; no events where no row fits."""
    with tempfile.TemporaryDirectory() as folder:
        file, own = Path(folder) / "rows.jsonl", Path(folder) / "sorted"
        own.mkdir()
        file.write_bytes(b"".join(line + b"\n" for line in lines))
        export = Export("shopify", OPTIONS, own)
        export.read([file], lambda: None, before)
        events = {(each.topic.name, json.loads(each.value)["event_id"]): each.value for each in export.events()}
        return events, export.as_json()


def orders_of(events: Events) -> list[Purchase]:
    return [decoder(Purchase)(value.encode()) for (topic, _), value in events.items() if topic == PURCHASES.name]


@given(st.lists(st.booleans(), min_size=len(LINES), max_size=len(LINES)), st.randoms(use_true_random=False))
def test_rows_may_be_imported_after_the_order_that_has_their_visitor(later: list[bool], rng: random.Random) -> None:
    """In two parts, rows without a visitor in the second, gives what all rows give at once; what is there stays."""
    parts: tuple[list[bytes], list[bytes]] = ([LINES[0]], [LINES[0]])
    for line, is_later in zip(LINES, later, strict=True):
        parts[is_later or line == ORDER_OF_OFFICE].append(line)
    for part in parts:
        rng.shuffle(part)
    if ORDER_OF_PIXEL in parts[1]:
        parts[0].append(ORDER_OF_PIXEL)
    first, _ = read(parts[0])
    second, _ = read(parts[1], orders_of(first))
    assert second | first == read(LINES)[0]


def test_the_report_tells_where_a_visitor_is_from() -> None:
    first, _ = read([ORDER_OF_PIXEL])
    orders = orders_of(first)
    stranger = ORDER_OF_OFFICE.replace(b"5001", b"5009")
    events, report = read([ORDER_OF_OFFICE, stranger], orders)
    assert {decoder(Return)(events[name].encode()).unit for name in events if name[0] == RETURNS.name} == {"c-1"}
    assert report["changed"] == {BEFORE: 1}
    assert report["left_out"] == {NOBODY: 1}
    assert "--orders" in report["next"][NOBODY]


def test_orders_are_read_only_where_a_visitor_is_missing() -> None:
    def refused() -> Iterable[Purchase]:
        raise AssertionError("read")
        yield

    assert read(LINES[:2], refused())[0]


def test_the_earliest_purchase_says_whose_an_order_is() -> None:
    (order,) = orders_of(read([ORDER_OF_PIXEL])[0])
    others = [Purchase("x", order.occurred_at + shift, f"c{shift}", "5001", "EUR", order.lines) for shift in (1, -1)]
    events, _ = read([ORDER_OF_OFFICE], [order, *others])
    assert {json.loads(value)["unit"] for value in events.values()} == {"c-1"}


def test_the_topic_says_whose_an_earlier_order_is(broker: str, prefix: str, tmp_path: Path) -> None:
    """Also where records stand there that are no orders; what is there already is not published again."""
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    assert list(held_orders(kafka)) == []

    def imported(line: bytes) -> tuple[dict[str, int], dict[str, Any]]:
        file = tmp_path / "rows.jsonl"
        file.write_bytes(line)
        with tempfile.TemporaryDirectory() as folder:
            export = Export("shopify", OPTIONS, Path(folder))
            export.read([file], lambda: None, held_orders(kafka))
            return dict(publish(kafka, "shopify", export)), export.as_json()

    assert imported(ORDER_OF_PIXEL)[0] == {PURCHASES.name: 1}
    publisher = Publisher(kafka)
    publisher.record(PURCHASES, "c-1", b"{", 1)
    publisher.flush()
    published, report = imported(ORDER_OF_OFFICE)
    assert published == {RETURNS.name: 1}
    assert (report["changed"], report["already_there"]) == ({BEFORE: 1}, {PURCHASES.name: 1})
    with reader(kafka) as consumer:
        messages = list(to_the_end(consumer, partitions(consumer, prefix + RETURNS.name)))
    (returned,) = (message for message in messages if message.error() is None)
    assert returned.key() == b"c-1"
    assert decoder(Return)(returned.value() or b"").unit == "c-1"


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    products = ["--products", str(FOLDER / "shopify-products.jsonl")]
    assert run(["import", "events", "--dialect", "shopify", *products, *arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_files_say_whose_earlier_orders_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pixel, office = tmp_path / "pixel.jsonl", tmp_path / "office.jsonl"
    pixel.write_bytes(ORDER_OF_PIXEL)
    office.write_bytes(ORDER_OF_OFFICE)
    answer(capsys, str(pixel), "--output", str(tmp_path / "first"))
    orders = str(tmp_path / "first" / "events-purchases.jsonl")
    assert "no row can be imported" in answer(capsys, str(office), "--check", status=2)["error"]
    assert answer(capsys, str(office), "--check", "--orders", orders)["events"] == {"purchases": 1, "returns": 1}
    said = answer(capsys, str(office), "--orders", orders, "--output", str(tmp_path / "second"))
    assert said["changed"] == {BEFORE: 1}
    error = answer(capsys, str(office), "--check", "--orders", str(pixel), status=2)["error"]
    assert "--orders: expected orders as events-purchases has them" in error
    assert "pixel.jsonl, line 1" in error
