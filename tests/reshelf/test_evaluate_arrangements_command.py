"""A log of a page with shelves in Kafka is asked what other arrangements would have earned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from confluent_kafka import Producer
from redis import Redis

from policy.evaluation.shelves import Arrangements, ShelfEvidence, exchanged
from reshelf.cli.main import run
from schemas.codec import encode, encode_key
from schemas.messages.events import Click, Impression
from schemas.messages.pages import PageRules
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, CLICKS, IMPRESSIONS, LAYOUTS_HISTORY, PAGE_RULES
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings
from tests.delivery import flush
from tests.reshelf.arranged_logs import arranged_log, plain_parts, plain_shares
from tests.reshelf.decision_logs import NOW
from tests.reshelf.environments import use_servers
from tests.streams.layout_inputs import item
from tests.streams.namespaces import make_namespace

LOG = arranged_log(900)
FLAT = PageRules("start", 1, ["top"])


@pytest.fixture
def shop(
    broker: str,
    redis: Redis,
    redis_url: str,
    prefix: str,
    make_topics: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> KafkaSettings:
    """A broker whose topics hold a page with shelves and one without, layouts and visits."""
    make_topics(broker)
    make_namespace(redis_url, prefix)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    produce(kafka, PAGE_RULES, ((page.page.encode(), page) for page in (LOG.rules, FLAT)))
    produce(kafka, CATALOG_ITEMS, ((name.encode(), item(name)) for name in LOG.items))
    keys = [encode_key(LAYOUTS_HISTORY, "home", layout.segment) for layout in LOG.layouts]
    produce(kafka, LAYOUTS_HISTORY, zip(keys, LOG.layouts, strict=True))
    for topic, kind in ((IMPRESSIONS, Impression), (CLICKS, Click)):
        produce(kafka, topic, ((event.unit.encode(), event) for event in LOG.events if type(event) is kind))
    use_servers(monkeypatch, broker, redis_url, prefix)
    return kafka


def produce(kafka: KafkaSettings, topic: Topic, messages: Iterable[tuple[bytes, Any]]) -> None:
    producer = Producer(confluent_producer_config(kafka))
    for key, message in messages:
        producer.produce(kafka.prefix + topic.name, encode(message), key, timestamp=NOW)
    flush(producer)


def test_the_command_says_what_the_function_says(shop: KafkaSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--page", "home", "--exchange", "row-0", "row-2", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    served = plain_shares(LOG, lambda rows: rows)
    target = plain_shares(LOG, lambda rows: exchanged(rows, 0, 2))
    estimate = ShelfEvidence.of(LOG.page, plain_parts(LOG)).estimate(Arrangements(served, target))
    check, exchange = content["arrangements"]
    assert (check["arrangement"], exchange["arrangement"]) == ("served", "exchange row-0 row-2")
    for name in ("value", "low", "high", "gain", "gain_low", "gain_high"):
        assert exchange[name] == pytest.approx(getattr(estimate, name), rel=1e-6)
    assert {*exchange["segments"]} == {"s0", "s1"}


def test_without_options_it_is_the_declared_order_and_all_templates(
    shop: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "--page", "home", "--json"]) == 0
    answers = {answer["arrangement"]: answer for answer in json.loads(capsys.readouterr().out)["arrangements"]}
    assert list(answers) == ["served", "declared order", "template short", "template narrow", "template lower"]
    assert "reshelf experiment branches" in answers["template lower"]["refused"]
    assert answers["template short"]["gain"] < 0.0
    assert answers["template narrow"]["gain"] < answers["template short"]["gain"]
    assert run(["evaluate", "--page", "home", "--declared", "--template", "lower", "--segments"]) == 0
    text = capsys.readouterr().out
    assert "outside the holdout" in text
    assert "refused: template lower: 100.0% of the arrangement's looks are at rows with more or fewer rows" in text
    assert text.count("  s0") == 4


def test_mistakes_are_told_in_words(shop: KafkaSettings, capsys: pytest.CaptureFixture[str]) -> None:
    for options, status, expected in (
        ([], 2, "--policy: expected a policy, or --page with a page that has shelves, got neither"),
        (["--page", "start"], 2, "page 'start' has no shelves"),
        (["--page", "away"], 1, "--page: expected one of the pages of page-rules (home, start), got 'away'"),
        (["--page", "home", "--pin", "shelf-9=row-0"], 2, "--pin: expected one of the shelves"),
        (["--page", "home", "--policy", "served", "--declared"], 2, "--declared: expected no --policy beside it"),
        (["--page", "home", "--follow"], 2, "--exploration and --follow: expected a --policy beside them"),
    ):
        assert run(["evaluate", *options]) == status
        assert expected in capsys.readouterr().err
    assert run(["evaluate", "--page", "home", "--policy", "served"]) == 1
    assert "`reshelf evaluate --page home` without --policy" in capsys.readouterr().err
