"""Which worker reads which partitions: the same workers the same ones, and few move when a worker joins or leaves.

A partition goes to the worker whose hash with it is lowest among those that have room for it (rendezvous
hashing, Thaler and Ravishankar 1998), and each worker has room for as many as any other, give or take one.  So
nothing has to be remembered: a worker that comes back under its name finds its partitions again, and what it
left on its disk with them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

_DRAWN = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""What a broker adds to the name of a member."""


def share_out(topics: Mapping[str, int], workers: Iterable[str]) -> dict[tuple[str, int], str]:
    """The worker of each of the partitions 0 to n - 1 of topics.

    Of each topic, and of all together, workers have as many, give or take one.
    """
    names, owners, first = sorted(workers), {}, 0
    for topic, partitions in sorted(topics.items()):
        each, more = divmod(partitions, len(names))
        rooms = dict.fromkeys(names, each)
        for at in range(first, first + more):
            rooms[names[at % len(names)]] += 1
        first += more
        parts = [(topic, number) for number in range(partitions)]
        pairs = [(part, name) for part in parts for name in names]
        for part, name in sorted(pairs, key=_rank):
            if part not in owners and rooms[name]:
                owners[part] = name
                rooms[name] -= 1
    return owners


def _rank(pair: tuple[tuple[str, int], str]) -> bytes:
    return blake2b(repr(pair).encode(), digest_size=8).digest()


def worker_names(members: Sequence[str]) -> dict[str, str]:
    """What members of a group are called, by their ids: as they call themselves, where no other does."""
    names = {member: _DRAWN.sub("", member) for member in members}
    times = Counter(names.values())
    return {member: name if times[name] == 1 else member for member, name in names.items()}


class SteadyAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Shares out each topic's partitions.

    The leader of a group shares out for all, and its members only have to call the way by one name: it is that of
    earlier workers, which may be in the same group.  A second way to choose from would not do: aiokafka joins once for
    each, which the broker takes for a change, so that two workers who join at once keep each other joining for good.
    """

    name = RoundRobinPartitionAssignor.name
    version = RoundRobinPartitionAssignor.version

    @classmethod
    def assign(
        cls, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """The partitions of each member; all members of a group subscribe to the same topics."""
        names = worker_names(list(members))
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        parts = {topic: sorted(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        owners = cls._owners({topic: len(numbers) for topic, numbers in parts.items()}, list(names.values()))
        return {
            member: ConsumerProtocolMemberAssignment(
                cls.version,
                [
                    (topic, own)
                    for topic, numbers in parts.items()
                    if (own := [number for at, number in enumerate(numbers) if owners[topic, at] == name])
                ],
                b"",
            )
            for member, name in names.items()
        }

    @classmethod
    def _owners(cls, topics: Mapping[str, int], workers: Sequence[str]) -> Mapping[tuple[str, int], str]:
        return share_out(topics, workers)

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member says when it joins: only what it reads."""
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is remembered."""


class TogetherAssignor(SteadyAssignor):
    """Shares out numbers: one worker has the partitions of a number of all topics."""

    name = RangePartitionAssignor.name

    @classmethod
    def _owners(cls, topics: Mapping[str, int], workers: Sequence[str]) -> Mapping[tuple[str, int], str]:
        owners = share_out({"": max(topics.values(), default=0)}, workers)
        return {(topic, number): owners["", number] for topic, count in topics.items() for number in range(count)}


Assignor = type[AbstractPartitionAssignor]
SEPARATE: Assignor = SteadyAssignor
"""Spreads partitions evenly over the workers."""
TOGETHER: Assignor = TogetherAssignor
"""Gives the same partition numbers of all topics to one worker."""
