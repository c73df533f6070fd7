"""A log in Kafka is evaluated, exported and followed by the commands."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer
from redis import Redis

from policy.evaluation.estimators import ESTIMATORS
from reshelf.cli.main import run
from reshelf.datasets.open_bandit import OpenBandit
from reshelf.evaluation.export import COLUMNS
from reshelf.evaluation.follow import Running, follow
from schemas.codec import encode, encode_key
from schemas.messages.events import Click, Conversion, Impression
from schemas.messages.fields import BASELINE
from schemas.messages.pages import Candidates, PageRules
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, CLICKS, CONVERSIONS, IMPRESSIONS, LAYOUTS_HISTORY, PAGE_RULES
from streams.kafka.clients import confluent_producer_config
from streams.settings import FoldSettings, KafkaSettings
from tests.delivery import flush
from tests.reshelf.decision_logs import EVENTS, ITEMS, LAYOUTS, NOW, SLOTS, Kinds, joined
from tests.reshelf.environments import use_servers
from tests.reshelf.plain_evaluation import rows
from tests.streams.layout_inputs import item
from tests.streams.namespaces import make_namespace


@pytest.fixture
def shop(
    broker: str,
    redis: Redis,
    redis_url: str,
    prefix: str,
    make_topics: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> KafkaSettings:
    """A broker whose topics hold a page, its layouts and visits; commands find it in their environment."""
    make_topics(broker)
    make_namespace(redis_url, prefix)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    names: dict[type, Topic] = {Impression: IMPRESSIONS, Click: CLICKS, Conversion: CONVERSIONS}
    messages: Kinds = {LAYOUTS_HISTORY: [("", one) for one in LAYOUTS], PAGE_RULES: [], CATALOG_ITEMS: []}
    messages[PAGE_RULES].append(("home", PageRules("home", 1, SLOTS, candidates=Candidates(items=ITEMS))))
    messages[CATALOG_ITEMS] += [(name, item(name)) for name in ITEMS]
    for event in EVENTS:
        messages.setdefault(names[type(event)], []).append((event.unit, event))
    producer = Producer(confluent_producer_config(kafka))
    for topic, some in messages.items():
        for name, message in some:
            key = encode_key(topic, "home", "cooks") if topic is LAYOUTS_HISTORY else name.encode()
            producer.produce(prefix + topic.name, encode(message), key, timestamp=NOW)
    flush(producer)
    use_servers(monkeypatch, broker, redis_url, prefix)
    return kafka


def test_a_log_is_evaluated_and_exported(
    shop: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> dict[str, Any]:
        assert run([*arguments, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    for policy in ("shadow", "uniform"):
        page = told("evaluate", "--policy", policy)["pages"]["home"]
        assert (page["views"], page["layouts"]) == (600, 2)
        assert [found["estimator"] for found in page["estimates"]["clicks"]] == list(ESTIMATORS)
        assert not any(found["refused"] for found in page["estimates"]["clicks"])
    assert run(["evaluate", "--policy", "greedy"]) == 0
    text = capsys.readouterr().out
    assert "item-position" in text
    assert "cluster-corrected: 3 items in 3.0 clusters on average" in text

    written = told("log", "export", str(tmp_path / "log"))
    table = pq.read_table(tmp_path / "log")
    assert table.column_names == list(COLUMNS)
    assert table.to_pylist() == list(rows(joined().views))
    assert (written["files"], written["rows"]) == (1, table.num_rows) == (1, 1_200)

    assert run(["log", "export", str(tmp_path / "log")]) == 2
    assert "log, which is there already. Name another." in capsys.readouterr().err

    written = told("log", "export", str(tmp_path), "--format", "open-bandit")
    data = OpenBandit(tmp_path, "home", "thompson", "user_feature_0")
    with data.log_file.open(newline="") as file:
        clicked = sum(int(row["click"]) for row in csv.DictReader(file))
    learned = [view for view in joined().views if view.variant != BASELINE]
    assert clicked == sum(outcome.clicks > 0 for view in learned for outcome in view.outcomes.values())
    assert written["rows"] == 2 * len(learned)
    assert len(list(data.catalog())) == len(ITEMS)


def test_mistakes_are_told_in_words(shop: KafkaSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--policy", "best"]) == 2
    assert "--policy: expected one of served" in capsys.readouterr().err
    assert run(["evaluate", "--policy", "served", "--page", "away"]) == 1
    assert "no page view of away" in capsys.readouterr().err


def test_a_log_is_followed(shop: KafkaSettings) -> None:
    running = Running("shadow", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), settle_ms=1_000)
    found = next(follow(shop, running, 0.2)).answer(0.95)
    assert found["pages"]["home"]["views"] == 600
    assert len(found["pages"]["home"]["estimates"]["revenue"]) == len(ESTIMATORS)
    assert run(["evaluate", "--policy", "greedy", "--follow"]) == 2
