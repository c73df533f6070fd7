"""Ending tasks for certain.

Asking once is not enough: `asyncio.wait_for` of Python 3.11, through which redis-py sends
and Faust's supervisors wait, loses a cancellation that comes together with what it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_AGAIN_S = 0.1


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended, whatever their results."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)


async def run_exclusively(main: Coroutine[Any, Any, T]) -> T:
    """What `main` gives, once every other task of the loop has ended too."""
    try:
        return await main
    finally:
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await cancel_all(others)


async def finish_in_thread(call: Callable[[], T]) -> T:
    """The result of a call in a thread; who is cancelled meanwhile waits for its end all the same."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
