"""Where a log begins and ends can be asked as soon as its topic is made, and while its leader changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from streams.kafka.admin import answers
from streams.kafka.bounds import log_bounds, with_leaders
from streams.settings import KafkaSettings

REFUSALS = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)


def refusing(code: int, times: int) -> Callable[[], int]:
    """A question that is refused so often, then answered with how often it was asked."""
    count = 0

    def ask() -> int:
        nonlocal count
        count += 1
        if count <= times:
            raise KafkaException(KafkaError(code))
        return count

    return ask


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("times", [0, 1, 3])
def test_asks_again_while_a_leader_is_chosen(code: int, times: int) -> None:
    assert with_leaders(refusing(code, times), 60.0) == times + 1


def test_another_refusal_or_one_that_lasts_is_an_error() -> None:
    ask = refusing(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        with_leaders(ask, 60.0)
    assert ask() == 2, "it was asked once"
    with pytest.raises(KafkaException):
        with_leaders(refusing(KafkaError.NOT_LEADER_FOR_PARTITION, 10_000), 0.1)


def test_topics_of_a_moment_ago_have_bounds(kafka: str, prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for attempt in range(5):
        names = [f"{attempt}-{number}" for number in range(20)]
        answers(admin.create_topics, [NewTopic(prefix + name, 4, 1) for name in names], 30.0)
        while not {prefix + name for name in names} <= admin.list_topics(timeout=30.0).topics.keys():
            pass  # a broker lists a topic before it leads its partitions
        bounds = log_bounds(KafkaSettings(bootstrap=kafka, prefix=prefix), names[::-1])
        assert bounds == {name: [(0, 0)] * 4 for name in names}
    answers(admin.delete_topics, [f"{prefix}{attempt}-{number}" for attempt in range(5) for number in range(20)], 30.0)
