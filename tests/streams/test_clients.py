"""What the client libraries say, and how often."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from confluent_kafka import KafkaException, Producer

from streams.kafka.clients import RepeatFilter, confluent_producer_config
from streams.settings import KafkaSettings


def test_a_broker_that_is_away_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """librdkafka tries again several times in these two seconds and would say so each time."""
    producer = Producer(confluent_producer_config(KafkaSettings(bootstrap="localhost:1")))
    with caplog.at_level(logging.ERROR, "reshelf.librdkafka"):
        with pytest.raises(KafkaException):
            producer.list_topics(timeout=2.0)
        producer.poll(0)
        time.sleep(0.1)
    refused = [record for record in caplog.records if "refused" in record.getMessage()]
    assert len(refused) == 1


def test_an_attempt_that_failed_again_is_no_other_message() -> None:
    texts = [
        "FAIL [a#b-1]: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
        "FAIL [a#b-1]: Connect to ipv4#127.0.0.1:1 failed: Connection refused "
        "(after 7ms in state CONNECT, 1 identical error(s) suppressed)",
        "FAIL [a#b-1]: Connect to ipv4#127.0.0.1:1 failed: Operation timed out (after 9ms in state CONNECT)",
    ]
    repeat = RepeatFilter()
    records = [logging.LogRecord("librdkafka", logging.ERROR, "", 0, text, None, None) for text in texts]
    assert [repeat.filter(record) for record in records] == [True, False, True]


def test_who_writes_to_a_closed_connection_has_lost_it(broker: str) -> None:
    async def write() -> None:
        host, _, port = broker.rpartition(":")
        connection = await create_conn(host, int(port))
        connection._writer.transport.abort()
        await asyncio.sleep(0.0)
        with pytest.raises(KafkaConnectionError, match=f"{broker} broken"):
            await connection.send(MetadataRequest([]))
        assert not connection.connected()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write())
