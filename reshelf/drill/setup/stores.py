"""Where the state is kept during a drill: a server that can be broken, a cluster, or what was given."""

from __future__ import annotations

import contextlib
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from reshelf.processes.children import Served, ServerFailed
from reshelf.processes.redis_cluster import RedisCluster
from reshelf.processes.servers import redis_server
from streams.settings import RedisSettings
from streams.state.connection.client import redis_servers

SNAPSHOT_S = 8.0
REDIS_START_S = 15.0
SNAPSHOTS_KEPT = 3
OPEN_TO_ALL: Any = {"username": "", "password": ""}
"""A server of the drill's own asks for no password."""


class Store(ABC):
    """One Redis or several, as the one sees it who breaks it."""

    @abstractmethod
    def settings(self, redis: RedisSettings) -> RedisSettings:
        """The settings by which workers find it."""

    @abstractmethod
    def servers(self) -> contextlib.AbstractContextManager[list[redis.Redis]]:
        """A client for each server that runs."""

    @abstractmethod
    def read(self, names: Sequence[str]) -> list[Any]:
        """The values of keys, wherever they are kept; raises `redis.RedisError`."""

    @property
    def runs(self) -> bool:
        """Whether its process is there; of servers that are not started one by one, yes."""
        return True

    @abstractmethod
    def start(self, wait_factor: float = 1.0) -> None:
        """Start it, or start it again under the same address; raises `ServerFailed` when it takes too long."""

    @abstractmethod
    def stop(self, *, kill: bool) -> None:
        """End it."""

    def take_snapshot(self, now: float) -> None:  # noqa: B027 - most keep none
        """Copy what is on disk now and then, where that can be restored."""

    def forget_snapshots(self) -> None:  # noqa: B027 - most keep none
        """Nothing from before now is restored any more."""


class RedisServer(Store):
    """A server whose every answered write is on disk; `snapshots` are copies of earlier moments."""

    def __init__(self, folder: Path) -> None:
        self._base = folder
        self._numbers = 0
        self._folder = self._fresh()
        self._stack = contextlib.ExitStack()
        self._served: Served | None = None
        self._snapshot_at = 0.0
        self.snapshots: list[Path] = []
        self.password = ""
        self.port: int | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def child_ended(self) -> bool:
        return self._served is None or self._served.child.poll() is not None

    @contextlib.contextmanager
    def servers(self) -> Iterator[list[redis.Redis]]:
        with self.client() as client:
            yield [client]

    def read(self, names: Sequence[str]) -> list[Any]:
        with self.client() as client:
            return list(client.mget(names))

    def settings(self, redis: RedisSettings) -> RedisSettings:
        return redis.changed(url=self.url, cluster=False, **OPEN_TO_ALL | {"password": self.password})

    def client(self) -> redis.Redis:
        """A client for the one who breaks it: short waits, no second attempt."""
        assert self.port is not None
        return redis.Redis(port=self.port, password=self.password, socket_timeout=3, socket_connect_timeout=1)

    def change_password(self, password: str) -> None:
        """From now on, and for all who are connected."""
        with self.client() as client:
            client.config_set("masterauth", password)
            client.config_set("requirepass", password)
            self.password = password
            client.client_kill_filter(_type="normal", skipme=True)

    @property
    def runs(self) -> bool:
        return not self.child_ended

    def start(self, wait_factor: float = 1.0) -> None:
        server = redis_server(
            self._folder,
            appendonly=True,
            port=self.port,
            start_s=REDIS_START_S * wait_factor,
            password=self.password,
        )
        self._served = self._stack.enter_context(server)
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

    def forget_snapshots(self) -> None:
        """Nothing from before now is restored any more."""
        while self.snapshots:
            shutil.rmtree(self.snapshots.pop(), ignore_errors=True)

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
        other.password = self.password
        try:
            other.start()
        except ServerFailed as error:
            raise OSError(f"the replica did not come up: {error}") from None
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
            client.config_set("requirepass", self.password)
            client.config_set("port", str(self.port))
        self._stack, self._served, self._folder = other._stack, other._served, other._folder

    def _fresh(self) -> Path:
        self._numbers += 1
        folder = self._base / str(self._numbers)
        folder.mkdir(parents=True)
        return folder


class ClusterStore(Store):
    """Three primaries, each with a replica."""

    def __init__(self, folder: Path) -> None:
        self.cluster = RedisCluster(folder)
        self._settings = RedisSettings()

    def settings(self, redis: RedisSettings) -> RedisSettings:
        return redis.changed(url=self.cluster.url, cluster=True, **OPEN_TO_ALL)

    @contextlib.contextmanager
    def servers(self) -> Iterator[list[redis.Redis]]:
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(node.client()) for node in self.cluster.nodes if node.runs]

    def read(self, names: Sequence[str]) -> list[Any]:
        return _read_cluster(self.settings(self._settings), names)

    def start(self, wait_factor: float = 1.0) -> None:
        self.cluster.start()

    def stop(self, *, kill: bool) -> None:
        self.cluster.stop(kill=kill)


class GivenStore(Store):
    """Somebody's Redis or cluster: nothing is done to it, and in the end the drill's own keys are taken away."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings

    def settings(self, redis: RedisSettings) -> RedisSettings:
        return redis

    @contextlib.contextmanager
    def servers(self) -> Iterator[list[redis.Redis]]:
        with redis_servers(self._settings) as servers:
            yield list(servers.values())

    def read(self, names: Sequence[str]) -> list[Any]:
        if self._settings.cluster:
            return _read_cluster(self._settings, names)
        with self.servers() as (server,):
            return list(server.mget(names))

    def start(self, wait_factor: float = 1.0) -> None:
        self._clear()

    def stop(self, *, kill: bool) -> None:
        self._clear()

    def _clear(self) -> None:
        with self.servers() as servers:
            for server in servers:
                for name in server.scan_iter(f"reshelf:{{{self._settings.namespace}:*", count=1_000):
                    server.unlink(name)


def _read_cluster(settings: RedisSettings, names: Sequence[str]) -> list[Any]:
    state: dict[str, Any] = {}
    with redis_servers(settings) as servers:
        for server in servers.values():
            pipeline = server.pipeline(transaction=False)
            for name in names:
                pipeline.get(name)
            for name, value in zip(names, pipeline.execute(raise_on_error=False), strict=True):
                if not isinstance(value, redis.ResponseError):
                    state[name] = value
    if lacking := len(names) - len(state):
        raise redis.ConnectionError(f"{lacking} keys are on a shard that has no primary now")
    return [state[name] for name in names]
