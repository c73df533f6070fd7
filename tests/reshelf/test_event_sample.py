"""Doctor, console and `experiment status` say of the last events what spoils figures without a sign."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from policy.assignment import in_holdout
from reshelf.cli.evaluation.experiment import _sides
from reshelf.doctor.events import event_findings, look_at_events
from reshelf.inspect.event_sample import TopicSample, faults, sample_as_json, sample_events
from reshelf.inspect.experiment import sides_as_json
from reshelf.settings import Settings
from schemas.messages.events import Click, Impression, Purchase, PurchaseLine, SlotItem
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES
from streams.kafka.clients import confluent_producer_config, partition_of
from streams.kafka.event_checks import SOURCE_HEADER
from streams.settings import KafkaSettings
from tests.delivery import flush

PARTITIONS, UNITS = 4, 100


def send(kafka: KafkaSettings) -> int:
    """A shop with a good web tier, a checkout with librdkafka's own partitioner, and a renderer that draws anew.

    How many purchases are not where they should be.
    """
    good = Producer(dict(confluent_producer_config(kafka)))
    other = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "consistent_random"})
    now, salt, share, misplaced = round(time.time() * 1000), "holdout-1", 0.1, list[bool]()
    for number in range(UNITS):
        unit, view = f"unit-{number}", f"v{number}"
        drawn = in_holdout(f"{unit} {number}", salt, share)
        shown = Impression(f"e{number}", now, unit, "home", "s", view, 1, -1 if drawn else 0, [SlotItem("top", "i")])
        fine = msgspec.structs.replace(
            shown, event_id=f"f{number}", page="cart", variant=-1 if in_holdout(unit, salt, share) else 3
        )
        clicked = Click(f"c{number}", now + 240_000, unit, "home", "s", "top", "i", view, 1, 0)
        bought = Purchase(f"p{number}", now, unit, f"o{number}", "EUR", [PurchaseLine("i", 1, 5)])
        for event in (shown, fine):
            good.produce(kafka.prefix + IMPRESSIONS.name, msgspec.json.encode(event), key=unit)
        headers: Any = [(SOURCE_HEADER, b"web-2")]
        good.produce(kafka.prefix + CLICKS.name, msgspec.json.encode(clicked), key=unit, headers=headers)
        other.produce(
            kafka.prefix + PURCHASES.name,
            msgspec.json.encode(bought),
            key=unit,
            on_delivery=lambda _, message: misplaced.append(
                message.partition() != partition_of(message.key() or b"", PARTITIONS)
            ),
        )
    flush(good)
    flush(other)
    return sum(misplaced)


def test_each_fault_of_those_who_send_events_is_said(
    broker: str, prefix: str, make_topics: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_topics(broker, PARTITIONS)
    settings = Settings(kafka=KafkaSettings(bootstrap=broker, prefix=prefix))
    misplaced = send(settings.kafka)
    samples = sample_events(settings)
    findings = {finding.about: finding for finding in event_findings(samples, settings)}
    assert set(findings) == {"partitions of events-purchases", "clock of events-clicks from web-2", "holdout of home"}
    partitions, holdout, clock = (findings[about] for about in sorted(findings, reverse=True))
    assert misplaced > UNITS // 2
    assert f"{misplaced} of the last {UNITS} records" in partitions.detail
    assert partitions.state == "bad" and "partitioner=murmur2_random" in partitions.remedy
    assert clock.state == "note" and clock.detail.endswith("minutes ahead of the log")
    assert holdout.state == "bad" and f"of the last {UNITS} page views" in holdout.detail
    impressions = samples[0]
    assert sides_as_json(impressions, "cart") == {"page_views": UNITS, "on_the_other_side": 0}
    _sides(impressions, "home")
    _sides(impressions, "cart")
    _sides(None, "home")
    said = capsys.readouterr().out
    assert said.count("HOLDOUT MIXED") == 1 and "not looked at" in said
    assert sample_as_json(samples[2])["misplaced"] == misplaced


def test_topics_without_events_or_that_are_not_there_say_nothing(broker: str, prefix: str, make_topics: Any) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap=broker, prefix=prefix))
    assert list(look_at_events(settings)) == []
    make_topics(broker, PARTITIONS)
    assert list(look_at_events(settings)) == []


@pytest.mark.parametrize(
    ("ahead_ms", "state"), [(0, ""), (1_000, ""), (1_001, "note"), (300_001, "bad"), (-59_000, ""), (-60_001, "note")]
)
def test_clocks_that_are_off_by_how_much(ahead_ms: int, state: str) -> None:
    sample = TopicSample(CLICKS.name, 9, 0, {"": ahead_ms}, {})
    assert [fault.state for fault in faults([sample], Settings())] == ([state] if state else [])
    (finding,) = event_findings([sample], Settings())
    assert finding.state == (state or "ok")
