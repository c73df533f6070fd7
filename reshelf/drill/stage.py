"""What can be broken: a broker, Redis with its snapshots, and a fleet of workers."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from reshelf.drill.fleet import Fleet
from reshelf.processes import Served
from reshelf.servers import embedded_broker, kafka_server, redis_server
from reshelf.settings import Settings

SNAPSHOT_S = 8.0
SNAPSHOTS_KEPT = 3


class Broker:
    """Apache Kafka that comes back with its logs, or the embedded broker, which cannot (`durable` is False)."""

    def __init__(self, home: Path | None, folder: Path) -> None:
        self.durable = home is not None
        self._home = home
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._child: Served | None = None
        self.address = ""

    def start(self) -> None:
        """Start it, or start it again under the same address."""
        if self._home is None:
            self.address = self._stack.enter_context(embedded_broker())
            return
        port = int(self.address.rpartition(":")[2]) if self.address else None
        self._child = self._stack.enter_context(kafka_server(self._home, self._folder, port=port))
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


class RedisServer:
    """A server whose every answered write is on disk; `snapshots` are copies of earlier moments."""

    def __init__(self, folder: Path) -> None:
        self._base = folder
        self._numbers = 0
        self._folder = self._fresh()
        self._stack = contextlib.ExitStack()
        self._served: Served | None = None
        self._snapshot_at = 0.0
        self.snapshots: list[Path] = []
        self.port: int | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def child_ended(self) -> bool:
        return self._served is None or self._served.child.poll() is not None

    def client(self) -> redis.Redis:
        """A client for the one who breaks it: short waits, no second attempt."""
        assert self.port is not None
        return redis.Redis(port=self.port, socket_timeout=3, socket_connect_timeout=1)

    def start(self) -> None:
        """Start it, or start it again under the same address."""
        self._served = self._stack.enter_context(redis_server(self._folder, appendonly=True, port=self.port))
        self.port = int(self._served.address.rpartition(":")[2])

    def stop(self, *, kill: bool) -> None:
        """End it."""
        if kill and self._served is not None and not self.child_ended:
            self._served.child.kill()
            self._served.child.wait()
        self._stack.close()

    def take_snapshot(self, now: float) -> None:
        """Copy the files now and then; a write that is under way is cut off, as after a crash."""
        if now - self._snapshot_at < SNAPSHOT_S or self.child_ended:
            return
        self._snapshot_at = now
        with contextlib.suppress(OSError, shutil.Error):
            target = self._fresh()
            shutil.copytree(self._folder / "appendonlydir", target / "appendonlydir")
            self.snapshots.append(target)
            for old in self.snapshots[:-SNAPSHOTS_KEPT]:
                shutil.rmtree(old, ignore_errors=True)
            self.snapshots = self.snapshots[-SNAPSHOTS_KEPT:]

    def restore(self) -> bool:
        """Go back to the oldest snapshot kept; False where there is none."""
        if not self.snapshots:
            return False
        self.stop(kill=True)
        self._folder = self._fresh()
        shutil.copytree(self.snapshots[0], self._folder, dirs_exist_ok=True)
        self.start()
        return True

    def replica(self) -> RedisServer:
        """A second server that has copied this one."""
        other = RedisServer(self._base / f"replica-{time.monotonic_ns()}")
        other.start()
        with other.client() as client:
            client.replicaof("127.0.0.1", str(self.port))
            until = time.monotonic() + 10
            while client.info("replication").get("master_link_status") != "up":
                if time.monotonic() > until:
                    other.stop(kill=True)
                    raise OSError("the replica did not come up")
                time.sleep(0.05)
        return other

    def become(self, other: RedisServer) -> None:
        """The other takes this one's place and address."""
        self.stop(kill=True)
        with other.client() as client:
            client.execute_command("REPLICAOF", "NO", "ONE")
            client.config_set("port", str(self.port))
        self._stack, self._served, self._folder = other._stack, other._served, other._folder

    def _fresh(self) -> Path:
        self._numbers += 1
        folder = self._base / str(self._numbers)
        folder.mkdir(parents=True)
        return folder


@dataclass(slots=True)
class Stage:
    """All that takes part; `settings` are those of the workers."""

    settings: Settings
    broker: Broker
    redis: RedisServer
    fleet: Fleet
    replicas: list[RedisServer] = field(default_factory=list)


@contextlib.contextmanager
def servers(home: Path | None, folder: Path) -> Iterator[tuple[Broker, RedisServer]]:
    """Broker and Redis, started; both are gone when the block ends."""
    broker, store = Broker(home, folder / "kafka"), RedisServer(folder / "redis")
    (folder / "kafka").mkdir()
    try:
        broker.start()
        store.start()
        yield broker, store
    finally:
        store.stop(kill=True)
        broker.stop()
