"""Rights on topics: what Kafka's ACLs must allow for, and what is said where they do not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr

from schemas.errors import ReshelfError, StateAttention
from schemas.topics import DEAD_LETTERS
from streams.dead_letters import read_letters
from streams.kafka.bounds import log_bounds
from streams.kafka.records import TopicPartition
from streams.settings import KafkaSettings
from tests.deadline import Deadline
from tests.streams.sasl_kafka import sasl_kafka

T = TypeVar("T")
USER, PASSWORD = "shelf", "a-long-secret"
TP = TopicPartition("events-clicks", 0)


class Guarded(NamedTuple):
    """A Kafka that asks for rights: as a user, and for who gives them."""

    user: KafkaSettings
    admin: AdminClient

    def allow(self, resource: ResourceType, name: str, *operations: AclOperation) -> None:
        pattern, allowed = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        rights = [AclBinding(resource, name, pattern, f"User:{USER}", "*", each, allowed) for each in operations]
        for result in self.admin.create_acls(rights).values():
            result.result(30)


@pytest.fixture
def guarded(kafka_home: Path, tmp_path: Path) -> Iterator[Guarded]:
    properties = [
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",
    ]
    with sasl_kafka(kafka_home, tmp_path, "SASL_PLAINTEXT", USER, PASSWORD, properties) as listeners:
        user = KafkaSettings(
            bootstrap=listeners.secure,
            prefix="",
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            username=USER,
            password=SecretStr(PASSWORD),
        )
        yield Guarded(user, AdminClient({"bootstrap.servers": listeners.plain}))


def test_who_writes_dead_letters_is_told_to_read_them_too(guarded: Guarded) -> None:
    for result in guarded.admin.create_topics([NewTopic(DEAD_LETTERS.name, 1, 1)]).values():
        result.result(30)
    guarded.allow(ResourceType.TOPIC, DEAD_LETTERS.name, AclOperation.WRITE, AclOperation.DESCRIBE)
    guarded.allow(ResourceType.GROUP, "*", AclOperation.READ)

    def has_letter() -> bool:
        return asyncio.run(read_letters(guarded.user, [TP], 0))[TP].has(0, 0)

    bounds = eventually(lambda: log_bounds(guarded.user, [DEAD_LETTERS.name]))
    assert bounds == {DEAD_LETTERS.name: [(0, 0)]}, "where it ends is told to who may describe it"
    with pytest.raises(StateAttention, match=r"may not read dead-letters: .* Give this user READ on it"):
        has_letter()
    guarded.allow(ResourceType.TOPIC, DEAD_LETTERS.name, AclOperation.READ)
    assert not eventually(has_letter)


def eventually(call: Callable[[], T]) -> T:
    """What a call gives once a broker has heard of the rights that it needs."""
    end = Deadline(30)
    while True:
        try:
            return call()
        except ReshelfError:
            assert end.ahead
            time.sleep(0.2)
