"""Requests of an admin client, all of which have ended when a call returns or raises.

A client with requests under way that nobody waits for may be ended with them, and librdkafka has aborted the process
then.  It ends every request by its time limit, brokers that are away included, so waiting for that is no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from confluent_kafka import KafkaException

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def outcomes(
    ask: Callable[..., Mapping[K, Future[T]]], what: Any, limit_s: float, **options: Any
) -> dict[K, T | KafkaException]:
    """What each of several requests was answered with, or its error, by a method of an admin client."""
    futures = ask(what, request_timeout=limit_s, **options)
    wait(futures.values())
    return {name: _outcome(future) for name, future in futures.items()}


def answers(ask: Callable[..., Mapping[K, Future[T]]], what: Any, limit_s: float, **options: Any) -> dict[K, T]:
    """The same where all are needed; raises the first KafkaException there is."""
    answered: dict[K, T] = {}
    for name, outcome in outcomes(ask, what, limit_s, **options).items():
        if isinstance(outcome, KafkaException):
            raise outcome
        answered[name] = outcome
    return answered


def _outcome(future: Future[Any]) -> Any:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, KafkaException):
        return error
    raise error
