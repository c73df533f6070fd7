"""Who is timed, and how: from the first events that are in Redis to the last.

A contender runs in processes of its own, reads one topic from its beginning and
writes into a namespace of its own.  How far it is, is read from the watermarks.
Processor time is of the same stretch: what a contender has read ahead at its beginning is
not in it, which flatters those that read far ahead.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bench.peers.sink import WRITTEN
from reshelf.processes.children import session_processor_s
from reshelf.settings import Settings, as_environment
from schemas.errors import ReshelfError
from schemas.topic import Topic
from schemas.topics import IMPRESSIONS
from streams.kafka.records import TopicPartition
from streams.state.clicks.progress import progress_keys
from streams.state.connection.client import redis_sync_client
from streams.state.keys import PREFIX, GroupKeys, home_group
from streams.state.watermark import Watermark

_LOOK_S = 0.01
_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Contender:
    """`batch` 0 is Reshelf itself, by that many `workers`, compiled or in Python; for others see `bench.peers`.

    Of Reshelf it is the `role`, and the events of `topic` are counted; others are run by `module`.
    """

    name: str
    batch: int = 0
    workers: int = 1
    compiled: bool = True
    role: Literal["learner", "attribution"] = "learner"
    topic: Topic = IMPRESSIONS
    module: str = "bench.peers"

    def command(self) -> list[str]:
        if self.batch:
            return [sys.executable, "-m", self.module, self.name, str(self.batch)]
        return [sys.executable, "-m", "reshelf", "worker", self.role]

    def marks(self, settings: Settings) -> list[str]:
        """Keys of the watermarks that add up to the events written."""
        space, groups = settings.redis.namespace, settings.redis.groups
        if self.batch:
            return [GroupKeys(space, 0).watermark(WRITTEN)]
        parts = [TopicPartition(self.topic.name, at) for at in range(settings.kafka.partitions)]
        if self.role == "attribution":
            return [progress_keys(space, groups, tp.partition).marks[tp.topic] for tp in parts]
        return [GroupKeys(space, home_group(tp, groups)).watermark(tp) for tp in parts]


OURS = Contender("reshelf")


class Timing(NamedTuple):
    """Events a second, and microseconds of processor for one: in all processes of a contender, and in Redis."""

    events_per_s: float
    processor_us: float
    redis_us: float


class _Mark(NamedTuple):
    """How many events were written at a time, and the seconds of processor that all had taken."""

    at: float
    events: int
    processor_s: float
    redis_s: float

    def timing(self, end: _Mark) -> Timing:
        """Of the stretch from here to `end`."""
        events = end.events - self.events
        spent = (1e6 * (end.processor_s - self.processor_s) / events, 1e6 * (end.redis_s - self.redis_s) / events)
        return Timing(events / (end.at - self.at), *spent)


def time_contender(contender: Contender, settings: Settings, events: int, limit_s: float) -> Timing:
    """Its work over the whole log of `events`, or over the first `limit_s` seconds of it.

    A log that is written at the first look already is timed from the contender's start.
    The contender writes into a namespace of its own, which is gone afterwards.
    Raises ReshelfError when it ends or does not begin.
    """
    settings = settings.changed(redis={"namespace": f"bench-{uuid.uuid4().hex[:12]}"})
    client: Any = redis_sync_client(settings.redis)
    with client, _running(contender, settings) as processes:
        try:
            return _watched(client, contender, settings, processes, events, limit_s)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(_STOP_LIMIT_S)
            forget(client, settings.redis.namespace)


@contextmanager
def _running(contender: Contender, settings: Settings) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = os.environ | as_environment(settings.changed(learner={"compiled": contender.compiled}))
    quiet = subprocess.DEVNULL if contender.batch else None
    processes = [
        subprocess.Popen(contender.command(), env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
        for _ in range(contender.workers)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _watched(
    client: Any,
    contender: Contender,
    settings: Settings,
    processes: Sequence[subprocess.Popen[bytes]],
    events: int,
    limit_s: float,
) -> Timing:
    names = contender.marks(settings)
    first: _Mark | None = None
    began = time.perf_counter()
    start = _mark(client, processes, began, 0)
    while all(process.poll() is None for process in processes):
        now, at = time.perf_counter(), _position(client, names)
        if first is None and at:
            first = start if at >= events else _mark(client, processes, now, at)
        if first is not None and at > first.events and (at >= events or now - first.at > limit_s):
            return first.timing(_mark(client, processes, now, at))
        if first is None and now - began > _START_LIMIT_S:
            raise ReshelfError(f"{contender.name} wrote nothing in {_START_LIMIT_S:.0f} s")
        time.sleep(_LOOK_S)
    raise ReshelfError(f"{contender.name} ended before its work was done; run {' '.join(contender.command())} to see")


def _mark(client: Any, processes: Sequence[subprocess.Popen[bytes]], now: float, at: int) -> _Mark:
    of_redis = client.info("cpu")
    redis_s = float(of_redis["used_cpu_user"]) + float(of_redis["used_cpu_sys"])
    return _Mark(now, at, sum(session_processor_s(process.pid) for process in processes), redis_s)


def _position(client: Any, names: Sequence[str]) -> int:
    return sum(Watermark.decode(text, 0).offset for text in client.mget(names))


def forget(server: Any, namespace: str) -> None:
    """Delete from one server whatever belongs to a namespace."""
    for name in server.scan_iter(f"{PREFIX}{{{namespace}*", count=1_000):
        server.unlink(name)
