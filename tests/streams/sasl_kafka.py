"""A real Kafka with one more listener, on which users name themselves by SCRAM."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reshelf.processes.children import free_port
from reshelf.processes.servers import kafka_server


class Listeners(NamedTuple):
    """Where anybody may do anything, and where users name themselves: host:port."""

    plain: str
    secure: str


@contextlib.contextmanager
def sasl_kafka(
    home: Path, folder: Path, protocol: str, user: str, password: str, properties: Sequence[str]
) -> Iterator[Listeners]:
    """The server with one user; `protocol` is SASL_PLAINTEXT or SASL_SSL, `properties` are further lines."""
    plain, secure, controller = free_port(), free_port(), free_port()
    listeners = Listeners(f"127.0.0.1:{plain}", f"127.0.0.1:{secure}")
    lines = [
        f"listeners=PLAINTEXT://{listeners.plain},SECURE://{listeners.secure},CONTROLLER://127.0.0.1:{controller}",
        f"advertised.listeners=PLAINTEXT://{listeners.plain},SECURE://{listeners.secure}",
        f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:{protocol},CONTROLLER:PLAINTEXT",
        f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}",
        "sasl.enabled.mechanisms=SCRAM-SHA-512",
        "listener.name.secure.scram-sha-512.sasl.jaas.config="
        "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        *properties,
    ]
    scram = [f"SCRAM-SHA-512=[name={user},password={password}]"]
    with kafka_server(home, folder, port=plain, properties=lines, scram=scram):
        yield listeners
