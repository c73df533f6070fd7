"""Clients of Redis, all configured here: timeouts, retries, security."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, cast

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from schemas.errors import BadSettings
from streams.settings import RedisSettings

HEALTH_CHECK_S = 15


REDIS_TIMEOUT_S = 5.0


REDIS_CONNECT_S = 2.0


REDIS_RETRIES = 5


def redis_client(settings: RedisSettings) -> redis.asyncio.Redis:
    """A client for the stream workers: bytes in and out, short timeouts, retries with backoff.

    A command that is retried may have been applied before its reply was lost; scripts
    that compare and set the watermark make that harmless.
    """
    retry = AsyncRetry(ExponentialWithJitterBackoff(base=0.02, cap=1.0), REDIS_RETRIES)
    arguments = _redis_arguments(settings)
    if settings.cluster:
        # It answers to the same calls, as long as the keys of each are in one slot.
        first, others = _cluster_nodes(settings.url)
        nodes = [redis.asyncio.cluster.ClusterNode(*node) for node in others]
        cluster = redis.asyncio.RedisCluster.from_url(first, startup_nodes=nodes, retry=retry, **arguments)
        return cast(redis.asyncio.Redis, cluster)
    return redis.asyncio.Redis.from_url(settings.url, retry=retry, **arguments)


@contextmanager
def redis_servers(settings: RedisSettings) -> Iterator[dict[str, redis.Redis]]:
    """A client for each server that takes writes, by its name: "Redis", or each primary of a cluster."""
    if not settings.cluster:
        with redis_sync_client(settings) as client:
            yield {"Redis": client}
        return
    arguments = _redis_arguments(settings)
    first, others = _cluster_nodes(settings.url)
    nodes = [redis.cluster.ClusterNode(*node) for node in others]  # type: ignore[no-untyped-call]
    try:
        cluster = redis.RedisCluster.from_url(first, startup_nodes=nodes, **arguments)
    except redis.exceptions.RedisClusterException as error:
        raise redis.ConnectionError(str(error)) from error
    with closing(cluster):
        yield {f"Redis {node.name}": cluster.get_redis_connection(node) for node in _primaries(cluster)}


def _cluster_nodes(url: str) -> tuple[str, list[tuple[str, int]]]:
    """The address of the first node that a URL names, and host and port of the others."""
    first, *others = url.split(",")
    nodes = [part.rpartition(":") for part in others]
    if any(not host or not port.isdigit() for host, _, port in nodes):
        raise BadSettings(f"redis.url names nodes after the first as host:port, comma between them; got {url!r}.")
    return first, [(host, int(port)) for host, _, port in nodes]


def _primaries(cluster: redis.RedisCluster) -> list[Any]:
    return cluster.get_primaries()  # type: ignore[no-untyped-call, no-any-return]


def redis_sync_client(settings: RedisSettings) -> redis.Redis:
    """As redis_client for one server, for commands and tools that do not run in an event loop."""
    backoff = ExponentialWithJitterBackoff(base=0.02, cap=1.0)
    return redis.Redis.from_url(settings.url, retry=Retry(backoff, REDIS_RETRIES), **_redis_arguments(settings))


def _redis_arguments(settings: RedisSettings) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "decode_responses": False,
        "health_check_interval": HEALTH_CHECK_S,
        "socket_timeout": REDIS_TIMEOUT_S,
        "socket_connect_timeout": REDIS_CONNECT_S,
        "socket_keepalive": True,
        "retry_on_error": [redis.ConnectionError, redis.TimeoutError],
    }
    if settings.cluster:
        del arguments["retry_on_error"]
        if not settings.url.startswith(("redis://", "rediss://")):
            raise BadSettings(
                f"redis.cluster needs redis.url to name nodes, redis://host:port,host:port or rediss://; "
                f"got {settings.url!r}."
            )
    if settings.url.startswith("unix://"):
        del arguments["socket_connect_timeout"], arguments["socket_keepalive"]
    if settings.username:
        arguments["username"] = settings.username
    if settings.password.get_secret_value():
        arguments["password"] = settings.password.get_secret_value()
    if settings.url.startswith("rediss://"):
        arguments |= _redis_tls(settings)
    return arguments


def _redis_tls(settings: RedisSettings) -> dict[str, str]:
    files = {"ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    return {name: path for name, path in files.items() if path}
