"""What runs beside an agent for as long as its application does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from streams.cancellation import cancel_all
from streams.transport.app import BatchApp

log = logging.getLogger("reshelf")
Step = Coroutine[Any, Any, None]


async def guarded(app: BatchApp, step: Step) -> None:
    """Carry a step out; whatever error escapes it, the process must not go on without it."""
    try:
        await step
    except ExceptionGroup as group:
        app.wiring.on_error(group.exceptions[0])
    except Exception as error:  # noqa: BLE001  see above
        app.wiring.on_error(error)


class AtOnce:
    """Steps of an application that go on at the same time, guarded, so many at most."""

    def __init__(self, app: BatchApp, most: int) -> None:
        self._app = app
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, step: Step) -> None:
        """Begin a step, once there is room for it."""
        while len(self._tasks) >= self._most:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(guarded(self._app, step))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.sleep(0)


def run_in_background(
    app: BatchApp, steps: Callable[[], Iterable[Step]], closers: Sequence[Callable[[], Awaitable[Any]]], doing: str
) -> None:
    """Start `steps` with the application, guarded, and say what it is `doing`.

    When it stops they are cancelled and awaited; then everything is closed, one
    after another, whatever becomes of the others.
    """
    tasks: list[asyncio.Task[None]] = []

    async def begin() -> None:
        tasks.extend(asyncio.create_task(guarded(app, step)) for step in steps())
        log.info("%s as %s.", doing, app.conf.id)

    async def end(*_: Any, **__: Any) -> None:
        await cancel_all(tasks)
        for close in closers:
            with suppress(Exception):
                await close()

    app.task(begin)
    app.on_before_shutdown.connect(end, weak=False)
