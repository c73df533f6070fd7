"""A table packed into one value of Redis, as merges leave it, and a table of all that Redis holds of it.

A value is one byte with the number of its form and then, as a block of LZ4, with little-endian numbers:

- four bytes each: how many items and slots there are, and how many bytes the names of both take
- in form 3 alone, which is written where there are shelves: how many there are, and how many bytes their names take
- one byte: how many measures follow, which are the first of `streams.fold.measures`; in form 1, which has no such
  byte, they are 6, and form 2 is written only where there is more to say, as older versions do not read it
- for each measure one byte each for the width of its numbers and of their places,
  and four bytes for how many numbers follow: no width where all are 0, no width of places where all cells follow
- the names of items, then of slots and of shelves, as JSON strings with a comma behind each
- for each measure its numbers, and then their places (`streams.state.arrays.packed.pack`)

Zlib and Zstandard make a third less of it, and whoever reads a table would wait twice as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from struct import Struct
from struct import error as StructError
from typing import Any, NamedTuple

import numpy as np
import orjson
from cramjam import DecompressionError, lz4
from numpy.typing import NDArray

from schemas.errors import StateAttention
from streams.fold.deltas import TableKey
from streams.fold.measures import PACKED, TABLE_ARRAYS
from streams.state.arrays.directory import EMPTY, names_in
from streams.state.arrays.packed import OF_WIDTH, Packed, PackedCounts, pack
from streams.state.arrays.sums import add_tables
from streams.state.arrays.tables import Table, decode_arrays

FORMS = SIX_MEASURES, ANY_MEASURES, WITH_SHELVES = 1, 2, 3
_MEASURES = tuple(name for array in TABLE_ARRAYS for name in array.names)
_SIX = 6
_SIZES, _SHELVES, _COUNT, _FIELDS = Struct("<4I"), Struct("<2I"), Struct("<B"), Struct("<2BI")


class PackedValue(NamedTuple):
    """What a value holds: the names of items as a stored directory has them, those of slots and shelves, the counts."""

    items: bytes
    slots: tuple[str, ...]
    shelves: tuple[str, ...]
    counts: PackedCounts


def encode_packed(table: Table) -> bytes:
    """A table as one value: the same bytes for the same names in the same order with the same counts."""
    names = [_names(table.items), _names(table.slots), _names(table.shelves)]
    fields, contents, used = list[bytes](), list[bytes](), _SIX
    for number, name in enumerate(_MEASURES):
        packed = _packed(table.counts, name)
        values, places = packed or (None, None)
        arrays = [array for array in (values, places) if array is not None]
        used = max(used, number + 1) if arrays else used
        fields.append(_FIELDS.pack(_width(values), _width(places), 0 if values is None else len(values)))
        contents += [array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in arrays]
    head = _head(table, names, used)
    form = WITH_SHELVES if table.shelves else SIX_MEASURES if used == _SIX else ANY_MEASURES
    return bytes([form]) + bytes(lz4.compress_block(b"".join((head, *fields[:used], *names, *contents))))


def _head(table: Table, names: Sequence[bytes], used: int) -> bytes:
    """What stands before the fields of measures."""
    sizes = _SIZES.pack(len(table.items), len(table.slots), *map(len, names[:2]))
    if table.shelves:
        return sizes + _SHELVES.pack(len(table.shelves), len(names[2])) + _COUNT.pack(used)
    return sizes if used == _SIX else sizes + _COUNT.pack(used)


def decode_packed(key: TableKey, value: bytes) -> PackedValue:
    """What a value of this table holds; raises `StateAttention` where it has another form, or is damaged."""
    form = value[0] if value else 0
    if form not in FORMS:
        raise _of_other_version(key, f"form {' or '.join(map(str, FORMS))}, got {form or 'nothing'}")
    try:
        body = bytes(lz4.decompress_block(value[1:]))
        items, slots, of_items, of_slots = _SIZES.unpack_from(body)
        at, shelves, of_shelves, count = _SIZES.size, 0, 0, _SIX
        if form == WITH_SHELVES:
            (shelves, of_shelves), at = _SHELVES.unpack_from(body, at), at + _SHELVES.size
        if form != SIX_MEASURES:
            (count,), at = _COUNT.unpack_from(body, at), at + _COUNT.size
        fields = Struct("<" + count * "2BI").unpack_from(body, at)
    except (DecompressionError, StructError) as error:
        raise StateAttention(
            f"the packed counts of page {key.page!r} and segment {key.segment!r} from {key.bucket} on cannot be read: "
            f"{error}. Bring Redis back from a backup, or set redis.namespace to a new name and replay the log into it."
        ) from None
    if count > len(_MEASURES):
        raise _of_other_version(key, f"at most {len(_MEASURES)} measures, got {count}")
    first = at + count * _FIELDS.size
    ends = list(accumulate((of_items, of_slots, of_shelves), initial=first))
    listed, *others = (EMPTY + body[start:end] for start, end in pairwise(ends))
    counts = PackedCounts((items, slots, shelves), _arrays(body, ends[-1], fields))
    slot_names, shelf_names = (tuple(names_in(names)) for names in others)
    return PackedValue(listed, slot_names, shelf_names, counts)


def _of_other_version(key: TableKey, expected: str) -> StateAttention:
    return StateAttention(
        f"the counts of page {key.page!r} and segment {key.segment!r} from {key.bucket} on were packed by another "
        f"version of Reshelf: expected {expected}. Read them with that version, or set redis.namespace to a new name "
        "and replay the log into it."
    )


def decode_table(key: TableKey, parts: Mapping[str, bytes | None]) -> Table:
    """A table from all that is stored of it, by name: its packed value, its plain arrays, or both, which add up.

    A merge leaves nothing but the packed value; events that come for the table afterwards are in arrays beside it.
    """
    value = parts.get(PACKED)
    if value is None:
        return decode_arrays(key, parts)
    packed = decode_packed(key, value)
    buckets = range(key.bucket, key.bucket + 1)
    items = tuple(names_in(packed.items))
    table = Table(key.segment, buckets, key.traffic, items, packed.slots, dict(packed.counts), packed.shelves)
    return add_tables([table, decode_arrays(key, parts)]) if has_arrays(parts) else table


def has_arrays(parts: Mapping[str, bytes | None]) -> bool:
    """Whether there are plain arrays of a table."""
    return any(content is not None for name, content in parts.items() if name != PACKED)


def _names(names: Sequence[str]) -> bytes:
    return orjson.dumps(list(names))[1:-1] + b"," if names else b""


def _packed(counts: Mapping[str, NDArray[Any]], name: str) -> Packed | None:
    return counts.packed(name) if isinstance(counts, PackedCounts) else pack(counts[name].ravel())


def _width(array: NDArray[Any] | None) -> int:
    return 0 if array is None else array.itemsize


def _arrays(body: bytes, at: int, fields: Sequence[int]) -> Iterator[tuple[str, Packed]]:
    """The measures that have counts; their numbers begin at this byte."""
    for number, name in enumerate(_MEASURES[: len(fields) // 3]):
        width, of_place, count = fields[3 * number : 3 * number + 3]
        if not width:
            continue
        values = _numbers(body[at : at + width * count], width)
        at += width * count
        places = _numbers(body[at : at + of_place * count], of_place) if of_place else None
        at += of_place * count
        yield name, Packed(values, places)


def _numbers(content: bytes, width: int) -> NDArray[Any]:
    dtype = OF_WIDTH[width]
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype, copy=False)
