"""Waiting for a broker or Redis that is away: say so now and then, back off, go on."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from schemas.errors import Transient

T = TypeVar("T")
log = logging.getLogger("reshelf")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0
REPEAT_S = 60.0


class Retry:
    """Carries calls out until they succeed; one per part of a worker.

    `waiting` says how many calls of this process wait for something that is away.
    """

    waiting: ClassVar[int] = 0

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}

    async def until_success(
        self, call: Callable[[], Awaitable[T]], condition: Callable[[], bool] = lambda: True
    ) -> T | None:
        """The result of `call`, tried again after each `Transient`; None once `condition` does not hold any more."""
        wait = _FIRST_WAIT_S
        away = ""
        try:
            while condition():
                try:
                    result = await call()
                except Transient as error:
                    Retry.waiting += not away
                    away = self._say_away(error)
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, _LONGEST_WAIT_S)
                else:
                    self._say_back(away)
                    return result
        finally:
            Retry.waiting -= bool(away)
        return None

    @staticmethod
    @contextmanager
    def count_waiting() -> Iterator[None]:
        """Count what takes long for a good reason as a call that waits, which no watchdog takes for stuck."""
        Retry.waiting += 1
        try:
            yield
        finally:
            Retry.waiting -= 1

    def _say_away(self, error: Transient) -> str:
        """Log it now and then; gives the name by which it is told from others: how its text begins."""
        text, now = str(error).rstrip("."), time.monotonic()
        name = text.partition(":")[0].partition(".")[0]
        if now - self._logged_at.get(name, -math.inf) >= REPEAT_S:
            self._logged_at[name] = now
            log.warning("%s. Waiting; work goes on where it was.", text)
        return name

    def _say_back(self, away: str) -> None:
        """Of what this call waited for: a call to a server that was there all along says nothing of another."""
        if self._logged_at.pop(away, None) is not None:
            log.info("It is over: %s. Work goes on.", away)
