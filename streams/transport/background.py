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
