"""The same work on many tasks, in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import count
from multiprocessing import active_children, get_context
from typing import TypeVar

Task = TypeVar("Task")
Found = TypeVar("Found")

THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def mapped(
    work: Callable[[Task], Found], tasks: Sequence[Task], processes: int, done: Callable[[], None] = lambda: None
) -> list[Found]:
    """What `work` gives for each task, in the order of tasks; `done` is called after each.

    With any number of processes the same: each has one thread of linear algebra.
    What a task raises is raised here, and ends the others.
    """
    others = active_children()
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        with _one_thread():
            waiting = [pool.submit(work, task) for task in tasks]
            for future in as_completed(waiting):
                future.result()
                done()
        return [future.result() for future in waiting]
    except BaseException:
        # Nobody waits for what they would find, least of all who stopped the command.
        for process in active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def counted(say: Callable[[str, int, int], None], what: str, total: int, before: int = 0) -> Callable[[], None]:
    """To be called after each task: says how many of all are done, `before` of them earlier."""
    numbers = count(before + 1)
    return lambda: say(what, next(numbers), total)


def limit_threads() -> None:
    """Linear algebra takes one thread in this process, where nobody said how many: call it before numpy is imported.

    Products of small matrices take longer with more, and several times as long where other processes use the cores.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")


@contextmanager
def _one_thread() -> Iterator[None]:
    """More threads than cores wait for each other; a process reads these when it starts."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
