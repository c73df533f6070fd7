"""A second worker that joins and leaves again: how long learning pauses, and what is composed for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bench.shop.child import Part
from bench.shop.parts.layouts import QUIET_S
from bench.shop.report import blank, memory
from bench.shop.traffic import Traffic
from bench.shop.workplace import Workplace
from bench.threads import beside
from reshelf.drill.setup.stores import GivenStore
from schemas.topics import CLICKS, IMPRESSIONS
from streams.kafka.records import TopicPartition
from streams.state.keys import GroupKeys, home_group

LOOK_S = 0.02
READ = (IMPRESSIONS, CLICKS)
JOINED = "join"
LEFT = "leave"


def measure(at: Workplace) -> dict[str, Any]:
    """Learners under traffic, then layout workers without any."""
    figures = blank("rebalance")
    with at.part("learner") as first:
        figures |= first.started(at.options.ready_s)
        rest = first.rss_mb
        if figures["ready_s"] is not None:
            figures["pause_s"] = _pauses(at, first)
        figures |= memory(first, rest)
    if not figures["ended"]:
        figures["composed"] = _composed(at)
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}


@dataclass(slots=True)
class _Progress:
    """When learners were seen to get on."""

    moments: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def longest_pause(self, began: float) -> float:
        """Seconds between two of them, of those after `began`."""
        since = [began, *(moment for moment in self.moments if moment >= began), time.monotonic()]
        return round(max(after - before for before, after in pairwise(since)), 2)


def _pauses(at: Workplace, first: Part) -> dict[str, float]:
    """The longest time without progress, with one learner and while another joins and leaves."""
    options = at.options
    with _traffic(at), _progress(at) as progress:
        time.sleep(options.warm_up_s)
        began = time.monotonic()
        time.sleep(options.seconds)
        pauses = {"alone": progress.longest_pause(began)}
        began = time.monotonic()
        with at.part("learner") as second:
            second.started(options.ready_s)
            time.sleep(options.settle_s)
            pauses[JOINED] = progress.longest_pause(began)
            began = time.monotonic()
        while not first.answers("/ready"):
            time.sleep(LOOK_S)
        time.sleep(options.settle_s)
        return pauses | {LEFT: progress.longest_pause(began)}


@contextmanager
def _traffic(at: Workplace) -> Iterator[None]:
    traffic, ended = Traffic(at.settings.kafka, at.shop, f"{at.shop.seed}-rebalance"), threading.Event()

    def send() -> None:
        traffic.start(at.options.rate)
        while not ended.is_set():
            traffic.publish_until(time.perf_counter() + 0.1)
        traffic.settle()

    with beside(send, ended.set):
        yield


@contextmanager
def _progress(at: Workplace) -> Iterator[_Progress]:
    """Looks at the watermarks of the groups that verdicts go to first."""
    progress, redis, store = _Progress(), at.settings.redis, GivenStore(at.settings.redis)
    tps = [TopicPartition(topic.name, number) for topic in READ for number in range(at.settings.kafka.partitions)]
    names = [GroupKeys(redis.namespace, home_group(tp, redis.groups)).watermark(tp) for tp in tps]

    def look() -> None:
        before: object = None
        while not progress.ended.is_set():
            reached = store.read(names)
            if reached != before:
                before = reached
                progress.moments.append(time.monotonic())
            time.sleep(LOOK_S)

    with beside(look, progress.ended.set):
        yield progress


def _composed(at: Workplace) -> dict[str, float]:
    """Layouts that are composed at first, and for a worker that joins and leaves, of how many keys."""
    with at.part("layouts") as first:
        first.started(at.options.ready_s)
        keys = len(at.shop.layout_keys())
        until = time.monotonic() + at.options.ready_s
        while first.alive and _layouts(first) < keys and time.monotonic() < until:
            time.sleep(LOOK_S * 10)
        composed = {"keys": float(keys), "alone": _at_rest(first)}
        with at.part("layouts") as second:
            second.started(at.options.ready_s)
            composed[JOINED] = _at_rest(first, second) - composed["alone"]
            before = _layouts(first)
        composed[LEFT] = _at_rest(first) - before
    return composed


def _at_rest(*workers: Part) -> float:
    """Layouts that workers have composed once they make no more."""
    since, count = time.monotonic(), -1.0
    while time.monotonic() - since < QUIET_S and all(worker.alive for worker in workers):
        if (now := sum(map(_layouts, workers))) != count:
            since, count = time.monotonic(), now
        time.sleep(0.25)
    return count


def _layouts(worker: Part) -> float:
    return worker.count("reshelf_layouts_total")
