"""How each kind of fault breaks the stage and how it heals.

`inject` breaks at once and gives what heals it, or None where nothing is left
to heal.  `Impossible` says that just now there was nothing to break.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from reshelf.drill.faults.clock import set_off
from reshelf.drill.faults.disk import fill
from reshelf.drill.faults.emptied import empty_redis
from reshelf.drill.faults.partitions import add_partitions
from reshelf.drill.faults.password import change_password
from reshelf.drill.faults.topic import make_layouts_anew
from reshelf.drill.plan import DRILLED, Fault, Heal, Impossible, Kind
from reshelf.drill.setup.environment import Environment
from reshelf.drill.setup.stores import ClusterStore
from reshelf.drill.setup.workers import Member
from schemas.errors import Transient
from schemas.topic import Topic
from schemas.topics import CONVERSIONS, LAYOUTS, LAYOUTS_HISTORY
from streams.kafka.admin import answers
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_admin_config

REQUEST_S = 5.0
HIT_S = 4.0
ROLE_WEIGHTS = (*DRILLED, "learner")


def inject(environment: Environment, fault: Fault) -> Heal | None:
    """Break the stage as the fault says; raises `Impossible`."""
    try:
        return _INJECT[fault.kind](environment, fault)
    except (redis.RedisError, KafkaException, OSError) as error:
        raise Impossible(str(error)) from error


def _member(environment: Environment, fault: Fault, role: str = "") -> Member:
    among = environment.workers.of(role or ROLE_WEIGHTS[fault.pick % len(ROLE_WEIGHTS)])
    if not among:
        raise Impossible("no such worker runs")
    return among[fault.pick // 7 % len(among)]


def _kill_worker(environment: Environment, fault: Fault) -> None:
    environment.workers.kill(_member(environment, fault))


def _freeze_worker(environment: Environment, fault: Fault) -> Heal:
    member = _member(environment, fault)
    environment.workers.freeze(member)

    def heal() -> None:
        with contextlib.suppress(ProcessLookupError):
            member.child.send_signal(signal.SIGCONT)

    return heal


def _add_worker(environment: Environment, fault: Fault) -> Heal:
    member = environment.workers.add(ROLE_WEIGHTS[fault.pick % len(ROLE_WEIGHTS)])
    return lambda: environment.workers.stop(member)


def _stop_worker(environment: Environment, fault: Fault) -> None:
    environment.workers.stop(_member(environment, fault))


def _restart_broker(environment: Environment, fault: Fault) -> None:
    environment.broker.stop()
    environment.broker.start()


def _kill_broker(environment: Environment, fault: Fault) -> None:
    environment.broker.signal(signal.SIGKILL)
    environment.broker.start()


def _freeze_broker(environment: Environment, fault: Fault) -> Heal:
    """Connections stay open and nothing answers: worse for clients than a closed port."""
    environment.broker.signal(signal.SIGSTOP)
    return lambda: environment.broker.signal(signal.SIGCONT)


def _restart_redis(environment: Environment, fault: Fault) -> None:
    environment.redis.stop(kill=False)
    environment.redis.start()


def _kill_redis(environment: Environment, fault: Fault) -> Heal | None:
    if isinstance(environment.store, ClusterStore):
        return _kill_primary(environment.store, fault)
    environment.store.stop(kill=True)
    environment.store.start()
    return None


def _kill_primary(store: ClusterStore, fault: Fault) -> Heal:
    if not store.cluster.primaries():
        raise Impossible("no primary runs")
    killed = store.cluster.kill_primary(fault.pick)
    return lambda: None if killed.runs else killed.start()


def _roll_redis_back(environment: Environment, fault: Fault) -> None:
    if not environment.redis.restore():
        raise Impossible("no snapshot yet")


def _fill_redis(environment: Environment, fault: Fault) -> Heal:
    with environment.store.servers() as servers:
        for server in servers:
            server.config_set("maxmemory", "1mb")

    def heal() -> None:
        with environment.store.servers() as servers:
            for server in servers:
                server.config_set("maxmemory", "0")

    return heal


def _fail_redis_over(environment: Environment, fault: Fault) -> Heal | None:
    """The replica lost its primary's stream some seconds ago, or follows it to the end; in a cluster, it takes over."""
    if isinstance(environment.store, ClusterStore):
        environment.store.cluster.take_over(fault.pick)
        return None
    replica = environment.redis.replica()
    environment.replicas.append(replica)
    if fault.pick % 3:
        with replica.client() as client:
            client.replicaof("127.0.0.1", "1")

    def heal() -> None:
        environment.redis.become(replica)
        environment.replicas.remove(replica)

    return heal


def _tear_attribution(environment: Environment, fault: Fault) -> Heal:
    """Redis takes no writes, so what is decided now is published and not remembered; then all attribution dies."""
    before = _end(environment, CONVERSIONS)
    with environment.store.servers() as servers:
        for server in servers:
            server.client_pause(round((fault.lasting + HIT_S) * 1000), all=False)

    def heal() -> None:
        _wait_for_more(environment, CONVERSIONS, before)
        for member in environment.workers.of("attribution"):
            environment.workers.kill(member)
        time.sleep(0.1)
        with environment.store.servers() as servers:
            for server in servers:
                server.client_unpause()

    return heal


def _tear_layouts(environment: Environment, fault: Fault) -> Heal:
    """`layouts` takes no writes and `layouts-history` does; then all layout producers die."""
    before = _end(environment, LAYOUTS_HISTORY)
    _require_copies(environment, "2")

    def heal() -> None:
        _wait_for_more(environment, LAYOUTS_HISTORY, before)
        for member in environment.workers.of("layouts"):
            environment.workers.kill(member)
        _require_copies(environment, "1")

    return heal


def _end(environment: Environment, topic: Topic) -> int:
    """Records of a topic so far; -1 where no broker answers."""
    try:
        return sum(end for _, end in log_bounds(environment.settings.kafka, [topic.name])[topic.name])
    except Transient:
        return -1


def _wait_for_more(environment: Environment, topic: Topic, before: int) -> None:
    """The moment to strike: one of two writes has happened."""
    until = time.monotonic() + HIT_S
    while _end(environment, topic) <= before and time.monotonic() < until:
        time.sleep(0.1)


def _require_copies(environment: Environment, copies: str) -> None:
    kafka = environment.settings.kafka
    entry = ConfigEntry("min.insync.replicas", copies, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, kafka.prefix + LAYOUTS.name, incremental_configs=[entry])
    admin = AdminClient(confluent_admin_config(kafka))
    answers(admin.incremental_alter_configs, [resource], REQUEST_S)


_INJECT: dict[Kind, Callable[[Environment, Fault], Heal | None]] = {
    Kind.WORKER_KILLED: _kill_worker,
    Kind.WORKER_FROZEN: _freeze_worker,
    Kind.WORKER_ADDED: _add_worker,
    Kind.WORKER_STOPPED: _stop_worker,
    Kind.ATTRIBUTION_TORN: _tear_attribution,
    Kind.LAYOUTS_TORN: _tear_layouts,
    Kind.BROKER_RESTARTED: _restart_broker,
    Kind.BROKER_KILLED: _kill_broker,
    Kind.BROKER_AWAY: _freeze_broker,
    Kind.REDIS_RESTARTED: _restart_redis,
    Kind.REDIS_KILLED: _kill_redis,
    Kind.REDIS_ROLLED_BACK: _roll_redis_back,
    Kind.REDIS_FULL: _fill_redis,
    Kind.REDIS_FAILED_OVER: _fail_redis_over,
    Kind.REDIS_PASSWORD: change_password,
    Kind.DISK_FULL: fill,
    Kind.CLOCK_OFF: set_off,
    Kind.LAYOUTS_ANEW: make_layouts_anew,
    Kind.PARTITIONS_ADDED: add_partitions,
    Kind.REDIS_EMPTIED: empty_redis,
}
