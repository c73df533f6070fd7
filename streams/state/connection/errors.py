"""What the errors of Redis mean for a worker: away, refused, or a fault of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from redis import exceptions as redis_errors

from schemas.errors import BadSettings, Transient

_REFUSED = (
    redis_errors.AuthenticationError,
    redis_errors.AuthenticationWrongNumberOfArgsError,
    redis_errors.AuthorizationError,
    redis_errors.NoPermissionError,
)


_UNAUTHENTICATED = ("Authentication required", "already authenticated")


_PASSING = ("MISCONF", "NOREPLICAS", "BUSY", "MASTERDOWN", "CLUSTERDOWN")


_AWAY = (
    redis_errors.AskError,
    redis_errors.ClusterError,
    redis_errors.RedisClusterException,
    redis_errors.TryAgainError,
    redis_errors.BusyLoadingError,
    redis_errors.ConnectionError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.TimeoutError,
    OSError,
)


async def translate_errors(command: Callable[[], Awaitable[Any]]) -> Any:
    """The reply of a Redis command; `Transient` when Redis is away, full or not a primary."""
    try:
        return await command()
    except (redis_errors.RedisError, redis_errors.RedisClusterException, AttributeError) as error:
        raise translate_error(error) from error
    except OSError as error:
        raise unavailable(error) from error


def translate_error(error: Exception) -> Exception:
    """What an error of the Redis client means for a worker: `Transient`, `BadSettings`, or the error itself."""
    # redis-py's cluster client closes the connections of a node that it gives up, also under a command being sent.
    if isinstance(error, AttributeError):
        return unavailable("its connection was closed") if error.obj is None else error
    if isinstance(error, redis_errors.AuthenticationError) and any(said in str(error) for said in _UNAUTHENTICATED):
        return BadSettings(
            "Redis asks for a password. Set redis.password (best as RESHELF_REDIS__PASSWORD), and redis.username where "
            "the user is not the default one."
        )
    if isinstance(error, _REFUSED):
        said = str(error).rstrip(".")
        return BadSettings(f"Redis refuses: {said}. Check redis.username, redis.password and that user's rights.")
    if isinstance(error, redis_errors.ResponseError) and str(error).startswith(_PASSING):
        return Transient(f"Redis takes no writes now: {error}")
    return unavailable(error) if isinstance(error, _AWAY) else error


def unavailable(why: object) -> Transient:
    """The error of a Redis that does not answer."""
    return Transient(
        f"Redis does not answer: {str(why).rstrip('.')}. Check redis.url (rediss:// where the server speaks TLS, "
        "redis:// where not) and that it runs; `reshelf doctor` says more."
    )
