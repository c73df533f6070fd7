"""What is measured: of a process, of folders, of Redis, of the log."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.shop.child import Part
from bench.soak.trend import Tolerance
from reshelf.drill.setup.stores import GivenStore
from reshelf.drill.watch import Watch, missing
from reshelf.settings import Settings
from schemas.topics import EVENT_TOPICS, FOLDED_TOPICS, TOPICS
from streams.kafka.bounds import log_bounds
from streams.kafka.records import TopicPartition
from streams.state.connection.client import redis_servers
from streams.state.recent.journal import SEGMENT_BYTES

MIB = 2**20
MEMORY = ("rss_mb", "own_mb", "threads")
SHARE = 0.02
"""Growth in a day of traffic that a run is too short to tell from none."""
TOLERANCES = {
    "rss_mb": Tolerance(SHARE, 1.0),
    "own_mb": Tolerance(SHARE, 1.0),
    "handles": Tolerance(SHARE, 2.0),
    "threads": Tolerance(SHARE, 2.0),
    "series": Tolerance(SHARE, 5.0),
    "disk_mb": Tolerance(SHARE, 1.0),
    "files": Tolerance(SHARE, 2.0),
    "memory_mb": Tolerance(SHARE, 1.0),
    "keys": Tolerance(SHARE, 20.0),
    "log_mb": Tolerance(SHARE, 1.0),
    "records": Tolerance(SHARE, 200.0),
    "lag": Tolerance(SHARE, 1_000.0),
}
"""How much of each measure may grow in a day of traffic."""
LOOK_AT = {
    "rss_mb": "what the process keeps by name: caches without a limit, dictionaries by key, queues",
    "own_mb": "what the process keeps by name: caches without a limit, dictionaries by key, queues",
    "handles": "files and connections that are opened and not closed: /proc/PID/fd names them",
    "threads": "what starts threads and does not join them",
    "series": "labels of metrics that come from outside: /metrics lists them",
    "disk_mb": "what is written to the folder and never dropped",
    "files": "what is written to the folder and never dropped",
    "memory_mb": "kinds of keys that grow, below",
    "keys": "keys that nothing deletes: `reshelf state` and streams/state/expiry.py",
    "log_mb": "retention.ms and segment.ms of the topic, and what writes to it",
    "records": "retention.ms and segment.ms of the topic, and what writes to it",
    "lag": "a worker that does not keep up: its processor time",
}
LIMITS_MB = {"duplicates": 4 * SEGMENT_BYTES / MIB * len(FOLDED_TOPICS), "clicks": 128.0}
"""What folders may take by design: of duplicates four segments of each topic and partition, and what RocksDB holds
back before it writes files anew."""
UNJUDGED = ("kafka", "redis")
"""Servers whose processes' memory is theirs: a Java heap grows to its limit, and Redis says itself what it holds."""
Figures = dict[str, float]
"""A figure by its name, `learner rss_mb`: what it is of, and the measure."""
_KIND = re.compile(r"^reshelf:\{[^}]*\}:?([a-z-]*)")


def of_process(name: str, pid: int) -> Figures:
    """Memory, file handles and threads; nothing of a process that has ended."""
    folder, figures = Path(f"/proc/{pid}"), Figures()
    with contextlib.suppress(OSError, ValueError):
        status = _numbers(folder / "status", "VmRSS", "RssAnon", "Threads")
        figures |= {f"{name} rss_mb": status["VmRSS"] / 1024, f"{name} threads": status["Threads"]}
        figures[f"{name} own_mb"] = status["RssAnon"] / 1024
        figures[f"{name} handles"] = sum(1 for _ in (folder / "fd").iterdir())
    return figures


def of_part(part: Part) -> Figures:
    """Those of its process, and how many series its metrics have."""
    status, body = part.get("/metrics", 5.0)
    series = {f"{part.role} series": float(sum(1 for line in body.splitlines() if not line.startswith(b"#")))}
    return of_process(part.role, part.child.pid) | (series if status == 200 else {})


def of_folder(name: str, folder: Path) -> Figures:
    """Bytes and files below it."""
    sizes = list(_sizes(folder))
    return {f"{name} disk_mb": sum(sizes) / MIB, f"{name} files": float(len(sizes))}


def of_redis(settings: Settings) -> Figures:
    """Memory and keys of all servers."""
    with redis_servers(settings.redis) as some:
        memory = sum(server.info("memory")["used_memory"] for server in some.values())
        keys = sum(int(server.dbsize()) for server in some.values())
    return {"redis memory_mb": memory / MIB, "redis keys": float(keys)}


def kinds_of_keys(settings: Settings) -> Figures:
    """How many keys there are of each kind."""
    counts: Counter[str] = Counter()
    with redis_servers(settings.redis) as some:
        for server in some.values():
            for name in server.scan_iter(count=1_000):
                kind = _KIND.match(name.decode())
                counts[kind[1] if kind else "other"] += 1
    return {f"redis {kind or 'other'} keys": float(count) for kind, count in counts.items()}


def of_log(settings: Settings, folder: Path | None) -> Figures:
    """Records of each topic, MiB of them all where their files are at hand, and how far the state is behind."""
    bounds = log_bounds(settings.kafka, [topic.name for topic in TOPICS])
    figures = {
        f"{name} records": float(sum(end - first for first, end in partitions)) for name, partitions in bounds.items()
    }
    ends = {
        TopicPartition(topic.name, at): end for topic in EVENT_TOPICS for at, (_, end) in enumerate(bounds[topic.name])
    }
    redis = settings.redis
    watch = Watch(redis.namespace, redis.groups, settings.kafka.partitions)
    figures["events lag"] = float(missing(watch.reached(GivenStore(redis).read), ends))
    if folder is not None:
        own = folder.rglob(f"{settings.kafka.prefix}*")
        figures["broker log_mb"] = sum(size for topic in own for size in _sizes(topic, ".log")) / MIB
    return figures


def tolerance(name: str, keeps_all: bool, partitions: int) -> Tolerance:
    """What a figure may grow by; a broker that `keeps_all` has no topic that stays flat."""
    subject, _, measure = name.rpartition(" ")
    most = TOLERANCES[measure]
    limit = LIMITS_MB.get(subject, 0.0) * (partitions if subject == "duplicates" else 1) if measure == "disk_mb" else 0
    topic_of_all = measure == "records" and (keeps_all or _grows(subject))
    judged = not (topic_of_all or (subject in UNJUDGED and measure in MEMORY))
    return Tolerance(most.share, most.units, judged, limit)


def _grows(subject: str) -> bool:
    """Whether a topic keeps all, or is compacted: then offsets do not say how many records there are."""
    topic = next(topic for topic in TOPICS if topic.name == subject)
    return topic.retention_ms < 0


def _sizes(folder: Path, ending: str = "") -> Iterator[int]:
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.name.endswith(ending) and path.is_file():
                yield path.stat().st_blocks * 512


def _numbers(file: Path, *names: str) -> Mapping[str, float]:
    lines = (line.split(":") for line in file.read_text().splitlines() if ":" in line)
    return {name: float(rest.split()[0]) for name, rest, *_ in lines if name in names}
