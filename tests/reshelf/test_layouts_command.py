"""`reshelf layouts` against a broker."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import islice

import msgspec
import pytest
from confluent_kafka import Producer
from rich.console import Console

from reshelf.inspect.layouts_topic import follow, heading, newest, rows_table, slots_table
from schemas import export
from schemas.codec import decoder, encode, encode_key
from schemas.errors import Transient
from schemas.messages.layouts import Layout, LayoutLife
from schemas.topics import LAYOUT_LIVES, LAYOUTS
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings
from tests.delivery import flush

NOW_MS = 1_790_000_000_000
"""When layouts are shown; what reads a real clock gets them with a time to expire of its own."""


def layout(segment: str, version: int, expires_at: int = NOW_MS + 600_000) -> Layout:
    return Layout(
        page="home",
        segment=segment,
        version=version,
        produced_at=NOW_MS - 1_500,
        expires_at=expires_at,
        epoch=1,
        template="default",
        policy="thompson",
        settings_digest="d",
        rules_version=1,
        parameters_version=0,
        catalog_position=[0],
        watermarks={},
        holdout_share=0.1,
        holdout_salt="h",
        baseline={"home-1": "kettle", "home-2": "tent"},
        slates=[{"home-1": "tent", "home-2": "kettle"}, {"home-1": "atlas", "home-2": "kettle"}],
        propensities={"home-1": {"atlas": 0.5, "tent": 0.5}, "home-2": {"kettle": 1.0}},
    )


@pytest.fixture
def kafka_with_layouts(broker: str, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    """Newer and older versions in one topic, one key deleted again, and one value that is no layout."""
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    producer = Producer(confluent_producer_config(kafka))
    for segment, value in (
        ("cooks", encode(layout("cooks", 7))),
        ("cooks", encode(layout("cooks", 9))),
        ("cooks", encode(layout("cooks", 8))),
        ("gone", encode(layout("gone", 1))),
        ("gone", None),
        ("broken", b"{"),
        ("*", encode(msgspec.structs.replace(layout("*", 3, expires_at=NOW_MS - 1), life="live/0/1"))),
    ):
        producer.produce(prefix + LAYOUTS.name, value, encode_key(LAYOUTS, "home", segment))
    for value in (encode(LayoutLife("live/0/1", NOW_MS, NOW_MS + 5)), b"{"):
        producer.produce(prefix + LAYOUT_LIVES.name, value, b"live/0/1")
    flush(producer)
    return kafka


COMMAND = (sys.executable, "-m", "reshelf", "layouts")


def environment(kafka: KafkaSettings) -> dict[str, str]:
    return os.environ | {"RESHELF_KAFKA__BOOTSTRAP": kafka.bootstrap, "RESHELF_KAFKA__PREFIX": kafka.prefix}


def reshelf(kafka: KafkaSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, env=environment(kafka), capture_output=True, text=True, timeout=60, check=False)


def test_the_newest_of_each_key_is_kept(kafka_with_layouts: KafkaSettings) -> None:
    found = newest(kafka_with_layouts)
    assert {key: one.version for key, one in found} == {("home", "*"): 3, ("home", "cooks"): 9}


def test_following_begins_with_what_is_there_and_goes_on(kafka_with_layouts: KafkaSettings) -> None:
    later = follow(kafka_with_layouts)
    assert {(one.version, expires_at - NOW_MS) for one, expires_at in islice(later, 2)} == {(3, 5), (9, 600_000)}
    producer = Producer(confluent_producer_config(kafka_with_layouts))
    for version in (5, 10):
        name = kafka_with_layouts.prefix + LAYOUTS.name
        producer.produce(name, encode(layout("cooks", version)), encode_key(LAYOUTS, "home", "cooks"))
    flush(producer)
    assert next(later)[0].version == 10


def test_a_layout_reads_well() -> None:
    text = io.StringIO()
    Console(file=text, width=100).print(slots_table(layout("cooks", 9), {"tent": "Tent for two"}))
    first, *rows = text.getvalue().splitlines()
    assert "slot" in first
    assert [row.split() for row in rows[-3:]] == [
        ["home-1", "atlas", "50%", "kettle"],
        ["tent", "50%", "Tent", "for", "two"],
        ["home-2", "kettle", "100%", "tent"],
    ]
    assert "version 9, made 1.5 s ago, expires in 600 s, thompson with 2 variants" in heading(
        layout("cooks", 9), NOW_MS + 600_000, NOW_MS
    )
    assert "expired" in heading(layout("cooks", 9), NOW_MS, NOW_MS)


def test_rows_are_shown_with_their_shelves() -> None:
    arranged = decoder(Layout)((export.EXAMPLES / "layout.shelves.json").read_bytes())
    text = io.StringIO()
    Console(file=text, width=100).print(rows_table(arranged))
    assert [row.split() for row in text.getvalue().splitlines()[-5:]] == [
        ["top", "shoe-week", "100%", "shoe-week"],
        ["row-1", "best", "75%", "new", "Best", "sellers"],
        ["new", "25%", "New", "in"],
        ["row-2", "new", "75%", "best", "New", "in"],
        ["best", "25%", "Best", "sellers"],
    ]
    assert rows_table(layout("cooks", 9)).row_count == 0


def test_command_line(kafka_with_layouts: KafkaSettings) -> None:
    listed = json.loads(reshelf(kafka_with_layouts, "--json").stdout)["layouts"]
    assert [(one["page"], one["segment"], one["version"]) for one in listed] == [("home", "*", 3), ("home", "cooks", 9)]
    shown = reshelf(kafka_with_layouts, "home", "cooks")
    assert shown.returncode == 0
    assert "atlas   50%" in shown.stdout
    missing = reshelf(kafka_with_layouts, "home", "campers")
    assert missing.returncode == 1
    assert "no layout for page 'home' and segment 'campers'. Published are: home *, home cooks" in missing.stderr


def test_a_page_without_layouts_is_told(kafka_with_layouts: KafkaSettings) -> None:
    unknown = reshelf(kafka_with_layouts, "typo")
    assert unknown.returncode == 1
    assert "no layouts of page 'typo'. Published are those of: home" in unknown.stderr
    with subprocess.Popen(
        [*COMMAND, "home", "nosuch", "--follow"], env=environment(kafka_with_layouts), stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "No layout of home for nosuch is published. Waiting for one.\n"
        assert waiting.poll() is None
        waiting.kill()


def test_a_missing_topic_says_what_to_do(broker: str) -> None:
    with pytest.raises(Transient, match="reshelf topics apply"):
        newest(KafkaSettings(bootstrap=broker, prefix="nothing-here-"))
