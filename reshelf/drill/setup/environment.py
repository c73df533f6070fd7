"""What takes part: a broker, what keeps the state, and workers."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient

from reshelf.drill.setup.operator import Operator
from reshelf.drill.setup.renderer import Renderer
from reshelf.drill.setup.stores import RedisServer, Store
from reshelf.drill.setup.workers import Workers
from reshelf.processes.children import Served
from reshelf.processes.servers import embedded_broker, kafka_server
from reshelf.settings import Settings
from streams.kafka.admin import answers
from streams.kafka.clients import confluent_admin_config
from streams.settings import KafkaSettings
from streams.state.alias import alias_key

ADMIN_S = 15.0
KAFKA_START_S = 90.0


class Broker:
    """Apache Kafka that comes back with its logs, or the embedded broker, which cannot."""

    def __init__(self, home: Path | None, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._child: Served | None = None
        self.address = ""

    def settings(self, kafka: KafkaSettings) -> KafkaSettings:
        """The settings by which workers find it."""
        return kafka.changed(bootstrap=self.address, security_protocol="PLAINTEXT")

    @property
    def runs(self) -> bool:
        """Whether its process is there; of one that is not ours, yes."""
        return self._child is None or self._child.child.poll() is None

    def start(self, wait_factor: float = 1.0) -> None:
        """Start it, or start it again under the same address; raises `ServerFailed` when it takes too long."""
        if self._home is None:
            self.address = self._stack.enter_context(embedded_broker())
            return
        port = int(self.address.rpartition(":")[2]) if self.address else None
        self._child = self._stack.enter_context(
            kafka_server(self._home, self._folder, port=port, start_s=KAFKA_START_S * wait_factor)
        )
        self.address = self._child.address

    def stop(self) -> None:
        """End it in good order."""
        self.signal(signal.SIGCONT)
        self._stack.close()

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal; SIGKILL is waited for."""
        if self._child is None or self._child.child.poll() is not None:
            return
        self._child.child.send_signal(number)
        if number == signal.SIGKILL:
            self._child.child.wait()


class GivenBroker(Broker):
    """Somebody's broker: nothing is done to it, and in the end the drill's own topics are taken away."""

    def __init__(self, kafka: KafkaSettings) -> None:
        super().__init__(None, Path())
        self._kafka = kafka
        self.address = kafka.bootstrap

    def settings(self, kafka: KafkaSettings) -> KafkaSettings:
        return kafka

    def start(self, wait_factor: float = 1.0) -> None:
        self._clear()

    def stop(self) -> None:
        self._clear()

    def _clear(self) -> None:
        admin = AdminClient(confluent_admin_config(self._kafka))
        own = [name for name in admin.list_topics(timeout=ADMIN_S).topics if name.startswith(self._kafka.prefix)]
        if not own:
            return
        answers(admin.delete_topics, own, ADMIN_S, operation_timeout=ADMIN_S)
        until = time.monotonic() + ADMIN_S
        while set(own) & set(admin.list_topics(timeout=ADMIN_S).topics) and time.monotonic() < until:
            time.sleep(0.1)


@dataclass(slots=True)
class Environment:
    """All that takes part; `settings` are those of the workers, `disk` has their folders and may be filled.

    `renderer` shows layouts where their topic is broken.
    """

    settings: Settings
    broker: Broker
    store: Store
    workers: Workers
    operator: Operator
    replicas: list[RedisServer] = field(default_factory=list)
    disk: Path | None = None
    renderer: Renderer | None = None
    layouts_since_ms: int = 0
    """When the topic of layouts was made last, where the drill made it anew."""
    switching: bool = False
    """Whether workers are being switched to a namespace with more partitions."""

    @property
    def namespace(self) -> str:
        """What the workers' namespace stands for now; raises `redis.RedisError`."""
        name = self.settings.redis.namespace
        (stored,) = self.store.read([alias_key(name)])
        return name if stored is None else str(stored, "utf-8")

    @property
    def redis(self) -> RedisServer:
        """The one server, where there is one that may be broken."""
        assert isinstance(self.store, RedisServer)
        return self.store

    def revive(self, wait_factor: float) -> None:
        """Start the servers that do not run, each given `wait_factor` times the usual time; raises `ServerFailed`."""
        if not self.broker.runs:
            self.broker.start(wait_factor)
        if not self.store.runs:
            self.store.start(wait_factor)


@contextlib.contextmanager
def running(broker: Broker, store: Store) -> Iterator[None]:
    """Both are started, and gone when the block ends."""
    try:
        broker.start()
        store.start()
        yield
    finally:
        store.stop(kill=True)
        broker.stop()
