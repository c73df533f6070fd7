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

from reshelf.drill.plan import DRILLED, Fault, Kind
from reshelf.drill.setup.environment import Stage
from reshelf.drill.setup.stores import ClusterStore
from reshelf.drill.setup.workers import Member
from schemas.errors import Transient
from schemas.topics import CONVERSIONS, LAYOUTS, LAYOUTS_HISTORY, Topic
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_admin_config

Heal = Callable[[], None]
REQUEST_S = 5.0
HIT_S = 4.0
ROLE_WEIGHTS = (*DRILLED, "learner")


class Impossible(Exception):
    """There was nothing to break."""


def inject(stage: Stage, fault: Fault) -> Heal | None:
    """Break the stage as the fault says; raises `Impossible`."""
    try:
        return _INJECT[fault.kind](stage, fault)
    except (redis.RedisError, KafkaException, OSError) as error:
        raise Impossible(str(error)) from error


def _member(stage: Stage, fault: Fault, role: str = "") -> Member:
    among = stage.fleet.of(role or ROLE_WEIGHTS[fault.pick % len(ROLE_WEIGHTS)])
    if not among:
        raise Impossible("no such worker runs")
    return among[fault.pick // 7 % len(among)]


def _kill_worker(stage: Stage, fault: Fault) -> None:
    stage.fleet.kill(_member(stage, fault))


def _freeze_worker(stage: Stage, fault: Fault) -> Heal:
    member = _member(stage, fault)
    stage.fleet.freeze(member)

    def heal() -> None:
        with contextlib.suppress(ProcessLookupError):
            member.child.send_signal(signal.SIGCONT)

    return heal


def _add_worker(stage: Stage, fault: Fault) -> Heal:
    member = stage.fleet.add(ROLE_WEIGHTS[fault.pick % len(ROLE_WEIGHTS)])
    return lambda: stage.fleet.stop(member)


def _stop_worker(stage: Stage, fault: Fault) -> None:
    stage.fleet.stop(_member(stage, fault))


def _restart_broker(stage: Stage, fault: Fault) -> None:
    stage.broker.stop()
    stage.broker.start()


def _kill_broker(stage: Stage, fault: Fault) -> None:
    stage.broker.signal(signal.SIGKILL)
    stage.broker.start()


def _freeze_broker(stage: Stage, fault: Fault) -> Heal:
    """Connections stay open and nothing answers: worse for clients than a closed port."""
    stage.broker.signal(signal.SIGSTOP)
    return lambda: stage.broker.signal(signal.SIGCONT)


def _restart_redis(stage: Stage, fault: Fault) -> None:
    stage.redis.stop(kill=False)
    stage.redis.start()


def _kill_redis(stage: Stage, fault: Fault) -> Heal | None:
    if isinstance(stage.store, ClusterStore):
        return _kill_primary(stage.store, fault)
    stage.store.stop(kill=True)
    stage.store.start()
    return None


def _kill_primary(store: ClusterStore, fault: Fault) -> Heal:
    if not store.cluster.primaries():
        raise Impossible("no primary runs")
    killed = store.cluster.kill_primary(fault.pick)
    return lambda: None if killed.runs else killed.start()


def _roll_redis_back(stage: Stage, fault: Fault) -> None:
    if not stage.redis.restore():
        raise Impossible("no snapshot yet")


def _fill_redis(stage: Stage, fault: Fault) -> Heal:
    with stage.store.servers() as servers:
        for server in servers:
            server.config_set("maxmemory", "1mb")

    def heal() -> None:
        with stage.store.servers() as servers:
            for server in servers:
                server.config_set("maxmemory", "0")

    return heal


def _fail_redis_over(stage: Stage, fault: Fault) -> Heal | None:
    """The replica loses its primary's stream some seconds before it has to take over; in a cluster, it takes over."""
    if isinstance(stage.store, ClusterStore):
        stage.store.cluster.take_over(fault.pick)
        return None
    replica = stage.redis.replica()
    stage.replicas.append(replica)
    with replica.client() as client:
        client.replicaof("127.0.0.1", "1")

    def heal() -> None:
        stage.redis.become(replica)
        stage.replicas.remove(replica)

    return heal


def _tear_attribution(stage: Stage, fault: Fault) -> Heal:
    """Redis takes no writes, so what is decided now is published and not remembered; then all attribution dies."""
    before = _end(stage, CONVERSIONS)
    with stage.store.servers() as servers:
        for server in servers:
            server.client_pause(round((fault.lasting + HIT_S) * 1000), all=False)

    def heal() -> None:
        _wait_for_more(stage, CONVERSIONS, before)
        for member in stage.fleet.of("attribution"):
            stage.fleet.kill(member)
        time.sleep(0.1)
        with stage.store.servers() as servers:
            for server in servers:
                server.client_unpause()

    return heal


def _tear_layouts(stage: Stage, fault: Fault) -> Heal:
    """`layouts` takes no writes and `layouts-history` does; then all layout producers die."""
    before = _end(stage, LAYOUTS_HISTORY)
    _require_copies(stage, "2")

    def heal() -> None:
        _wait_for_more(stage, LAYOUTS_HISTORY, before)
        for member in stage.fleet.of("layouts"):
            stage.fleet.kill(member)
        _require_copies(stage, "1")

    return heal


def _end(stage: Stage, topic: Topic) -> int:
    """Records of a topic so far; -1 where no broker answers."""
    try:
        return sum(end for _, end in log_bounds(stage.settings.kafka, [topic.name])[topic.name])
    except Transient:
        return -1


def _wait_for_more(stage: Stage, topic: Topic, before: int) -> None:
    """The moment to strike: one of two writes has happened."""
    until = time.monotonic() + HIT_S
    while _end(stage, topic) <= before and time.monotonic() < until:
        time.sleep(0.1)


def _require_copies(stage: Stage, copies: str) -> None:
    kafka = stage.settings.kafka
    entry = ConfigEntry("min.insync.replicas", copies, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, kafka.prefix + LAYOUTS.name, incremental_configs=[entry])
    admin = AdminClient(confluent_admin_config(kafka))
    for done in admin.incremental_alter_configs([resource], request_timeout=REQUEST_S).values():
        done.result(REQUEST_S + 1)


_INJECT: dict[Kind, Callable[[Stage, Fault], Heal | None]] = {
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
}
