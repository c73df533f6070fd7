"""Records of a test's own producer, until the broker has them."""

from __future__ import annotations

from confluent_kafka import Producer

from tests.deadline import Deadline


def flush(producer: Producer, limit_s: float = 60.0) -> None:
    """Wait until all that was sent is in the log: `limit_s` seconds of a machine that has nothing else to do."""
    end = Deadline(limit_s)
    while left := producer.flush(1.0):
        assert end.ahead, f"{left} records are not in the log yet"
