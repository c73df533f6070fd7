"""Which worker reads which partitions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from aiokafka.consumer import group_coordinator
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.protocol.group import JoinGroupRequest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import CLICKS
from streams.settings import KafkaSettings
from streams.transport.group.assignment import SEPARATE, SteadyAssignor, TogetherAssignor, share_out, worker_names
from streams.transport.source import Source
from tests.deadline import Deadline

topics = st.dictionaries(st.sampled_from(["clicks", "impressions", "purchases"]), st.integers(1, 20), min_size=1)
workers = st.sets(st.text("abc-01", min_size=1, max_size=6), min_size=1, max_size=9)


@given(topics=topics, names=workers)
def test_each_partition_has_one_worker_and_none_has_two_more_than_another(
    topics: dict[str, int], names: set[str]
) -> None:
    owners = share_out(topics, names)
    assert owners.keys() == {(topic, number) for topic, count in topics.items() for number in range(count)}
    assert owners == share_out(dict(reversed(topics.items())), sorted(names, reverse=True))
    for some in (owners, *({part: owner for part, owner in owners.items() if part[0] == topic} for topic in topics)):
        shares = Counter(dict.fromkeys(names, 0))
        shares.update(some.values())
        assert max(shares.values()) - min(shares.values()) <= 1


def test_few_partitions_move_when_a_worker_joins_or_leaves() -> None:
    """By turns, as before, 68 % of 36 partitions moved to the third worker, and 90 % to the ninth."""
    three = {"clicks": 12, "conversions": 12, "impressions": 12}
    moved = []
    for count in (1, 2, 3, 8):
        shares = []
        for first in range(20):
            names = [f"host-{first + at}" for at in range(count + 1)]
            before, after = share_out(three, names[:-1]), share_out(three, names)
            shares.append(sum(before[part] != after[part] for part in before))
            assert share_out(three, names[:-1]) == before, "who comes back finds its own"
        moved.append(sum(shares) / len(shares))
    assert [least <= share for share, least in zip(moved, (18, 12, 9, 4), strict=True)] == [True] * 4
    assert moved[0] == 18
    assert moved[1] < 15
    assert moved[2] < 13
    assert moved[3] < 15


def test_workers_are_called_as_they_call_themselves() -> None:
    drawn = [str(UUID(int=at)) for at in range(3)]
    ids = [f"learner-host-1-{drawn[0]}", f"learner-host-2-{drawn[1]}", "other"]
    assert list(worker_names(ids).values()) == ["learner-host-1", "learner-host-2", "other"]
    twice = [f"learner-host-1-{drawn[0]}", f"learner-host-1-{drawn[2]}"]
    assert list(worker_names(twice).values()) == twice


class Cluster:
    """What a group's leader knows of topics."""

    def __init__(self, **topics: int) -> None:
        self._topics = topics

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._topics[topic])) if topic in self._topics else None


def members(names: str, *topics: str) -> dict[str, ConsumerProtocolMemberMetadata]:
    return {name: SteadyAssignor.metadata(topics) for name in names}


def test_a_group_hears_who_reads_what() -> None:
    group = members("abcde", "clicks", "gone", "views")
    assigned = SteadyAssignor.assign(Cluster(clicks=3, views=4), group)
    parts = [(topic, number) for each in assigned.values() for topic, own in each.assignment for number in own]
    assert sorted(parts) == [("clicks", at) for at in range(3)] + [("views", at) for at in range(4)]
    assert sorted(sum(len(own) for _, own in each.assignment) for each in assigned.values()) == [1, 1, 1, 2, 2]


def test_numbers_of_all_topics_stay_together() -> None:
    assigned = TogetherAssignor.assign(Cluster(clicks=5, purchases=5), members("ab", "clicks", "purchases"))
    shares: list[dict[str, Any]] = [dict(each.assignment) for each in assigned.values()]
    assert all(share["clicks"] == share["purchases"] for share in shares)
    assert sorted(number for share in shares for number in share["clicks"]) == list(range(5))


def test_a_worker_asks_to_join_with_one_way_to_share_out(
    any_broker: str, prefix: str, make_topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that differ are changes to the broker: two workers that join at once would keep each other joining."""
    make_topics(any_broker, partitions=2)
    asked: list[Any] = []

    def request(*fields: Any) -> JoinGroupRequest:
        asked.append([name for name, _ in fields[-1]])
        return JoinGroupRequest(*fields)

    async def run() -> None:
        source = Source(KafkaSettings(bootstrap=any_broker, prefix=prefix, partitions=2), f"{prefix}one", SEPARATE)
        await source.start()
        source.consumer.subscribe([prefix + CLICKS.name])
        until = Deadline(20)
        while not source.consumer.assignment():
            assert until.ahead
            await asyncio.sleep(0.05)
        await source.stop()

    request.UNKNOWN_MEMBER_ID = JoinGroupRequest.UNKNOWN_MEMBER_ID  # type: ignore[attr-defined]
    monkeypatch.setattr(group_coordinator, "JoinGroupRequest", request)
    asyncio.run(run())
    assert asked and asked == [[SEPARATE.name]] * len(asked)
