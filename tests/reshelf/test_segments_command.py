"""`reshelf segments`: what people are shown of learned segments."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC

import numpy as np
import pytest
from confluent_kafka import Producer

from policy.segments.fitting import Published
from policy.segments.votes import votes_of
from reshelf.cli.main import run
from reshelf.inspect.segments.measured import measure
from reshelf.inspect.segments.model import explained, heading
from schemas.messages.segments import LearnedSegment, SegmentModel
from streams.fitter.segments.records import records_of
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings
from tests.delivery import flush

MODEL = SegmentModel(
    version=7,
    generation=2,
    published_at=1_700_000_000_000,
    names=["t03", "t04"],
    starts=[-11, -11],
    parts=1,
    attribute="device",
    values={"phone": [4, -4], "other": [-4, 4]},
    units=2_000,
    gain=0.25,
    moved=0.01,
    segments=[LearnedSegment(1_000, 0.5, ["running"], ["shoe"]), LearnedSegment(1_000, 0.5, ["kitchen"], ["pan"])],
)
POINTS = {"shoe": [20, -20], "pan": [-20, 20], "sock": [16, -16], "pot": [-16, 16]}
PUBLISHED = Published(MODEL, POINTS)


def test_items_are_explained_by_what_they_add() -> None:
    explanation = explained(PUBLISHED, ["pan", "shoe", "unheard of"], "", "phone")
    assert explanation.segment == "t03"
    assert explanation.sums == [-11 + 4, -11 - 4]
    assert [reason.what for reason in explanation.reasons] == ["unheard of", "shoe", "pan", "start", "device phone"]
    assert [reason.points for reason in explanation.reasons][:2] == [None, [20, -20]]
    assert explained(PUBLISHED, ["unheard of"]).segment == "t00"


def test_a_model_is_measured_by_the_last_item_of_visitors() -> None:
    alike = measure(PUBLISHED, votes_of([["shoe", "sock"], ["pan", "pot"]] * 50, {"device": ["phone"] * 100}))
    turned = measure(PUBLISHED, votes_of([["shoe", "pot"], ["pan", "sock"]] * 50, {"device": ["phone"] * 100}))
    assert alike.likelier[1] > 0.0 > turned.likelier[2]
    assert alike.shares == {"t00": 0.0, "t03": 0.5, "t04": 0.5}
    assert alike.entropy == pytest.approx(1.0)
    nobody = measure(PUBLISHED, votes_of([["odd"]]))
    assert nobody.unassigned == 1.0 and np.isinf(nobody.likelier[2])


def test_segments_are_shown_from_the_topic(
    broker: str,
    prefix: str,
    make_topics: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_topics(broker, names=("segments", "segments-history"))
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", broker)
    monkeypatch.setenv("RESHELF_KAFKA__PREFIX", prefix)

    def said(*words: str) -> str:
        status = run(words)
        output = capsys.readouterr()
        return output.err if status else output.out

    assert "No segments are published. Set segments.learned" in said("segments", "show")
    producer = Producer(confluent_producer_config(KafkaSettings(bootstrap=broker, prefix=prefix)))
    for record in records_of(MODEL, POINTS, 0):
        producer.produce(prefix + record.topic, record.value, record.key)
    flush(producer)
    shown = said("segments", "show")
    assert heading(MODEL, UTC) in shown
    assert "running" in shown and "kitchen" in shown
    assert "t03 t04" in said("segments", "history")
    assert "segment: t04" in said("segments", "explain", "shoe", "pan", "pot")
    assert json.loads(said("--json", "segments", "explain", "shoe"))["segment"] == "t03"
    assert json.loads(said("--json", "segments", "show"))["names"] == ["t03", "t04"]
