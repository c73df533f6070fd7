"""Finished races in a folder: a contest takes hours, and one that was ended goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import bench.decisions
import policy

Task = TypeVar("Task")
Result = TypeVar("Result")

SOURCES = "*.py", "*.pyx", "*.pxi"


def finished(work: Callable[[Task], Result], folder: Path | None, result: type[Result]) -> Callable[[Task], Result]:
    """The same work, whose results are kept in the folder, and taken from there; without a folder as it is.

    A result is of just this task, of what else `work` was given, and of the code that decides: those of other
    code are let be.
    """
    return work if folder is None else partial(_finish, work=work, folder=folder, result=result)


def _finish(task: Task, work: Callable[[Task], Result], folder: Path, result: type[Result]) -> Result:
    path = folder / f"{_name(work, task)}.json"
    if path.exists():
        # Figures may be NaN, which this module reads and writes.
        return msgspec.convert(json.loads(path.read_text(encoding="utf-8")), result)
    value = work(task)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(value), encoding="utf-8")
    unfinished.replace(path)
    return value


def _name(work: Callable[[Task], Any], task: Task) -> str:
    given = (work.func.__qualname__, work.args, work.keywords) if isinstance(work, partial) else work.__qualname__
    return hashlib.sha256(repr((_code(), given, task)).encode()).hexdigest()[:32]


@cache
def _code() -> str:
    """A digest of all that has a part in a race."""
    digest = hashlib.sha256()
    for package in (policy, bench.decisions):
        root = Path(package.__path__[0])
        for path in sorted(path for kind in SOURCES for path in root.rglob(kind)):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
