"""What Redis or Valkey says of itself."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import redis

from reshelf.doctor.finding import Finding, clock
from reshelf.numbers import number
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.state.connection.client import redis_servers
from streams.state.connection.errors import translate_error
from streams.state.limits.use import ALARM

MB = 1_000_000
OLDEST = {"redis": 7, "valkey": 8}
REACH_REMEDY = "Check that the server runs, and redis.url with user, password and certificate files."


def look_at_redis(settings: Settings) -> Generator[Finding, None, bool]:
    """Whether every server answers, and what is wrong with it."""
    try:
        with redis_servers(settings.redis) as servers:
            for name, client in servers.items():
                skew_ms = _redis_skew_ms(client)
                yield from redis_findings(client.info(), skew_ms, settings.attribution.clock_skew_ms, name)
    except (redis.RedisError, OSError) as error:
        yield Finding("Redis", "bad", str(translate_error(error)), REACH_REMEDY)
        return False
    except BadSettings as error:
        yield Finding("Redis", "bad", str(error), REACH_REMEDY)
        return False
    return True


def redis_findings(info: Mapping[str, Any], skew_ms: float, allowed_ms: int, name: str = "Redis") -> Iterator[Finding]:
    """Findings from what INFO answers and from the difference of the clocks."""
    kind = "valkey" if "valkey_version" in info else "redis"
    version = str(info[f"{kind}_version"])
    if int(version.partition(".")[0]) < OLDEST[kind]:
        yield Finding(name, "bad", f"{kind} {version}", f"Use Redis 7 or Valkey 8, or newer; this is {version}.")
    else:
        yield Finding(name, "ok", f"{kind} {version}")
    yield _memory(name, int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)))
    yield _eviction(name, str(info.get("maxmemory_policy", "unknown")))
    yield _persistence(name, bool(info.get("aof_enabled")))
    yield clock(f"{name} clock", skew_ms, allowed_ms)


def _memory(name: str, used: int, limit: int) -> Finding:
    if not limit:
        return Finding(f"{name} memory", "ok", f"{number(used / MB)} MB, no limit (maxmemory)")
    text = f"{number(used / MB)} of {number(limit / MB)} MB (maxmemory)"
    if used < ALARM * limit:
        return Finding(f"{name} memory", "ok", text)
    remedy = "Raise maxmemory: a server that is full takes no writes, and all workers wait."
    return Finding(f"{name} memory", "bad" if used >= limit else "note", text, remedy)


def _eviction(name: str, policy: str) -> Finding:
    if policy == "noeviction":
        return Finding(f"{name} eviction", "ok", policy)
    remedy = "Set maxmemory-policy noeviction: a server that drops keys when full loses parts of the state."
    return Finding(f"{name} eviction", "bad", policy, remedy)


def _persistence(name: str, appends: bool) -> Finding:
    if appends:
        return Finding(f"{name} persistence", "ok", "append-only file")
    remedy = "Set appendonly yes: without it a restart reads the log again from where the last snapshot was."
    return Finding(f"{name} persistence", "note", "no append-only file", remedy)


def _redis_skew_ms(client: redis.Redis) -> float:
    before = time.time()
    seconds, micros = client.time()
    middle = (before + time.time()) / 2
    return (float(seconds) + float(micros) / 1e6 - middle) * 1000
