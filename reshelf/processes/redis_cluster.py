"""A Redis Cluster on this machine, for drills and tests: primaries with one replica each, which fail over."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from reshelf.numbers import number
from reshelf.processes.children import MOST_WAITS, Served, ServerFailed, free_port
from reshelf.processes.servers import redis_server

SLOTS = 16_384
NODE_TIMEOUT_MS = 2_000
"""How long a primary is silent before its replica replaces it."""
START_S = 20.0
"""How long nothing more may become as it shall be."""


class Node:
    """One server of the cluster; it comes back under its port with what it had on disk."""

    def __init__(self, folder: Path, appendonly: bool) -> None:
        folder.mkdir(parents=True)
        self._appendonly = appendonly
        self._folder = folder
        self._bus = free_port()
        self._stack = contextlib.ExitStack()
        self._served: Served | None = None
        self.port: int | None = None

    @property
    def runs(self) -> bool:
        return self._served is not None and self._served.child.poll() is None

    def start(self) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-port", str(self._bus)]
        options += ["--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-announce-ip", "127.0.0.1"]
        server = redis_server(self._folder, appendonly=self._appendonly, port=self.port, options=options)
        self._served = self._stack.enter_context(server)
        self.port = int(self._served.address.rpartition(":")[2])

    def stop(self, *, kill: bool) -> None:
        if kill and self._served is not None:
            self._served.child.kill()
            self._served.child.wait()
        self._stack.close()

    def client(self) -> redis.Redis:
        """A client of this node alone."""
        assert self.port is not None
        return redis.Redis(port=self.port, socket_timeout=3, socket_connect_timeout=1, protocol=2)

    def execute(self, *command: str) -> Any:
        """What the node answers to one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def identity(self) -> str:
        return _text(self.execute("CLUSTER", "MYID"))

    def meet(self, other: Node) -> None:
        self.execute("CLUSTER", "MEET", "127.0.0.1", str(other.port), str(other._bus))


class RedisCluster:
    """`primaries` shards of a primary and `replicas`, one or none; with `appendonly` writes are on disk."""

    def __init__(self, folder: Path, primaries: int = 3, replicas: int = 1, *, appendonly: bool = True) -> None:
        self.nodes = [Node(folder / str(number), appendonly) for number in range((1 + replicas) * primaries)]
        self._primaries = primaries
        self._replicas = replicas

    @property
    def url(self) -> str:
        """The address of the cluster, all its nodes named."""
        return "redis://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Start all nodes and join them; raises ServerFailed when they do not agree in time."""
        for node in self.nodes:
            node.start()
        first, heads = self.nodes[0], self.nodes[: self._primaries]
        for place, head in enumerate(heads):
            low, high = (SLOTS * at // self._primaries for at in (place, place + 1))
            head.execute("CLUSTER", "ADDSLOTSRANGE", str(low), str(high - 1))
        for node in self.nodes[1:]:
            first.meet(node)
        _until("the nodes to meet", lambda: [_count_known_nodes(node) == len(self.nodes) for node in self.nodes])
        for replica, head in zip(self.nodes[self._primaries :], heads, strict=False):
            replica.execute("CLUSTER", "REPLICATE", head.identity())
        self.settle()

    def settle(self) -> None:
        """Wait until every node runs, agrees, and each shard has a primary and its replica in step."""
        _until("the cluster to settle", self._settled)

    def _settled(self) -> list[bool]:
        return [*(_well(node, self._replicas) for node in self.nodes), len(self.primaries()) == self._primaries]

    def primaries(self) -> list[Node]:
        """The nodes that take writes just now."""
        return [node for node in self.nodes if node.runs and _info(node).get("role") == "master"]

    def kill_primary(self, pick: int) -> Node:
        """Kill one primary; its replica takes over within a few seconds.  Start the node again when it pleases."""
        among = self.primaries()
        node = among[pick % len(among)]
        node.stop(kill=True)
        return node

    def take_over(self, pick: int) -> None:
        """A replica takes its primary's place by force: what had not reached it is lost."""
        among = [node for node in self.nodes if node.runs and _info(node).get("role") == "slave"]
        if among:
            among[pick % len(among)].execute("CLUSTER", "FAILOVER", "TAKEOVER")

    def stop(self, *, kill: bool = True) -> None:
        for node in self.nodes:
            node.stop(kill=kill)


@contextlib.contextmanager
def embedded_cluster(shards: int) -> Iterator[str]:
    """A cluster of so many shards without replicas; gives an address with all its nodes.  Nothing is kept."""
    with tempfile.TemporaryDirectory(prefix="reshelf-cluster-") as folder, contextlib.ExitStack() as stack:
        cluster = RedisCluster(Path(folder), shards, replicas=0, appendonly=False)
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster.url


def _info(node: Node) -> dict[str, Any]:
    with node.client() as client:
        return dict(client.info("replication"))


def _count_known_nodes(node: Node) -> int:
    return len(_text(node.execute("CLUSTER", "NODES")).splitlines())


def _well(node: Node, replicas: int) -> bool:
    if not node.runs or "cluster_state:ok" not in _text(node.execute("CLUSTER", "INFO")):
        return False
    info = _info(node)
    if info["role"] == "master":
        return int(info.get("connected_slaves", 0)) >= replicas
    return bool(info["master_link_status"] == "up")


def _text(answer: Any) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def _until(what: str, look: Callable[[], Sequence[bool]]) -> None:
    """Wait until all of it is so; the time runs anew as more of it becomes so, `MOST_WAITS` times at most."""
    begin, most = time.monotonic(), 0
    end = begin + START_S
    while (now := time.monotonic()) < min(end, begin + MOST_WAITS * START_S):
        with contextlib.suppress(redis.RedisError, OSError):
            now_so = look()
            if all(now_so):
                return
            if sum(now_so) > most:
                most, end = sum(now_so), now + START_S
        time.sleep(0.1)
    raise ServerFailed(f"waited {number(time.monotonic() - begin)} s for {what}, in vain")
