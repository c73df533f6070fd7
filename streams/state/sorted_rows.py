"""Any number of rows in order, in little memory: sorted in runs that lie on disk, and merged as they are read."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

Row = list[Any]
RUN = 100_000
"""Rows that are sorted in memory."""
MOST_RUNS = 32
"""Runs of one size; then they are merged into one, so that few files are open."""


class SortedRows:
    """Takes rows in any order and gives them sorted, each once; its files are in `folder`, which is the caller's."""

    def __init__(self, folder: Path, run: int = RUN, most_runs: int = MOST_RUNS) -> None:
        self._folder = folder
        self._run = run
        self._most_runs = most_runs
        self._rows: list[Row] = []
        self._levels: list[list[Path]] = []
        self._written = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Take over rows; those that are equal to others are left out."""
        for row in rows:
            self._rows.append(row)
            if len(self._rows) >= self._run:
                self._store(0, sorted(self._rows))
                self._rows = []

    def __iter__(self) -> Iterator[Row]:
        runs = [_read(file) for files in self._levels for file in files]
        return _distinct(heapq.merge(sorted(self._rows), *runs))

    def _store(self, level: int, rows: Iterable[Row]) -> None:
        file = self._folder / f"{self._written}.jsonl"
        self._written += 1
        with file.open("wb") as target:
            target.writelines(orjson.dumps(row) + b"\n" for row in rows)
        if len(self._levels) == level:
            self._levels.append([])
        files = self._levels[level]
        files.append(file)
        if len(files) == self._most_runs:
            self._levels[level] = []
            self._store(level + 1, heapq.merge(*map(_read, files)))
            for merged in files:
                merged.unlink()


def _read(file: Path) -> Iterator[Row]:
    with file.open("rb") as lines:
        yield from map(orjson.loads, lines)


def _distinct(rows: Iterable[Row]) -> Iterator[Row]:
    last: Row | None = None
    for row in rows:
        if row != last:
            yield row
        last = row
