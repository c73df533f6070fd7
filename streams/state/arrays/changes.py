"""Tables that sums are made of: which went and which came since the sums were made.

So sums are moved along with what changed, and cost nothing for what did not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

from streams.fold.deltas import Traffic
from streams.state.arrays.parts import KeyTables, parts_of
from streams.state.arrays.tables import Table

W = TypeVar("W")


class Weighed(NamedTuple, Generic[W]):
    """A table, and what its counts are multiplied by."""

    table: Table
    weight: W


class Change(NamedTuple, Generic[W]):
    """A table that went, and the one of the same segment, buckets and traffic that came in its place; None for none."""

    gone: Weighed[W] | None
    came: Weighed[W] | None


class HeldTables(Generic[W]):
    """The tables of some `traffic` that are in sums, each with the weight of its span of buckets."""

    def __init__(self, traffic: Iterable[Traffic]) -> None:
        self._traffic = frozenset(traffic)
        self._parts: dict[int, KeyTables] = {}
        self._weight_of: Mapping[range, W] = {}

    def move_to(self, tables: Sequence[Table], weight_of: Mapping[range, W]) -> list[Change[W]]:
        """Hold exactly these tables; what that changes.

        A segment whose tables are the same object, and weigh the same, is not looked into.
        """
        now = {id(part): part for part in parts_of(tables)}
        before, self._weight_of = self._weight_of, weight_of
        reweighed = set[range]()
        if before is not weight_of:
            reweighed = {span for span, weight in weight_of.items() if before.get(span) != weight}
        same = {
            name
            for name, part in self._parts.items()
            if name in now and (not reweighed or reweighed.isdisjoint(part.spans))
        }
        gone: dict[str, list[KeyTables]] = {}
        for name, held in self._parts.items():
            if name not in same:
                gone.setdefault(held.segment, []).append(held)
        self._parts = now
        changes: list[Change[W]] = []
        for name, part in now.items():
            if name not in same:
                others = gone.get(part.segment)
                changes += self._between(others.pop() if others else KeyTables(), part, before)
        for part in chain.from_iterable(gone.values()):
            changes += self._between(part, KeyTables(), before)
        return changes

    def _between(self, before: KeyTables, now: KeyTables, weighed: Mapping[range, W]) -> Iterator[Change[W]]:
        """What it takes to put the tables of a segment in the place of others."""
        weight_of, counts = self._weight_of, self._traffic.__contains__
        is_steady = weighed is weight_of
        same = set(map(id, now)) & {
            id(table) for table in before if is_steady or weighed[table.buckets] == weight_of.get(table.buckets)
        }
        gone: dict[tuple[Traffic, range], list[Table]] = {}
        for table in before:
            if counts(table.traffic) and id(table) not in same:
                gone.setdefault((table.traffic, table.buckets), []).append(table)
        for table in now:
            if counts(table.traffic) and id(table) not in same:
                others = gone.get((table.traffic, table.buckets))
                other = others.pop() if others else None
                yield Change(
                    None if other is None else Weighed(other, weighed[other.buckets]),
                    Weighed(table, weight_of[table.buckets]),
                )
        for table in chain.from_iterable(gone.values()):
            yield Change(Weighed(table, weighed[table.buckets]), None)
