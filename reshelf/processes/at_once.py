"""Tasks at once, each in a process of its own that reports how far it is."""

from __future__ import annotations

import gc
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from traceback import format_exception
from typing import Any, Generic, TypeVar

from reshelf.processes.children import STOP_S, die_with
from schemas.errors import ReshelfError

Task = TypeVar("Task")
Result = TypeVar("Result")
Report = Callable[[int], None]
Work = Callable[[Task, Report], Result]


class WorkerDied(ReshelfError):
    """A process ended before its work was done."""


@dataclass(slots=True)
class _Worker(Generic[Result]):
    name: str
    process: SpawnProcess
    messages: Connection
    result: Result | None = None


def run_at_once(work: Work[Task, Result], tasks: Sequence[Task], report: Report) -> list[Result]:
    """What `work` gives for each task, in their order; `report` is called with each number that one reports.

    What a task raises is raised here; a process that dies is a `WorkerDied`.  Either of them
    ends the others, and so does whatever stops the caller.  To be called by the main thread.
    """
    workers: list[_Worker[Result]] = []
    try:
        for number, task in enumerate(tasks, 1):
            workers.append(_started(work, task, f"{number} of {len(tasks)}"))
        return _results(workers, report)
    finally:
        _end(workers)


def _started(work: Work[Task, Result], task: Task, name: str) -> _Worker[Result]:
    context = get_context("spawn")
    messages, sender = context.Pipe(duplex=False)
    arguments = work, task, sender, os.getpid(), gc.get_threshold()
    process = context.Process(target=_work, args=arguments, daemon=True)
    with _without_interrupts():
        process.start()
    # What is open in the child alone says when that ends.
    sender.close()
    return _Worker(name, process, messages)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A child that is started here never hears of Ctrl-C: its parent does, and ends it."""
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _results(workers: Sequence[_Worker[Result]], report: Report) -> list[Result]:
    at_work = {worker.messages: worker for worker in workers}
    while at_work:
        for messages in wait(list(at_work)):
            worker = at_work[messages]  # type: ignore[index]
            kind, content = _message(worker)
            if kind == "report":
                report(content)
            elif kind == "error":
                raise content
            else:
                worker.result = content
                del at_work[worker.messages]
    return [worker.result for worker in workers]  # type: ignore[misc]


def _message(worker: _Worker[Result]) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = worker.messages.recv()
    except (EOFError, ConnectionError):
        worker.process.join()
        status = worker.process.exitcode or 0
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        raise WorkerDied(f"process {worker.process.pid} ({worker.name}) ended {how} before its work was done") from None
    return message


def _end(workers: Sequence[_Worker[Any]]) -> None:
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(STOP_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.messages.close()


def _work(
    work: Work[Task, Result], task: Task, sender: Connection, parent: int, thresholds: tuple[int, int, int]
) -> None:
    """All that a child does."""
    die_with(parent)
    gc.set_threshold(*thresholds)
    try:
        result = work(task, lambda count: sender.send(("report", count)))
    except Exception as error:  # noqa: BLE001 (it is raised again by the parent)
        error.add_note("".join(format_exception(error)))
        sender.send(("error", _portable(error)))
    else:
        sender.send(("result", result))


def _portable(error: Exception) -> Exception:
    """The error, or its words where another process could not make it again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 (any error may have a constructor of its own)
        return ReshelfError(f"{type(error).__name__}: {error}")
    return error
