"""One drill from the first event to the last line of the report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import redis
from confluent_kafka import KafkaException

from reshelf.drill import verify
from reshelf.drill.comparison import ENDS, Comparison
from reshelf.drill.faults.breaking import Breaking
from reshelf.drill.faults.disk import small_disk
from reshelf.drill.plan import Kind, plan
from reshelf.drill.recreate import check_refusal
from reshelf.drill.report import Options, Report
from reshelf.drill.samples import Samples, Use
from reshelf.drill.setup.environment import Broker, Environment, GivenBroker, running
from reshelf.drill.setup.operator import Operator
from reshelf.drill.setup.renderer import rendering
from reshelf.drill.setup.stores import ClusterStore, GivenStore, RedisServer, Store
from reshelf.drill.setup.workers import Workers
from reshelf.drill.slow import slow_redis, throttle_readers
from reshelf.drill.traffic import Traffic
from reshelf.drill.watch import DECIDED, READERS, Ends, Reader, Watch, missing
from reshelf.numbers import number
from reshelf.processes.children import MOST_WAITS
from reshelf.settings import Settings
from reshelf.topics.admin import apply
from schemas.errors import ReshelfError, Transient
from streams.kafka.bounds import log_bounds
from streams.kafka.records import TopicPartition

Say = Callable[[str], None]
WARM_UP_S = 120.0
DRAIN_S = 180.0
"""How long nothing may get less of what is waited for."""
FLAT = "memory and files of the workers stay flat"
LOOK_S = 0.2
UNFINISHED = (ReshelfError, redis.RedisError, KafkaException, OSError)
GRACE_MS = 2_000
DUPLICATE_WINDOW_MS = 10_000
"""Short enough for the windows to turn over, and to be full long before memory is compared."""
FLEET = 2


def own_settings(settings: Settings, seed: int) -> Settings:
    """The settings with what a drill needs: names of its own, and layouts whose end can be waited for."""
    return settings.changed(
        kafka={"prefix": f"{settings.kafka.prefix}drill-{seed}-"},
        redis={"namespace": f"drill-{seed}"},
        fold={"duplicate_window_ms": DUPLICATE_WINDOW_MS},
        layouts={"ttl_ms": verify.LAYOUT_TTL_MS},
        attribution={"grace_ms": GRACE_MS},
    )


def drill(settings: Settings, options: Options, folder: Path, say: Say) -> Report:
    """Break, heal, drain and compare; everything that was started has ended afterwards.

    Where workers do not begin or catch up, or a server does not come back, the report says so and has what there is.
    Raises `ReshelfError` when the servers do not start.
    """
    disk = folder / "disk"
    own = own_settings(settings, options.seed).changed(
        attribution={"folder": str(disk / "clicks")}, learner={"folder": str(disk / "duplicates")}
    )
    broker, store = _servers(own, options, folder)
    with contextlib.ExitStack() as opened, running(broker, store):
        may_fill = Kind.DISK_FULL in options.kinds and opened.enter_context(small_disk(disk))
        kafka, redis_settings = broker.settings(own.kafka), store.settings(own.redis)
        if options.redis_delay_s and isinstance(store, RedisServer):
            port = opened.enter_context(slow_redis(lambda: store.port or 0, options.redis_delay_s))
            redis_settings = redis_settings.changed(url=f"redis://127.0.0.1:{port}/0")
        if options.read_bytes_per_s:
            throttle_readers(broker.address, options.read_bytes_per_s)
        own = own.changed(kafka=kafka, redis=redis_settings)
        apply(own.kafka)
        environment = Environment(
            own, broker, store, Workers(own, folder, FLEET), Operator(folder), disk=disk if may_fill else None
        )
        if Kind.LAYOUTS_ANEW in options.kinds and not options.soak:
            environment.renderer = opened.enter_context(rendering(own, folder))
        return _Drill(environment, options, say).run()


def _servers(settings: Settings, options: Options, folder: Path) -> tuple[Broker, Store]:
    if options.external:
        return GivenBroker(settings.kafka), GivenStore(settings.redis)
    (folder / "kafka").mkdir()
    store = ClusterStore(folder / "redis") if options.cluster else RedisServer(folder / "redis")
    return Broker(options.home, folder / "kafka"), store


class _Drill:
    def __init__(self, environment: Environment, options: Options, say: Say) -> None:
        self._environment = environment
        self._options = options
        self._say = say
        self._report = Report(options.seed)
        settings = environment.settings
        self._traffic = Traffic(settings.kafka, options.seed, options.rate)
        self._watch = Watch(settings.redis.namespace, settings.redis.groups, settings.kafka.partitions)
        self._samples = Samples()
        self._breaking = Breaking(environment, self._report, say, self._watch.healed)

    def run(self) -> Report:
        """All of it; where it cannot go on, what is there by then, and why."""
        report = self._report
        with self._closing():
            try:
                self._stages()
            except UNFINISHED as error:
                self._unfinished(error)
        report.gave_up = self._environment.workers.gave_up
        report.recovery_s = self._watch.quantiles()
        report.latency_s, report.most_behind = self._samples.latency_s(), self._samples.most_behind
        if self._options.soak:
            report.uses = self._samples.uses()
            report.findings.append(_growth(report.uses))
        return report

    def _unfinished(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        self._report.unfinished = self._report.unfinished or why
        self._report.events = self._traffic.sent
        self._say(f"The drill cannot go on: {why}")

    def _stages(self) -> None:
        workers, report = self._environment.workers, self._report
        self._traffic.open()
        workers.open()
        self._traffic.start()
        self._until(self._cold, WARM_UP_S, "the workers did not begin to work")
        doing = "watching them" if self._options.soak else "breaking things"
        self._say(f"{len(workers.members)} workers have begun; {doing} for {number(self._options.seconds)} s")
        self._break()
        report.unacknowledged = self._traffic.stop(60)
        report.events = self._traffic.sent
        self._say(f"{report.events} events sent; waiting until all is applied")
        stamped = self._options.home is not None
        comparison = Comparison(self._environment, self._traffic.acknowledged, stamped, self._tick)
        report.findings += comparison.compare(self._drained())
        report.torn_layouts = comparison.torn_layouts
        stops = list(workers.close())
        report.slowest_stop_s = round(max(seconds for _, seconds in stops), 1)
        if stamped:
            report.findings.append(check_refusal(self._environment))

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._traffic.stop(0)
            for _ in self._environment.workers.close():
                pass
            self._environment.operator.close()
            for replica in self._environment.replicas:
                replica.stop(kill=True)

    # Breaking

    def _break(self) -> None:
        options = self._options
        session = self._environment.settings.kafka.session_timeout_s
        agenda = plan(options.seed, options.kills, options.seconds, session, options.kinds)
        begin = time.monotonic()
        while agenda or self._breaking.heals or time.monotonic() - begin < options.seconds or self._watch.waits:
            now = time.monotonic()
            if now - begin > options.seconds + DRAIN_S:
                break
            while agenda and agenda[0].at <= now - begin:
                self._breaking.inject(agenda.pop(0), begin)
            self._breaking.heal_due(now)
            self._tick()

    def _tick(self) -> None:
        now = time.monotonic()
        self._environment.workers.tend(now)
        self._environment.store.take_snapshot(now)
        with contextlib.suppress(redis.RedisError):
            reached, ends = self._reached(), self._traffic.ends
            self._watch.look(reached, ends, now)
            self._samples.look(self._environment.workers.members, reached, ends, now)
        time.sleep(LOOK_S)

    def _reached(self, readers: Sequence[Reader] = READERS) -> list[Ends]:
        """How far the readers are in the namespace that they use now."""
        environment = self._environment
        self._watch.follow(environment.namespace, environment.settings.kafka.partitions)
        return self._watch.reached(environment.store.read, readers)

    # Waiting

    def _until(self, left: Callable[[], int], limit_s: float, otherwise: str) -> None:
        """Wait until nothing is left; the time runs anew as it gets less, `MOST_WAITS` times at most."""
        begin = moved_at = time.monotonic()
        least: int | None = None
        while True:
            with contextlib.suppress(redis.RedisError):
                if not (lacking := left()):
                    return
                if least is None or lacking < least:
                    least, moved_at = lacking, time.monotonic()
            now = time.monotonic()
            if now - moved_at > limit_s or now - begin > MOST_WAITS * limit_s:
                said = "\n".join(self._environment.workers.gave_up[-3:])
                raise ReshelfError(f"{otherwise} within {number(now - begin)} s (seed {self._options.seed}). {said}")
            self._tick()

    def _cold(self) -> int:
        """Partitions that some reader has not begun with."""
        reached = self._reached()
        return sum(mark <= 0 for reader in reached for mark in reader.values())

    def _drained(self) -> dict[TopicPartition, int]:
        """Where the logs end once all is applied; where it is not in time, what differs is compared all the same."""
        try:
            return self._drain()
        except ReshelfError as error:
            self._unfinished(error)
            return self._ends()

    def _drain(self) -> dict[TopicPartition, int]:
        """Wait for the readers of what was sent, then for the learner of what attribution made of it."""
        ends: dict[TopicPartition, int] = {}
        for readers in (READERS, (*READERS, *DECIDED)):
            ends = self._ends()
            self._until(partial(self._behind, readers, ends), DRAIN_S, "the workers did not catch up")
        return ends

    def _behind(self, readers: Sequence[Reader], ends: dict[TopicPartition, int]) -> int:
        return missing(self._reached(readers), ends)

    def _ends(self) -> dict[TopicPartition, int]:
        until = time.monotonic() + WARM_UP_S
        while True:
            try:
                bounds = log_bounds(self._environment.settings.kafka, [topic.name for topic in ENDS])
            except Transient:
                if time.monotonic() > until:
                    raise
                continue
            return {
                TopicPartition(t, number): end for t, pairs in bounds.items() for number, (_, end) in enumerate(pairs)
            }


def _growth(uses: list[Use]) -> verify.Finding:
    """Workers of a soak must not need more and more."""
    finding = verify.Finding(FLAT, len(uses))
    finding.examples = [f"{use.worker} grew: {use.memory_mb} MB, {use.files} files" for use in uses if not use.flat]
    return finding
