"""Files of other trackers through files, topics and the command."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
import tracemalloc
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from redis import Redis

from reshelf.cli.main import run
from reshelf.datasets.exports import Export, Stored, publish
from reshelf.dialects.action import Options
from reshelf.dialects.events import TOPIC_OF
from reshelf.feeds.report import MOST_NAMES
from reshelf.topics.admin import apply
from schemas.codec import decoder
from schemas.errors import BadSettings
from schemas.messages.events import Return
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS
from streams.kafka.clients import partition_of
from streams.kafka.reader import partitions, reader, to_the_end
from streams.settings import KafkaSettings
from tests.reshelf.dialect_rows import FOLDER, NAMES, fixture, objects

Lines = list[bytes]
OPTIONS = Options(handles={"901": "tee"})
COUNTS = {
    "ga4": {"impressions": 3, "clicks": 1, "signals": 3, "purchases": 1, "returns": 1},
    "segment": {"impressions": 1, "clicks": 1, "signals": 3, "purchases": 2, "returns": 1},
    "snowplow": {"impressions": 1, "clicks": 1, "signals": 2, "purchases": 1, "returns": 1},
    "shopify": {"impressions": 1, "clicks": 1, "signals": 2, "purchases": 3, "returns": 2},
}

REASONS = {
    "ga4": {
        "events of no kind that Reshelf counts: page_view": 9,
        "promotion events, which are not mapped: view_promotion": 10,
        "view_item without user_pseudo_id: no visitor": 11,
        "view_item without event_timestamp in microseconds": 12,
        "view_item_list without item_list_id or item_list_name: no page": 13,
        "select_item without index: no slot": 14,
        "select_item without ga_session_id: no page view": 15,
        "select_item with several products: which was clicked?": 16,
        "select_item whose reshelf_variant is no whole number": 17,
        "purchase without transaction_id": 18,
        "purchase in another currency than EUR": 19,
        "purchase with a line whose quantity is no whole number above 0": 20,
        "refund without products": 21,
        "impressions whose page breaks a limit": 22,
        "lines that are no JSON": 23,
        "lines that hold no JSON object": 24,
        "view_item_list with a product without item_id": 1,
        "view_item_list without index: no slot": 1,
        "purchase with a line without price": 6,
    },
    "segment": {
        "Product Clicked without list_id: no page": 9,
        "Product Clicked without context.page.url: no page view": 10,
        "Order Refunded without products": 11,
        "Product Viewed without timestamp": 13,
        "events of no kind that Reshelf counts: page call": 14,
        "promotion events, which are not mapped: Promotion Viewed": 15,
        "events of no kind that Reshelf counts: Checkout Started": 16,
        "Product Viewed with a product without product_id or sku": 17,
        "Order Completed without anonymousId: no visitor": 12,
        "Product List Viewed without position: no slot": 1,
    },
    "snowplow": {
        "refund without products": 7,
        "list_view without name of the list: no page": 8,
        "list_view without domain_userid: no visitor": 9,
        "promotion events, which are not mapped: promo_view": 10,
        "events of no kind that Reshelf counts: page_ping": 11,
    },
    "shopify": {
        "collection_viewed, which says what is in a collection and not in which slots it was seen": 6,
        "events of no kind that Reshelf counts: page_viewed": 7,
        "product_viewed without clientId: no visitor": 8,
        "checkout_completed without order.id": 9,
        "orders that were placed as a test": 12,
        "order without reshelf_unit in note_attributes: no visitor": 11,
        "checkout_completed with a product without the product's handle": 3,
        "refund without products": 10,
    },
}
"""Each reason of a dialect, and the line of its fixture where it is first given."""


def lines_of(dialect: str) -> Lines:
    return fixture(dialect).read_bytes().splitlines()


def imported(dialect: str, files: Sequence[Path], options: Options = OPTIONS) -> tuple[list[Stored], dict[str, Any]]:
    """The events of files in their order, and the report."""
    with tempfile.TemporaryDirectory() as folder:
        export = Export(dialect, options, Path(folder))
        export.read(files, lambda: None)
        return list(export.events()), export.as_json()


def of_parts(dialect: str, parts: Iterable[Lines]) -> tuple[list[Stored], dict[str, Any]]:
    """The same of lines, each part in a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, lines in enumerate(parts):
            files.append(Path(folder) / f"{number}.jsonl")
            files[-1].write_bytes(b"".join(line + b"\n" for line in lines))
        return imported(dialect, files)


@pytest.mark.parametrize("dialect", NAMES)
def test_each_row_is_counted_once_and_each_event_fits(dialect: str) -> None:
    events, report = imported(dialect, [fixture(dialect)])
    mapped = report["rows"] - sum(report["left_out"].values())
    assert report["rows"] == len(lines_of(dialect))
    assert report["events"] == COUNTS[dialect]
    assert mapped <= sum(report["events"].values())
    assert set(report["examples"]) == {*report["left_out"], *report["dropped"]} == set(REASONS[dialect])
    for reason, line in REASONS[dialect].items():
        assert f"{dialect}.jsonl, line {line}" in report["examples"][reason]
        assert report["next"][reason]
    assert [event.occurred_at for event in events] == sorted(event.occurred_at for event in events)
    for event in events:
        message = decoder(next(kind for kind, topic in TOPIC_OF.items() if topic is event.topic))(event.value.encode())
        assert (message.unit, message.occurred_at) == (event.unit, event.occurred_at)


@given(st.sampled_from(NAMES), st.randoms(use_true_random=False), st.integers(1, 4), st.booleans())
def test_cut_and_order_of_the_files_do_not_matter(dialect: str, rng: random.Random, count: int, twice: bool) -> None:
    lines = lines_of(dialect)
    events, report = of_parts(dialect, [lines])
    others = lines * 2 if twice else lines[:]
    rng.shuffle(others)
    again, report_again = of_parts(dialect, [others[number::count] for number in range(count)])
    assert again == events
    times = 2 if twice else 1
    for name in ("left_out", "dropped", "changed", "events", "mapped"):
        assert report_again[name] == {key: value * times for key, value in report[name].items()}
    total = sum(report["events"].values())
    assert (report_again["repeated"] - report["repeated"] * times) in (0, total - report["repeated"])


def test_a_refund_of_the_back_office_has_the_visitor_of_its_order() -> None:
    events, report = imported("shopify", [fixture("shopify")])
    returns = {
        event.order_id: event.unit
        for event in (decoder(Return)(each.value.encode()) for each in events if each.topic is RETURNS)
    }
    assert returns == {"5001": "c-1", "5002": "c-2"}
    assert [each.unit for each in events if each.topic is PURCHASES] == ["c-1", "c-2"]
    assert report["repeated"] == 1
    assert report["changed"] == {"rows without a visitor, who is that of the same order in another row": 1}
    assert report["left_out"]["order without reshelf_unit in note_attributes: no visitor"] == 1


def test_packed_files_and_parquet_are_read_as_plain_ones(tmp_path: Path) -> None:
    plain, _ = imported("ga4", [fixture("ga4")])
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + fixture("ga4").read_bytes()))
    assert imported("ga4", [tmp_path / "packed.gz"])[0] == plain
    table = pa.Table.from_pylist([_typed(row) for row in objects("ga4")])
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=7)
    events, report = imported("ga4", [tmp_path / "rows.parquet"])
    assert events == plain
    assert report["examples"]["events of no kind that Reshelf counts: page_view"].endswith("rows.parquet, row 9")


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the table has it: numbers as numbers, and values under the names of their types."""
    row = msgspec.json.decode(msgspec.json.encode(row))
    for name in ("event_timestamp", "event_bundle_sequence_id"):
        row[name] = int(row[name]) if name in row else None
    row.setdefault("ecommerce", None)
    for param in row.get("event_params", []):
        if "int_value" in param["value"]:
            param["value"]["int_value"] = int(param["value"]["int_value"])
    return row


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (gzip.compress(b"{}\n" * 1000, mtime=0)[:-12], "cut.bin: expected a file that can be read to its end"),
        (b"PAR1" + b"x" * 40, "cut.bin, after row 0: expected Parquet"),
        (b"", "no row can be imported\n0 rows"),
        (b'{\n  "event_name": "purchase"\n}\n', "left out: 3 lines that are no JSON"),
        (b"event_name\tuser\tdate\nx\ty\tz\n", "is a row of values between tabs"),
        (b'{"event_name": "page_view"}\n', "events of no kind that Reshelf counts: page_view"),
    ],
    ids=["cut short", "no Parquet", "empty", "one object over lines", "tabs", "of no kind"],
)
def test_files_of_another_kind_are_explained(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "cut.bin").write_bytes(content)
    with pytest.raises(BadSettings) as caught:
        imported("ga4", [tmp_path / "cut.bin"])
    assert complaint in str(caught.value)


def test_lists_and_lines_without_an_end(tmp_path: Path) -> None:
    """A list in a line is a row for each element; a line that is too long is one reason, and the next is read."""
    good, bad = lines_of("snowplow")[:2]
    (tmp_path / "f").write_bytes(b"[" + good + b", 7]\n" + b"x" * 17_000_000 + b"\n\n" + bad)
    events, report = imported("snowplow", [tmp_path / "f"])
    assert [event.topic for event in events] == [IMPRESSIONS, CLICKS]
    assert report["left_out"] == {"lines that hold no JSON object": 1, "lines of more than 16,000,000 bytes": 1}
    assert report["examples"]["lines that hold no JSON object"].endswith("f, line 1, element 2")
    assert report["examples"]["lines of more than 16,000,000 bytes"].endswith("f, line 2")


def test_reasons_are_as_many_as_can_be_read(tmp_path: Path) -> None:
    """However many names of events there are."""
    others = [json.dumps({"event_name": f"own_{number}\x1b[31m"}).encode() for number in range(1_000)]
    events, report = of_parts("ga4", [[*others, lines_of("ga4")[0]]])
    assert len(events) == 2
    assert len(report["left_out"]) == MOST_NAMES + 1
    assert report["left_out"]["others"] == 1_000 - MOST_NAMES
    assert all(reason.isprintable() for reason in report["left_out"])


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reshelf.datasets.exports.RUN", 1_000)
    row = objects("segment")[2]

    def peak(count: int) -> int:
        file = tmp_path / str(count)
        with file.open("wb") as target:
            for number in range(count):
                target.write(msgspec.json.encode(row | {"messageId": f"m-{number}"}) + b"\n")
        tracemalloc.start()
        with tempfile.TemporaryDirectory() as folder:
            export = Export("segment", OPTIONS, Path(folder))
            export.read([file], lambda: None)
            assert sum(1 for _ in export.events()) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(12_000) < 2 * peak(3_000)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    assert run(["import", "events", *arguments, "--json"]) == status, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


def test_a_check_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = answer(capsys, "--dialect", "snowplow", str(fixture("snowplow")), "--check", "--output", str(tmp_path / "o"))
    assert (said["events"], said["rows"]) == (COUNTS["snowplow"], 11)
    assert not (tmp_path / "o").exists()


def test_events_as_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    products = ["--products", str(FOLDER / "shopify-products.jsonl")]
    command = ["--dialect", "shopify", str(fixture("shopify")), "--output", str(folder), *products]
    said = answer(capsys, *command, "--learned", "--segment", "visitors")
    assert said["written"] == {
        "events-impressions": 1, "events-clicks": 1, "events-signals": 2, "events-purchases": 2, "events-returns": 2,
    }  # fmt: skip
    for kind, topic in TOPIC_OF.items():
        lines = (folder / f"{topic.name}.jsonl").read_bytes().splitlines()
        assert [decoder(kind)(line).unit for line in lines]
    click = json.loads((folder / "events-clicks.jsonl").read_text())
    assert (click["segment"], click["variant"]) == ("visitors", 0)
    assert run(["publish", str(folder / "events-returns.jsonl"), "--topic", "events-returns", "--check"]) == 0
    capsys.readouterr()
    assert "already: name another folder" in answer(capsys, *command, status=2)["error"]


def test_wrong_use_is_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = str(fixture("ga4"))
    said = answer(capsys, "--dialect", "ga4", file, "--products", file, status=2)
    assert "--products: expected with --dialect shopify" in said["error"]
    said = answer(capsys, "--dialect", "ga4", file, "--segment", "*", status=2)
    assert "which stands for all of them together" in said["error"]
    said = answer(capsys, "--dialect", "ga4", file, "--output", file, status=2)
    assert "which is a file" in said["error"]
    said = answer(capsys, "--dialect", "segment", file, "--check", status=2)
    assert "no row can be imported" in said["error"]


def test_signals_that_the_shop_does_not_count_are_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESHELF_FOLD__SIGNALS", '["view"]')
    said = answer(capsys, "--dialect", "segment", str(fixture("segment")), "--check")
    assert said["events"]["signals"] == 1
    assert said["left_out"]["Product Added: add-to-cart is none of fold.signals"] == 1


def test_importing_twice_counts_once(broker: str, prefix: str, tmp_path: Path) -> None:
    """A first import of a part is completed by the second; records have their own time and the unit's partition."""
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)

    def publish_all(files: list[Path]) -> tuple[dict[str, int], dict[str, int]]:
        with tempfile.TemporaryDirectory() as folder:
            export = Export("ga4", OPTIONS, Path(folder))
            export.read(files, lambda: None)
            return dict(publish(kafka, "ga4", export)), dict(export.held)

    part = tmp_path / "part"
    part.write_bytes(b"\n".join(lines_of("ga4")[:2]))
    assert publish_all([part]) == ({IMPRESSIONS.name: 2, CLICKS.name: 1}, {})
    expected = {IMPRESSIONS.name: 1, SIGNALS.name: 3, PURCHASES.name: 1, RETURNS.name: 1}
    assert publish_all([fixture("ga4")]) == (expected, {IMPRESSIONS.name: 2, CLICKS.name: 1})
    assert publish_all([fixture("ga4"), part])[0] == {}
    events, _ = imported("ga4", [fixture("ga4")])
    for topic in TOPIC_OF.values():
        with reader(kafka) as consumer:
            places = partitions(consumer, prefix + topic.name)
            messages = [message for message in to_the_end(consumer, places) if message.error() is None]
        stored = {(each.value.encode(), each.unit.encode(), each.occurred_at) for each in events if each.topic is topic}
        assert {(message.value(), message.key(), message.timestamp()[1]) for message in messages} == stored
        for message in messages:
            key = message.key()
            assert isinstance(key, bytes)
            assert message.partition() == partition_of(key, len(places))


def test_topics_of_live_traffic_are_refused(broker: str, prefix: str, tmp_path: Path) -> None:
    """They would stamp what is years old with the time of today, and learners refuse it as late."""
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    apply(kafka)
    export = Export("ga4", OPTIONS, tmp_path)
    export.read([fixture("ga4")], lambda: None)
    with pytest.raises(BadSettings, match=r"message\.timestamp\.type"):
        publish(kafka, "ga4", export)


def test_a_replay_counts_what_was_imported(
    broker: str, redis: Redis, redis_url: str, prefix: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The command as a shop gives it, and then the one that its answer ends with: the order is credited, too."""
    settings = {"KAFKA__BOOTSTRAP": broker, "KAFKA__PREFIX": prefix, "REDIS__URL": redis_url}
    for name, value in settings.items():
        monkeypatch.setenv(f"RESHELF_{name}", value)
    options = ["--dialect", "ga4", "--learned", "--items", "variants"]
    assert run(["import", "events", str(fixture("ga4")), *options]) == 0
    (first, line, *_) = (said := capsys.readouterr().out).splitlines()[:2]
    assert "9 events published" in first and line.startswith("  RESHELF_"), said
    words = line.split()
    command = words.index("reshelf") + 1
    for name, value in (word.split("=", 1) for word in words[: command - 1]):
        monkeypatch.setenv(name, value)
    assert run(words[command:]) == 0, capsys.readouterr()
    monkeypatch.setenv("RESHELF_REDIS__NAMESPACE", words[command + 2])
    capsys.readouterr()
    assert run(["state", "export", "--format", "csv"]) == 0
    header, *rows = (line.split(",") for line in capsys.readouterr().out.splitlines())
    names = ("page", "segment", "item", "slot", "impressions", "clicks", "conversions", "revenue")
    columns = [header.index(name) for name in names]
    assert sorted([row[column] for column in columns] for row in rows) == [
        ["Often bought", "all", "lamp-1", "0", "1", "0", "0", "0"],
        ["front", "new", "boot-1", "hero", "1", "0", "0", "0"],
        ["home", "all", "boot-1", "0", "1", "0", "0", "0"],
        ["home", "all", "boot-2", "", "0", "0", "1", "3998"],
        ["home", "all", "boot-2", "1", "1", "1", "0", "0"],
    ]
