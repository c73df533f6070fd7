"""Commits that go on at the same time: one of each partition, so many of all, and none beside what must be alone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.records import TopicPartition
from streams.learner.commits import Commits

TPS = [TopicPartition("events-clicks", number) for number in range(4)]


class Watch:
    """Who writes now, and what was broken."""

    def __init__(self, at_once: int) -> None:
        self.commits = Commits(at_once)
        self.writing: Counter[TopicPartition | None] = Counter()
        self.order: list[int] = []
        self.most = 0

    async def write(self, number: int, tp: TopicPartition | None, pauses: int) -> None:
        """One commit of a partition, or something alone."""
        async with self.commits.of(tp) if tp else self.commits.alone():
            self.writing[tp] += 1
            self.order.append(number)
            for _ in range(pauses):
                total = self.writing.total()
                assert self.writing[tp] == 1, "one of each partition at a time"
                assert total == 1 or not self.writing[None], "nothing beside what is alone"
                self.most = max(self.most, total)
                await asyncio.sleep(0)
            self.writing[tp] -= 1


@given(st.lists(st.sampled_from([*TPS, None]), max_size=30), st.integers(1, 4), st.integers(0, 2**32))
def test_commits_share_as_they_should(tps: Sequence[TopicPartition | None], at_once: int, seed: int) -> None:
    async def run() -> Watch:
        watch, chance = Watch(at_once), random.Random(seed)
        async with asyncio.TaskGroup() as tasks:
            for number, tp in enumerate(tps):
                tasks.create_task(watch.write(number, tp, chance.randint(1, 5)))
                for _ in range(chance.randint(0, 3)):
                    await asyncio.sleep(0)
        return watch

    watch = asyncio.run(run())
    assert watch.most <= at_once
    for tp in TPS:
        of_one = [number for number in watch.order if tps[number] == tp]
        assert of_one == sorted(of_one), "in the order in which they came"
    assert len(watch.order) == len(tps)


def test_partitions_are_committed_at_the_same_time() -> None:
    async def run() -> int:
        watch = Watch(4)
        async with asyncio.TaskGroup() as tasks:
            for number, tp in enumerate(TPS):
                tasks.create_task(watch.write(number, tp, 3))
        return watch.most

    assert asyncio.run(run()) == 4
