"""Feeds that shops have already become items; what does not fit is dropped or left out, and said."""

from __future__ import annotations

import io
import tracemalloc
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reshelf.cli.main import run
from reshelf.feeds import FORMATS, FeedReport
from reshelf.feeds.values import price, time
from reshelf.topics.lines import Shop
from reshelf.topics.publish import check
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.topics import CATALOG_ITEMS

FEEDS = Path(__file__).parent / "feeds"
SHOP = Shop(ZoneInfo("Europe/Berlin"), "EUR")


def read(form: str, content: bytes, shop: Shop = SHOP) -> tuple[dict[str, CatalogItem], FeedReport]:
    report = FeedReport()
    lines = list(FORMATS[form](io.BytesIO(content), "f", shop, report))
    items = [msgspec.json.decode(line, type=CatalogItem) for line in lines]
    if lines:
        assert check(io.BytesIO(b"\n".join(lines)), CATALOG_ITEMS, "f", shop).total == report.items == len(items)
    return {item.item: item for item in items}, report


def of_file(name: str, shop: Shop = SHOP) -> tuple[dict[str, CatalogItem], FeedReport]:
    return read(name.replace(".", "-"), (FEEDS / name).read_bytes(), shop)


def test_google_xml() -> None:
    items, report = of_file("google.xml")
    assert items == {
        "boot-1": CatalogItem(
            "boot-1", "Ridge boot", "Warm & dry", "Shoes > Boots", "Nordfell", 9_990, "EUR",
            tags=["new"], attributes={"color": "brown"}, margin=0.5, available_until=1_798_131_600_000,
            image="https://shop.example/boot-1.jpg",
        ),
        "lamp-1": CatalogItem("lamp-1", "Lamp", price=2_000, available_from=1_799_103_600_000),
    }  # fmt: skip
    assert report.left_out == {"with a price that cannot be read": 1, "without item": 1}
    assert report.examples["with a price that cannot be read"] == (
        "line 34, id 'bad-1': expected a price like 12.99 EUR, got 'about ten'"
    )
    assert report.dropped == {
        "link": 1, "shipping": 1, "sale_price for a time": 1,
    }  # fmt: skip
    assert (report.mapped["id → item"], report.mapped["price → price"]) == (3, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_google_tsv_however_it_is_encoded(encoding: str) -> None:
    text = (FEEDS / "google.tsv").read_text(encoding="utf-8")
    items, report = read("google-tsv", text.encode(encoding), SHOP._replace(currency="JPY"))
    assert items == {
        "mug-1": CatalogItem(
            "mug-1", 'Mug, "big"', "Ä mug", price=1_200, currency="JPY", tags=["gift"],
            family="mugs",
        ),
        "mug-2": CatalogItem("mug-2", "Mug 2", price=13, currency="JPY", available=False),
    }  # fmt: skip
    assert report.left_out == {"with more values than columns": 1}
    assert report.dropped == {"link": 1}


def test_shopify_csv() -> None:
    items, report = of_file("shopify.csv")
    assert items["tee"] == CatalogItem(
        "tee", "Plain tee", "Soft, heavy cotton", "Shirts", "Nordfell", 2_000, tags=["cotton", "summer"], margin=0.75,
        image="https://x/1.jpg",
    )  # fmt: skip
    assert {name: item.available for name, item in items.items()} == {
        "tee": True, "gift": True, "old": False, "sold": False,
    }  # fmt: skip
    assert (report.changed, report.left_out) == ({"variants joined to one item": 1}, {})
    assert report.dropped == {"image src": 1, "option1 name": 1, "option1 value": 2}
    newer = (FEEDS / "shopify.csv").read_text(encoding="utf-8")
    for old, new in (("Handle", "URL handle"), ("Body (HTML)", "Description"), ("Variant Price", "Price")):
        newer = newer.replace(old, new, 1)
    assert read("shopify-csv", newer.encode())[0] == items


def test_shopify_jsonl() -> None:
    items, report = of_file("shopify.jsonl")
    assert items == {
        "tee": CatalogItem(
            "tee", "Plain tee", "Soft", "Shirts", "Nordfell", 2_000, tags=["cotton"], created_at=1_793_520_000_000,
            image="https://x/7.jpg",
        ),
        "hat": CatalogItem("hat", "Hat", "", "Hats", "Shop", 1_000, tags=["wool", "red"], available=False, image="https://x/h.jpg"),
    }  # fmt: skip
    assert report.left_out == {"lines whose product is not right before them": 1}
    assert report.dropped == {"totalInventory": 1, "lines of a product that are no variants": 1}


BOMB = b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rss><item><id>&b;</id></item></rss>'
FILE = b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]><rss><item><id>&a;</id></item></rss>'


@pytest.mark.parametrize(
    ("form", "content", "said"),
    [
        ("google-xml", BOMB, "a document type or entity is not read"),
        ("google-xml", FILE, "a document type or entity is not read"),
        ("google-xml", b"<rss>" * 30, "nested too deeply"),
        ("google-xml", b"<rss><item>" + b"<a/>" * 3_000, "expected at most 2,000 elements"),
        ("google-xml", b"<rss><item><id>" + b"x" * 1_100_000, "expected a value of at most 1,000,000"),
        ("google-xml", b"<rss><item>", "line 1: expected XML, got: no element found"),
        ("google-xml", b"\x1f\x8bx", "it is compressed by gzip"),
        ("google-xml", b'{"item":"a"}', "expected XML, got"),
        ("google-tsv", b"id,title\na,b\n", "expected names of columns between tabs"),
        ("google-tsv", b"id\ttitle\na\tB\xe4r\n", "is not UTF-8 from byte"),
        ("shopify-csv", b'Handle,Title\na,"b\n', "line 2: expected values with quotes closed"),
        ("shopify-csv", b"a," * 2_000, "expected at most 1000 columns"),
        ("shopify-jsonl", b"[1]\n", "line 1: expected a product as JSON"),
        ("shopify-jsonl", b"<rss/>", "it is XML"),
        ("shopify-jsonl", b"x" * 17_000_000, "expected at most 16,000,000 bytes in a line"),
    ],
)
def test_what_is_no_such_feed_is_named(form: str, content: bytes, said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        read(form, content)
    assert said in str(refused.value)


class Endless(io.RawIOBase):
    """A feed of many products that is never whole in memory."""

    def __init__(self, count: int) -> None:
        self._pieces: Iterator[bytes] = (
            b"<item><id>%d</id><title>t</title><description>%s</description></item>" % (at, b"x" * 5_000)
            for at in range(count)
        )
        self._rest = b"<rss><channel>"

    def read(self, size: int = -1) -> bytes:
        piece, self._rest = self._rest, next(self._pieces, b"")
        return piece


def test_a_feed_of_any_size_takes_little_memory() -> None:
    tracemalloc.start()
    try:
        file: BinaryIO = Endless(400)  # type: ignore[assignment]
        with pytest.raises(BadSettings, match="no element found"):
            deque(FORMATS["google-xml"](file, "f", SHOP, FeedReport()), maxlen=0)
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.99 EUR", (1_299, "EUR")),
        ("12,99 EUR", (1_299, "EUR")),
        ("EUR 12", (1_200, "EUR")),
        ("1200 JPY", (1_200, "JPY")),
        ("1.234 KWD", (1_234, "KWD")),
        ("5", (500, "EUR")),
        ("0.1", (10, "EUR")),
    ],
)
def test_prices(text: str, expected: tuple[int, str]) -> None:
    assert price(text, "EUR") == expected
    for wrong in ("1,299 EUR", "1.299,00", "-3", "", "12.99 EURO", "1e9"):
        with pytest.raises(ValueError, match="expected a price"):
            price(wrong, "EUR")


@pytest.mark.parametrize("text", ["2026-12-01T06:00+0100", "2026-12-01 05:00:00 UTC", "2026-12-01 06:00:00 +0100"])
def test_times(text: str) -> None:
    assert time(text, ZoneInfo("Asia/Tokyo")) == 1_796_101_200_000


@settings(max_examples=60)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_hostile_feeds_end_with_items_or_one_refusal(form: str, data: Any) -> None:
    """Whatever is in a feed, an item that comes out fits, and nothing else than a refusal is raised."""
    whole = (FEEDS / form.replace("-", ".")).read_bytes()
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    content = whole[:begin] + data.draw(st.binary(max_size=20)) + whole[end:]
    try:
        _, report = read(form, content)
    except BadSettings:
        return
    assert report.lines() is not None


def test_publish_takes_a_feed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["publish", str(FEEDS / "google.xml"), "--topic", "catalog-items", "--format", "google-xml", "--check"]
    assert run([*command, "--json"]) == 0
    answer = msgspec.json.decode(capsys.readouterr().out)
    assert (answer["published"], answer["checked"], answer["feed"]["left_out"]["without item"]) == (0, 2, 1)
    assert run(command) == 0
    assert "left out: 1 with a price that cannot be read; the first: line 34" in capsys.readouterr().out
    assert run([*command[:3], "events-clicks", *command[4:]]) == 2
    empty = tmp_path / "empty.xml"
    empty.write_text("<rss><item><id>a</id></item></rss>")
    assert run(["publish", str(empty), *command[2:]]) == 2
    assert "no product can be published\nmapped: id → item (1)\nleft out: 1 without title" in capsys.readouterr().err


def test_a_report_of_any_number_of_reasons_can_be_read() -> None:
    """Beyond the first two hundred they are counted together, with the first of them as the example."""
    report = FeedReport()
    for number in range(300):
        report.leave_out(f"reason {number}", f"line {number}")
    assert report.left_out["others"] == 100
    assert "left out: 100 others; the first: line 200" in report.lines()
    assert len(report.examples) == len(report.left_out) == 201
