"""What the errors of Redis mean for a worker: away, refused, or a fault of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from redis import exceptions as redis_errors

from schemas.errors import BadSettings, Transient

_REFUSED = (
    redis_errors.AuthenticationError,
    redis_errors.AuthenticationWrongNumberOfArgsError,
    redis_errors.AuthorizationError,
    redis_errors.NoPermissionError,
)


IN_PIPELINE = " of pipeline caused error: "
_UNAUTHENTICATED = ("Authentication required", "already authenticated")


class _Refusal(NamedTuple):
    """An answer of a Redis that is there, by the client's class or by its first word, and what to do about it."""

    kind: type[Exception] | None
    word: str
    sentence: str


_PASSING = (
    _Refusal(
        redis_errors.OutOfMemoryError,
        "OOM",
        "Redis is full: it has reached maxmemory and takes no writes. Raise maxmemory; `reshelf doctor` says how "
        "much is used",
    ),
    _Refusal(
        redis_errors.ReadOnlyError,
        "READONLY",
        "Redis is a replica and takes no writes. Let redis.url name the primary, or a name that follows it",
    ),
    _Refusal(
        redis_errors.BusyLoadingError, "LOADING", "Redis is loading its data from disk and answers when it has done so"
    ),
    _Refusal(
        redis_errors.MasterDownError,
        "MASTERDOWN",
        "Redis is a replica that has lost its primary. Look after the primary",
    ),
    _Refusal(
        redis_errors.ClusterDownError,
        "CLUSTERDOWN",
        "The Redis Cluster is down: some slots have no primary. `redis-cli --cluster check` says which",
    ),
    _Refusal(
        None,
        "MISCONF",
        "Redis takes no writes, as it could not save to disk. Look at its disk and at its log",
    ),
    _Refusal(
        None,
        "NOREPLICAS",
        "Redis takes no writes, as too few replicas follow it. Look after the replicas, or lower min-replicas-to-write",
    ),
    _Refusal(None, "BUSY", "Redis is busy with a script of another program. `SCRIPT KILL` ends one that never will"),
    *(
        _Refusal(
            moving,
            word,
            "Redis Cluster is moving slots, and keys are between two nodes. That passes when the move has ended; "
            "`redis-cli --cluster fix` ends one that was cut off",
        )
        for moving, word in (
            (redis_errors.MovedError, "MOVED"),
            (redis_errors.AskError, "ASK"),
            (redis_errors.TryAgainError, "TRYAGAIN"),
            (None, "TTL exhausted"),
        )
    ),
)
"""What passes by itself or once somebody has seen to it."""


_AWAY = (
    redis_errors.ClusterError,
    redis_errors.RedisClusterException,
    redis_errors.ConnectionError,
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
        return BadSettings(
            f"Redis refuses: {said}. Check redis.username, redis.password (was it changed on the server? Then start "
            "every worker with the new one) and that user's rights."
        )
    answer = _answer(error)
    for kind, word, sentence in _PASSING:
        if (kind is not None and isinstance(error, kind)) or answer.startswith(word):
            return Transient(f"{sentence} (it said: {answer.rstrip('.') or word}).")
    return unavailable(answer) if isinstance(error, _AWAY) else error


def _answer(error: Exception) -> str:
    """What Redis said: of a pipeline, the client puts the command before it, and a cluster's client brackets around."""
    said = str(error)
    _, pipeline, answer = said.partition(IN_PIPELINE)
    return answer.removeprefix("('").removesuffix("',)") if pipeline else said


def unavailable(why: object) -> Transient:
    """The error of a Redis that does not answer."""
    return Transient(
        f"Redis does not answer: {str(why).rstrip('.')}. Check redis.url (rediss:// where the server speaks TLS, "
        "redis:// where not) and that it runs; `reshelf doctor` says more."
    )
