"""A bar on standard error, for what takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reshelf.terminal.waiting import shown

Begin = Callable[[int, str], Callable[[int], None]]
"""Takes how many steps of what there are, and gives a function to call after each."""


@contextmanager
def progress(hidden: bool, speed: str = "") -> Iterator[Begin]:
    """Draws a bar with the time left on a terminal, elsewhere or where `hidden` nothing.

    `speed` is a format of steps per second.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    shown()
    console = Console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TextColumn(f"{{task.speed:{speed}}}/s")] if speed else []
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden or not console.is_terminal) as bar:

        def begin(total: int, what: str) -> Callable[[int], None]:
            task = bar.add_task(what, total=total)
            return lambda count: bar.advance(task, count)

        yield begin
