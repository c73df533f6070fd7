"""The edge's reader of layouts where the topic is not what it was."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from reshelf.edge import feed
from reshelf.edge.layout_cache import LayoutCache
from schemas.codec import encode, encode_key
from schemas.topics import LAYOUTS
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings
from tests.deadline import Deadline
from tests.delivery import flush
from tests.reshelf.test_layouts_command import layout

FAR = 2**41


def until(holds: Callable[[], bool], limit_s: float = 60.0) -> bool:
    """Whether something comes true."""
    end = Deadline(limit_s)
    while not holds():
        if not end.ahead:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("count", [1, 30])
def test_a_topic_that_was_made_again_is_read_from_its_beginning(
    kafka: str,
    prefix: str,
    make_topics: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    count: int,
) -> None:
    """Whether fewer records came than were read, or more: then what stands before the old place would be missed.

    On real Kafka alone: what the embedded broker answers about a topic that is gone ends librdkafka's process.
    """
    monkeypatch.setattr(feed, "LOOK_S", 0.2)
    settings, name, cache = KafkaSettings(bootstrap=kafka, prefix=prefix), prefix + LAYOUTS.name, LayoutCache(100)
    producer, admin = Producer(confluent_producer_config(settings)), AdminClient({"bootstrap.servers": kafka})

    def publish(*segments: str) -> None:
        for segment in segments:
            producer.produce(name, encode(layout(segment, 9, FAR)), encode_key(LAYOUTS, "home", segment), 0)
        flush(producer)

    make_topics(kafka, partitions=1, names=(LAYOUTS.name,))
    publish(*("old" for _ in range(10)))
    with feed.Feed(settings, cache) as layouts:
        assert until(lambda: layouts.ready)
        admin.delete_topics([name])[name].result()
        assert until(lambda: not layouts.ready)
        assert until(lambda: "is gone: create it with `reshelf topics apply`" in caplog.text)
        assert until(lambda: _made(make_topics, kafka))
        publish(*(f"new-{at}" for at in range(count)))
        assert until(lambda: layouts.ready and len(cache) == 1 + count)
        assert "was made again" in caplog.text


def _made(make_topics: Callable[..., None], broker: str) -> bool:
    """A broker may still be deleting the topic of before."""
    try:
        make_topics(broker, partitions=1, names=(LAYOUTS.name,))
    except Exception:  # noqa: BLE001  whatever it says, it is asked again
        return False
    return True


def test_further_partitions_are_read(
    kafka: str, prefix: str, make_topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LOOK_S", 0.2)
    settings, name, cache = KafkaSettings(bootstrap=kafka, prefix=prefix), prefix + LAYOUTS.name, LayoutCache(100)
    make_topics(kafka, partitions=1, names=(LAYOUTS.name,))
    with feed.Feed(settings, cache) as layouts:
        assert until(lambda: layouts.ready)
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.create_partitions([NewPartitions(name, 2)])[name].result()
        producer = Producer(confluent_producer_config(settings) | {"topic.metadata.refresh.interval.ms": 200})
        assert until(lambda: len(producer.list_topics(name).topics[name].partitions) == 2)
        producer.produce(name, encode(layout("new", 9, FAR)), encode_key(LAYOUTS, "home", "new"), 1)
        flush(producer)
        assert until(lambda: layouts.ready and len(cache) == 1)
