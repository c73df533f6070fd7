"""Topics are created once, as the table has them, and differences are told."""

from __future__ import annotations

import dataclasses

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from reshelf.cli.main import run
from reshelf.topics.admin import TopicState, apply, hinders, states, wanted_config
from schemas.errors import ReshelfError, Transient
from schemas.topics import BY_NAME, EVENT_TOPICS, TOPICS
from streams.settings import KafkaSettings


def test_applying_twice_creates_once(any_broker: str, prefix: str) -> None:
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix, partitions=2)
    first, second = apply(kafka), apply(kafka)
    assert sorted(first.created) == sorted(prefix + topic.name for topic in TOPICS)
    assert second.created == ()
    assert [(state.partitions, state.differences) for state in second.topics] == [(2, ())] * len(TOPICS)


def test_kafka_has_what_the_table_says(kafka: str, prefix: str) -> None:
    settings = KafkaSettings(bootstrap=kafka, prefix=prefix, partitions=1)
    for state in apply(settings).topics:
        wanted = wanted_config(state.topic, settings)
        assert {key: state.config[key] for key in wanted} == wanted


def test_differences_are_told_and_left_alone(kafka: str, prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    other = NewTopic(prefix + "layouts", 3, 1, config={"cleanup.policy": "delete"})
    admin.create_topics([other])[prefix + "layouts"].result(30)
    settings = KafkaSettings(bootstrap=kafka, prefix=prefix, partitions=1)
    applied = apply(settings)
    (layouts,) = (state for state in applied.topics if state.topic.name == "layouts")
    assert prefix + "layouts" not in applied.created
    assert layouts.differences[:2] == (
        "partitions: expected 1, got 3",
        "cleanup.policy: expected compact, got delete",
    )


def test_apply_ends_with_one_where_partitions_differ(
    broker: str, prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("BOOTSTRAP", broker), ("PREFIX", prefix), ("PARTITIONS", "2")):
        monkeypatch.setenv(f"RESHELF_KAFKA__{name}", value)
    assert [run(["topics", "apply"]) for _ in range(2)] == [0, 0]
    capsys.readouterr()
    monkeypatch.setenv("RESHELF_KAFKA__PARTITIONS", "3")
    assert run(["topics", "apply"]) == 1
    said = capsys.readouterr().out
    assert f"{prefix}events-clicks: partitions: expected 3, got 2" in said
    assert said.rstrip().endswith("Set kafka.partitions to 2, which is what the event topics have.")


def test_what_nobody_relies_on_may_differ() -> None:
    state = TopicState(BY_NAME["layouts"], "layouts", 2, 1, {}, ("retention.ms: expected 1, got 2",))
    assert not hinders(state)
    for relied_on in ("cleanup.policy: expected compact, got delete", "message.timestamp.type: expected a, got b"):
        assert hinders(dataclasses.replace(state, differences=(relied_on,)))


def test_missing_topics_are_named(broker: str, prefix: str) -> None:
    found = states(KafkaSettings(bootstrap=broker, prefix=prefix))
    assert {state.differences for state in found} == {("it is missing",)}


def test_more_copies_than_brokers_is_refused(kafka: str, prefix: str) -> None:
    with pytest.raises(ReshelfError, match=r"check kafka\.replication"):
        apply(KafkaSettings(bootstrap=kafka, prefix=prefix, replication=3))


def test_no_broker_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reshelf.topics.admin.TIMEOUT_S", 1.0)
    with pytest.raises(Transient, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        states(KafkaSettings(bootstrap="127.0.0.1:1"))


def test_event_topics_are_stamped_by_the_broker_and_imports_are_not() -> None:
    kafka = KafkaSettings(replication=3)
    for topic in EVENT_TOPICS:
        assert wanted_config(topic, kafka)["message.timestamp.type"] == "LogAppendTime"
        old = wanted_config(topic, kafka, imported=True)
        assert (old["message.timestamp.type"], old["retention.ms"]) == ("CreateTime", "-1")
    assert wanted_config(BY_NAME["layouts"], kafka)["min.insync.replicas"] == "2"


def test_what_is_overtaken_soon_is_soon_out_of_the_way() -> None:
    layouts, requests, items = (
        wanted_config(BY_NAME[name], KafkaSettings()) for name in ("layouts", "layout-requests", "catalog-items")
    )
    assert (layouts["segment.ms"], layouts["max.compaction.lag.ms"]) == ("600000", "600000")
    assert requests["segment.ms"] == "600000"
    assert "max.compaction.lag.ms" not in requests
    assert "segment.ms" not in items
