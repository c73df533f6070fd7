"""The report: whole, self-contained, and right about what it draws."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis.asyncio
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from policy.experiments.sequence import Uplift
from reshelf.cli.main import run
from reshelf.inspect.experiment import Point, over_time
from reshelf.inspect.report.charts import WIDTH, Bar, Bounds, band, bars
from reshelf.inspect.report.page import uplift_over_time
from schemas.codec import encode
from schemas.messages.pages import Candidates, PageRules
from schemas.topics import CATALOG_ITEMS, DAY_MS, EVENT_TOPICS, PAGE_RULES
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.clients import confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings
from streams.state.alias import alias_key
from streams.state.arrays.tables import decode_bins
from streams.state.keys import group_of
from streams.state.manifest import agree, manifest_of
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.delivery import flush
from tests.streams.layout_inputs import item

NAMES = ["kettle", 'a "quoted" <b>item</b>', "tent"]
SLOTS = ["top", "left"]
VOID = {"meta"}


class Balanced(HTMLParser):
    """Fails on tags that do not match, and collects what is linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


FIGURES = st.floats(-1.0, 50.0) | st.sampled_from([math.nan, math.inf, -1.0])


@given(st.lists(st.builds(Bounds, st.floats(0.0, 2e12), FIGURES, FIGURES, FIGURES), max_size=8))
def test_every_point_lies_in_the_drawing(points: list[Bounds]) -> None:
    drawn = band(sorted(points), "uplift", 0.0)
    places = [float(number) for number in re.findall(r'(?:cx|cy|x1|x2|y1|y2)="([^"]+)"', drawn)]
    assert all(0.0 <= place <= WIDTH for place in places)
    known = [point for point in points if all(map(math.isfinite, point))]
    assert drawn.count("<circle") == (len(known) if len(known) > 1 else 0)


@given(st.text(max_size=40), st.floats(0.0, 1.0))
def test_names_cannot_break_out_of_a_drawing(name: str, value: float) -> None:
    parser = Balanced()
    parser.feed(bars([Bar(name, value / 2, value, min(1.0, value * 2), 0.5, name)], "posteriors"))
    assert parser.open == []


def test_uplift_over_time_adds_buckets_up_from_the_experiments_beginning() -> None:
    counts = decode_bins() + 100
    bins = {(start, traffic): counts for start in (0, 10, 20) for traffic in (Traffic.LEARNED, Traffic.HOLDOUT)}
    bins[20, Traffic.LEARNED] = counts * np.array([1, 1, 4, 4, 4, 4])
    found = over_time(bins, 10, 10, 0.95)["clicks"]
    assert [(point.since, point.until) for point in found] == [(10, 20), (10, 30)]
    assert [round(point.uplift.learned, 3) for point in found] == [1.0, 2.5]


def test_no_time_lies_ahead_of_the_report() -> None:
    up, now = Uplift(0.2, 0.1, 1.0, 0.5, 1.5), DAY_MS * 3 // 2
    drawn = uplift_over_time("clicks", [Point(0, DAY_MS, up), Point(0, 2 * DAY_MS, up)], now)
    assert "1970-01-02 12:00" in drawn and "1970-01-03" not in drawn


@pytest.fixture
def shop(
    broker: str,
    prefix: str,
    make_topics: Callable[..., None],
    redis: Redis,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page with counts; commands find it in their environment."""
    make_topics(broker)
    producer = Producer(confluent_producer_config(KafkaSettings(bootstrap=broker, prefix=prefix)))
    rules = PageRules("home", 1, SLOTS, candidates=Candidates(items=NAMES))
    producer.produce(prefix + PAGE_RULES.name, encode(rules), b"home")
    for name in NAMES:
        producer.produce(prefix + CATALOG_ITEMS.name, encode(item(name)), name.encode())
    flush(producer)
    asyncio.run(_count(redis_url, prefix))
    for key, value in {"KAFKA__BOOTSTRAP": broker, "KAFKA__PREFIX": prefix, "REDIS__URL": redis_url}.items():
        monkeypatch.setenv(f"RESHELF_{key}", value)


async def _count(url: str, prefix: str) -> None:
    delta = GroupDelta()
    for traffic in (Traffic.LEARNED, Traffic.HOLDOUT):
        shown = {(name, slot): 1_000 for name in NAMES for slot in SLOTS}
        clicked = {(name, slot): 20 * (1 + at) for at, name in enumerate(NAMES) for slot in SLOTS}
        delta.tables[TableKey("home", "*", 0, traffic)] = TableDelta({"impressions": shown, "clicks": clicked})
        learned = traffic is Traffic.LEARNED
        delta.bins[TableKey("home", "*", 0, traffic)] = {
            at: [90 if learned else 10, 9 if learned else 1, 9 + at % 3 if learned else 1 + at % 2, 1, 70]
            for at in range(256)
        }
    async with redis.asyncio.Redis.from_url(url) as client:
        starts = {topic.name: [0] * 4 for topic in EVENT_TOPICS}
        await agree(client, manifest_of("live", prefix, starts, 16, FoldSettings()))
        move = GroupUpdate(group_of("home", "*", 16), 0, Watermark(1), delta)
        await Store(client, "live", 16).apply(TopicPartition("events-clicks", 0), 0, [move])


def test_the_page_is_whole_and_needs_no_network(shop: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.html"
    assert run(["report", str(target), "--json", "--policy", "served"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["pages"] == ["home"]
    assert told["notes"][0].startswith("Policy served was not valued: no page view")
    text = target.read_text()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert all(link.startswith("#") for link in parser.links)
    assert "url(" not in text and "@import" not in text
    assert "<b>item</b>" not in text
    assert "prior 2.00%" in text and "€0." in text
    assert re.search(r"<h3>Uplift of clicks</h3><p>[^<]+ since 1970-01-01 00:00</p>", text)
    assert "2,304 units learned, 256 in the holdout of 10.0%" in text


def test_a_page_without_counts_overwrites_nothing(
    shop: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.html"
    target.write_text("as it was")
    assert run(["report", str(target), "--page", "nosuch"]) == 1
    assert "page 'nosuch' has no counts, so nothing was written" in capsys.readouterr().err
    assert target.read_text() == "as it was"


def test_state_is_read_where_the_name_leads(
    shop: None, redis: Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    redis.set(alias_key("before"), "live")
    monkeypatch.setenv("RESHELF_REDIS__NAMESPACE", "before")
    assert run(["experiment", "status", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["pages"]) == ["home"]
    assert run(["report", str(tmp_path / "report.html"), "--no-log"]) == 0
    assert "State live, made" in (tmp_path / "report.html").read_text()


def test_an_unknown_policy_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path / "r.html"), "--policy", "best"]) == 2
    assert "--policy: expected some of served" in capsys.readouterr().err
