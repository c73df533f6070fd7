"""From a click to a layout that knows of it, with a learner and a layout worker as processes of their own.

A renderer in this process notes when each layout came, the layout worker what became
of each key that was due: `bench.latency.run.delays` says what counts.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.events.race import forget
from bench.latency.counted import Progress, progress_watched
from bench.latency.delays import Latency, SentEvent, Window, outcomes, summary
from bench.latency.history import write_history
from bench.latency.slow import slowed
from bench.latency.traffic import Shop, Traffic, sent_between
from bench.latency.view import View, rendering
from bench.latency.worker import Reading
from bench.options import with_own_names
from reshelf.drill.setup.environment import GivenBroker
from reshelf.drill.setup.stores import GivenStore
from reshelf.drill.watch import LEARNED, Watch, missing
from reshelf.processes.children import process, processor_s, tail
from reshelf.settings import Settings, as_environment
from reshelf.topics.admin import apply
from schemas.errors import ReshelfError
from schemas.topics import CLICKS, IMPRESSIONS
from streams.catalog.page import Key
from streams.kafka.bounds import log_bounds
from streams.kafka.records import TopicPartition
from streams.state.connection.client import redis_servers

LIMIT_S = 5.0
"""A click that is in no layout after this many seconds counts as unseen."""
READY_S, CATCH_UP_S = 60.0, 120.0
LOOK_S = 0.25
_SOURCES = (IMPRESSIONS.name, CLICKS.name)


@dataclass(frozen=True, slots=True)
class Options:
    """Events a second, seconds of a window that count and of the stream before them, and how often all is repeated.

    `speed` is the share of the time that workers run; of `views` page views each page and segment has counts before.
    """

    rates: Sequence[int]
    seconds: float
    warm_up_s: float
    rounds: int
    speed: float = 1.0
    views: int = 0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process and what it says."""

    child: subprocess.Popen[bytes]
    log: Path

    def cpu_s(self) -> float:
        """Processor time that it has used so far, all threads, in seconds."""
        return processor_s(self.child.pid)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where things stood at a moment."""

    at: float
    sent: int
    cpu_s: Mapping[str, float]


def own_settings(settings: Settings, run: str) -> Settings:
    """The settings with topics and a namespace that no other run uses."""
    return with_own_names(settings, f"bench-latency-{run}").changed(health={"port": 0})


def measure(settings: Settings, shop: Shop, options: Options, *, leave_clean: bool = True) -> list[Latency]:
    """Each rate in turn, `options.rounds` times over; with `leave_clean` topics and state are gone afterwards.

    Raises `ReshelfError` when a worker ends, does not begin or does not catch up.
    """
    run = secrets.token_hex(3)
    own = own_settings(settings, run)
    with contextlib.ExitStack() as stack:
        if leave_clean:
            stack.callback(clear, own)
        apply(own.kafka)
        if options.views:
            write_history(own.redis, shop, options.views)
        traffic = Traffic(own.kafka, shop, run)
        traffic.open()
        view = stack.enter_context(rendering(own.kafka))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reshelf-bench-")))
        decided = folder / "decided"
        decided.touch()
        workers = stack.enter_context(_workers(own, folder, decided))
        progress = stack.enter_context(progress_watched(own))
        bench = _Bench(own, options, traffic, view, workers, Reading(decided), progress)
        bench.wait_for_layouts(shop.keys())
        pids = [worker.child.pid for worker in workers.values()]
        stack.enter_context(slowed(pids, options.speed, folder / "slow.log"))
        windows: dict[int, list[Window]] = {rate: [] for rate in options.rates}
        for _ in range(options.rounds):
            for rate, counted in windows.items():
                counted.append(bench.window(rate))
        return [summary(rate, counted, LIMIT_S) for rate, counted in windows.items()]


def clear(own: Settings) -> None:
    """Delete topics and state of a measurement."""
    GivenBroker(own.kafka).stop()
    with redis_servers(own.redis) as servers:
        for server in servers.values():
            forget(server, own.redis.namespace)


@contextlib.contextmanager
def _workers(settings: Settings, folder: Path, decided: Path) -> Iterator[dict[str, Worker]]:
    """A learner, and a layout worker that writes what it decides; their logs are in the folder."""
    modules = {"learner": ("reshelf", "worker", "learner"), "layouts": ("bench.latency.worker", str(decided))}
    with contextlib.ExitStack() as stack:
        workers = {}
        for role, module in modules.items():
            log, command = folder / f"{role}.log", [sys.executable, "-m", *module]
            workers[role] = Worker(stack.enter_context(process(command, log, as_environment(settings))), log)
        yield workers


class _Bench:
    """Everything that takes part."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        traffic: Traffic,
        view: View,
        workers: Mapping[str, Worker],
        reading: Reading,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._options = options
        self._traffic = traffic
        self._view = view
        self._workers = workers
        redis, partitions = settings.redis, settings.kafka.partitions
        self._watch = Watch(redis.namespace, redis.groups, partitions)
        self._store = GivenStore(redis)
        self._reading = reading
        self._progress = progress

    def wait_for_layouts(self, keys: Sequence[Key]) -> None:
        """Wait until each page and segment has a layout."""
        until = time.monotonic() + READY_S
        while lacking := sum(key not in self._view.sightings for key in keys):
            self._check()
            if time.monotonic() > until:
                raise ReshelfError(f"{lacking} of {len(keys)} pages and segments have no layout after {READY_S:.0f} s")
            time.sleep(LOOK_S)

    def window(self, rate: int) -> Window:
        """One stretch of a rate: what came before and comes after does not count, but the stream is as steady."""
        self._traffic.start(rate)
        self._traffic.publish_until(time.perf_counter() + self._options.warm_up_s)
        begin = self._mark()
        self._traffic.publish_until(begin.at + self._options.seconds)
        end = self._mark()
        self._stream_on(begin.at, end.at)
        self._traffic.settle()
        self._view.decided(self._reading.more())
        clicks = outcomes(sent_between(self._traffic.clicks, begin.at, end.at), self._view.observations(), LIMIT_S)
        composed = self._view.decided_between(begin.at, end.at)
        counted = {kind: self._progress.delays(kind, events) for kind, events in self._sent(begin.at, end.at).items()}
        self._catch_up()
        self._forget()
        lasted = end.at - begin.at
        cpu = {role: 100 * (end.cpu_s[role] - begin.cpu_s[role]) / lasted for role in self._workers}
        reached = (end.sent - begin.sent) / lasted
        return Window(reached, clicks, composed / lasted, cpu["learner"], cpu["layouts"], counted)

    def _sent(self, begin: float, end: float) -> dict[str, list[SentEvent]]:
        """What was sent in that time, by kind, of what was noted."""
        sent = {"clicks": self._traffic.clicks, "impressions": self._traffic.impressions}
        return {kind: list(sent_between(events, begin, end)) for kind, events in sent.items()}

    def _forget(self) -> None:
        self._traffic.clicks.clear()
        self._traffic.impressions.clear()
        self._view.forget()
        self._progress.forget()

    def _mark(self) -> _Mark:
        self._check()
        return _Mark(
            time.perf_counter(), self._traffic.sent, {role: worker.cpu_s() for role, worker in self._workers.items()}
        )

    def _stream_on(self, begin: float, end: float) -> None:
        """Wait until every click of the window is reflected and its events are counted, or its time is over."""
        while (now := time.perf_counter()) < end + LIMIT_S:
            self._traffic.publish_until(now + LOOK_S)
            self._view.decided(self._reading.more())
            some = outcomes(sent_between(self._traffic.clicks, begin, end), self._view.observations(), math.inf)
            late = any(math.isinf(outcome.delay_s) for outcome in some)
            if not late and all(self._progress.counts(kind, of) for kind, of in self._sent(begin, end).items()):
                return

    def _catch_up(self) -> None:
        """Wait until the learner has applied everything, so that the next window starts without a backlog."""
        bounds = log_bounds(self._settings.kafka, _SOURCES)
        ends = {TopicPartition(name, at): end for name in _SOURCES for at, (_, end) in enumerate(bounds[name])}
        until = time.monotonic() + CATCH_UP_S
        while left := missing(self._watch.reached(self._store.read, LEARNED), ends):
            self._check()
            if time.monotonic() > until:
                raise ReshelfError(f"the learner is still {left} offsets behind after {CATCH_UP_S:.0f} s of quiet")
            time.sleep(LOOK_S)

    def _check(self) -> None:
        self._view.check()
        self._progress.check()
        for role, worker in self._workers.items():
            if (status := worker.child.poll()) is not None:
                raise ReshelfError(f"the {role} ended with status {status}. Its last lines were:\n{tail(worker.log)}")
