"""Tables in little memory: names as numbers of a list that a page has, counts in as few bytes as they need.

What is read from a packed table is what went in, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast, overload

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Indices, Ints
from streams.fold.measures import TABLE_ARRAYS
from streams.state.arrays.compiled import BUILT, kernel
from streams.state.arrays.directory import names_in
from streams.state.arrays.tables import Table, shape_of

_ARRAY_OF = {name: array for array in TABLE_ARRAYS for name in array.names}
_NAME_BYTES = 180
"""What a name takes in a list of names, beside its text: the string, its number and its places in both."""
_TABLE_BYTES = 900
"""What a packed table takes beside its arrays: objects of its own, its key and its revision."""
_ARRAY_BYTES = 220
"""What an array takes beside its numbers."""


_BYTE, _SHORT, _WORD, _SIGNED = map(np.dtype, ("u1", "u2", "u4", "i8"))
OF_WIDTH: Mapping[int, np.dtype[Any]] = {dtype.itemsize: dtype for dtype in (_BYTE, _SHORT, _WORD, _SIGNED)}
"""The types of packed numbers, by their bytes."""


class _Numbering(dict[str, int]):
    """Names with their numbers; one that is looked up and is not there gets the next."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self)
        self._names.append(name)
        return number

    def stored(self, _: bytes) -> None:
        """The compiled one knows the numbers of a whole directory."""


class NameList:
    """The names of items in the tables of a page, each with a number that stays.

    `built` says whether the compiled code numbers them, which gives the same sooner.
    """

    def __init__(self, built: bool = BUILT) -> None:
        self.names: list[str] = []
        self.size = self.counted = 0
        self._numbers = kernel.Numbering(self.names) if built else _Numbering(self.names)
        self._slots: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def codes(self, directory: bytes | None) -> Indices:
        """The numbers of the names in a stored directory; those that are new get one."""
        before = len(self.names)
        codes = self._numbers.stored(directory or b"")
        if codes is None:
            names = names_in(directory)
            codes = np.fromiter(map(self._numbers.__getitem__, names), dtype=np.intp, count=len(names))
        self.size += sum(len(name) + _NAME_BYTES for name in self.names[before:])
        return codes

    def coded(self, codes: Indices) -> CodedNames:
        """The names that have these numbers."""
        return CodedNames(self, codes.astype(np.uint16 if len(self.names) <= 2**16 else np.uint32))

    def shared(self, slots: tuple[str, ...]) -> tuple[str, ...]:
        """One object for all tables with these slots."""
        return self._slots.setdefault(slots, slots)


class CodedNames(Sequence[str]):
    """Some names of a list in their own order: as a tuple of them, and equal to it."""

    __slots__ = ("codes", "list")

    def __init__(self, names: NameList, codes: NDArray[Any]) -> None:
        self.list = names
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[str, ...]: ...
    def __getitem__(self, at: int | slice) -> str | tuple[str, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        return self.list.names[int(self.codes[at])]

    def __iter__(self) -> Iterator[str]:
        return map(self.list.names.__getitem__, self.codes.tolist())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CodedNames) and other.list is self.list:
            return np.array_equal(self.codes, other.codes)
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


class Packed(NamedTuple):
    """An array that has counts: all of it, or where `places` are those that are not 0 alone."""

    values: NDArray[Any]
    places: NDArray[Any] | None


class PackedCounts(Mapping[str, Ints]):
    """The counts of a table; each look makes int64 arrays of them.  Arrays without counts are not there."""

    __slots__ = ("_arrays", "_size", "size")

    def __init__(self, size: tuple[int, int, int], arrays: Iterable[tuple[str, Packed | None]]) -> None:
        """`size`: how many items, slots and shelves the table has."""
        self._size = size
        self._arrays = {name: packed for name, packed in arrays if packed is not None}
        self.size = sum(
            array.nbytes + _ARRAY_BYTES
            for packed in self._arrays.values()
            for array in (packed.values, packed.places)
            if array is not None
        )

    def __getitem__(self, name: str) -> Ints:
        packed, shape = self._arrays.get(name), shape_of(_ARRAY_OF[name], *self._size)
        if packed is None:
            return np.zeros(shape, dtype=np.int64)
        if packed.places is None:
            return packed.values.astype(np.int64).reshape(shape)
        numbers = np.zeros(shape, dtype=np.int64)
        numbers.reshape(-1)[packed.places] = packed.values
        return numbers

    def total(self, name: str) -> int:
        """All of one measure."""
        packed = self._arrays.get(name)
        return 0 if packed is None else int(packed.values.sum(dtype=np.int64))

    def packed(self, name: str) -> Packed | None:
        """One measure as it is held; None where all of it is 0."""
        return self._arrays.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_ARRAY_OF)

    def __len__(self) -> int:
        return len(_ARRAY_OF)


def pack(flat: NDArray[Any]) -> Packed | None:
    """An array in as few bytes as its counts need; None where it has none."""
    counted = np.count_nonzero(flat)
    if not counted:
        return None
    dtype = narrowest(int(flat.max()), int(flat.min()) if flat.dtype.kind == "i" else 0)
    of_place = narrowest(flat.size - 1, 0)
    if counted * (dtype.itemsize + of_place.itemsize) < flat.size * dtype.itemsize:
        places = np.flatnonzero(flat)
        return Packed(flat[places].astype(dtype), places.astype(of_place))
    return Packed(flat.astype(dtype), None)


def narrowest(most: int, least: int) -> np.dtype[Any]:
    """The type of the fewest bytes that holds all between."""
    if least < 0 or most >= 2**32:
        return _SIGNED
    if most < 2**8:
        return _BYTE
    return _SHORT if most < 2**16 else _WORD


def total(table: Table, name: str) -> int:
    """All of one measure in a table."""
    if isinstance(table.counts, PackedCounts):
        return table.counts.total(name)
    return int(table.counts[name].sum())


def counts_of(table: Table, name: str) -> Ints | None:
    """One measure of a table; None where all of it is 0, which costs nothing to see in a packed one."""
    counts = table.counts
    if isinstance(counts, PackedCounts):
        return None if counts.packed(name) is None else counts[name]
    return counts[name] if counts[name].any() else None


def converted_clicks(table: Table) -> Ints:
    """Clicks that were followed by an order, by item: conversions without those whose click had converted before."""
    repeats = counts_of(table, "repeats")
    return table.conversions if repeats is None else table.conversions - repeats


def size_of(tables: Iterable[Table]) -> int:
    """Bytes that packed tables take, without the list of names."""
    return sum(
        _TABLE_BYTES + cast(CodedNames, table.items).codes.nbytes + cast(PackedCounts, table.counts).size
        for table in tables
    )
