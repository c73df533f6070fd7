"""A bar on standard error, for what takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reshelf.commands import Front


@contextmanager
def progress(front: Front, what: str, speed: str = "") -> Iterator[Callable[[int], Callable[[int], None]]]:
    """A function that is told a total, and gives what is told of each step.

    It draws a bar with the time left on a terminal, elsewhere and with `--json` nothing.
    `speed` is a format of steps per second.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TextColumn(f"{{task.speed:{speed}}}/s")] if speed else []
    hidden = front.json or not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as shown:

        def begin(total: int) -> Callable[[int], None]:
            task = shown.add_task(what, total=total)
            return lambda count: shown.advance(task, count)

        yield begin
