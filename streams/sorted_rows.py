"""Any number of rows in order, in little memory: sorted in runs that lie on disk, and merged as they are read."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

Row = list[Any]
RUN = 100_000
"""Rows that are sorted in memory."""
MOST_RUNS = 32
"""Runs of one size; then they are merged into one, so that few files are open."""


class SortedRows:
    """Takes rows in any order and gives them sorted; its files are in `folder`, which is the caller's."""

    def __init__(self, folder: Path, run: int = RUN, most_runs: int = MOST_RUNS) -> None:
        self._folder = folder
        self._run = run
        self._most_runs = most_runs
        self._rows: list[Row] = []
        self._levels: list[list[Path]] = []
        self._written = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Take over rows."""
        for row in rows:
            self._rows.append(row)
            if len(self._rows) >= self._run:
                self._store(0, self._merge(()))

    def __iter__(self) -> Iterator[Row]:
        runs = [_read(file) for files in self._levels for file in files]
        return heapq.merge(sorted(self._rows), *runs)

    def compact(self) -> None:
        """Put all rows into one file, so that none is in memory."""
        self._levels = [[self._merge([file for files in self._levels for file in files])]]

    def _store(self, level: int, file: Path) -> None:
        if len(self._levels) == level:
            self._levels.append([])
        self._levels[level].append(file)
        if len(self._levels[level]) == self._most_runs:
            files, self._levels[level] = self._levels[level], []
            self._store(level + 1, self._merge(files))

    def _merge(self, files: Sequence[Path]) -> Path:
        """One run of those in files and of the rows in memory."""
        merged = self._folder / f"{self._written}.jsonl"
        self._written += 1
        with merged.open("wb") as target:
            rows = heapq.merge(sorted(self._rows), *map(_read, files))
            target.writelines(orjson.dumps(row) + b"\n" for row in rows)
        self._rows = []
        for file in files:
            file.unlink()
        return merged


def _read(file: Path) -> Iterator[Row]:
    with file.open("rb") as lines:
        yield from map(orjson.loads, lines)
