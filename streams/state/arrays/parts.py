"""Tables of a page by segment: who adds them up sees at once which segments are as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import overload

from streams.state.arrays.tables import Table


class KeyTables(tuple[Table, ...]):
    """The tables of one page and segment: the same object as long as none of them changed."""

    @cached_property
    def spans(self) -> frozenset[range]:
        """The spans of time buckets that they are of."""
        return frozenset(table.buckets for table in self)

    @property
    def segment(self) -> str:
        """Their segment; empty where there is none."""
        return self[0].segment if self else ""


class PageTables(Sequence[Table]):
    """The tables of some segments of a page, as `parts`, and all of them one after another."""

    def __init__(self, parts: Iterable[KeyTables]) -> None:
        self.parts = tuple(part for part in parts if part)

    @cached_property
    def _tables(self) -> tuple[Table, ...]:
        return tuple(chain.from_iterable(self.parts))

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[Table]:
        return chain.from_iterable(self.parts)

    @overload
    def __getitem__(self, at: int) -> Table: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Table, ...]: ...
    def __getitem__(self, at: int | slice) -> Table | tuple[Table, ...]:
        return self._tables[at]


def parts_of(tables: Sequence[Table]) -> list[KeyTables]:
    """Tables by segment where they come so, else all of them as one."""
    if isinstance(tables, PageTables):
        return list(tables.parts)
    return [tables if isinstance(tables, KeyTables) else KeyTables(tables)]


def without(tables: Sequence[Table], segments: Sequence[str]) -> Sequence[Table]:
    """The tables of other segments than these."""
    if not segments:
        return tables
    if isinstance(tables, PageTables):
        return PageTables(part for part in tables.parts if part.segment not in segments)
    return tuple(table for table in tables if table.segment not in segments)
