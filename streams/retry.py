"""Waiting for a broker or Redis that is away: say so now and then, back off, go on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
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
        self._logged_at: float | None = None

    async def until_success(
        self, call: Callable[[], Awaitable[T]], condition: Callable[[], bool] = lambda: True
    ) -> T | None:
        """The result of `call`, tried again after each `Transient`; None once `condition` does not hold any more."""
        wait = _FIRST_WAIT_S
        waits = False
        try:
            while condition():
                try:
                    result = await call()
                except Transient as error:
                    if not waits:
                        Retry.waiting += 1
                    waits = True
                    self._say_away(error)
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, _LONGEST_WAIT_S)
                else:
                    self._say_back()
                    return result
        finally:
            Retry.waiting -= waits
        return None

    def _say_away(self, error: Transient) -> None:
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= REPEAT_S:
            self._logged_at = now
            log.warning("%s. Waiting; work goes on where it was.", str(error).rstrip("."))

    def _say_back(self) -> None:
        if self._logged_at is not None:
            log.info("Kafka or Redis answers again; work goes on.")
        self._logged_at = None
