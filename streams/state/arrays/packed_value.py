"""A table packed into one value of Redis, as merges leave it, and a table of all that Redis holds of it.

A value is one byte with the number of its form, in form 2 one more with how many measures it has, and then,
as a block of LZ4, with little-endian numbers:

- four bytes each: how many items and slots there are, and how many bytes the names of both take
- for each measure (`streams.fold.measures`) one byte each for the width of its numbers and of their places,
  and four bytes for how many numbers follow: no width where all are 0, no width of places where all cells follow
- the names of items, then of slots, as JSON strings with a comma behind each
- for each measure its numbers, and then their places (`streams.state.arrays.packed.pack`)

Form 1 has the six measures that there were at first, and is written where the others are all 0: whoever
knows those alone reads it.

Zlib and Zstandard make a third less of it, and whoever reads a table would wait twice as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
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

FORM, LONGER_FORM = 1, 2
_MEASURES = tuple(name for array in TABLE_ARRAYS for name in array.names)
_FIRST_MEASURES = 6


class PackedValue(NamedTuple):
    """What a value holds: the names of items as a stored directory has them, those of slots, and the counts."""

    items: bytes
    slots: tuple[str, ...]
    counts: PackedCounts


def encode_packed(table: Table) -> bytes:
    """A table as one value: the same bytes for the same names in the same order with the same counts."""
    names = [_names(table.items), _names(table.slots)]
    header, contents = [len(table.items), len(table.slots), *map(len, names)], list[bytes]()
    measures = [_packed(table.counts, name) for name in _MEASURES]
    form = bytes([LONGER_FORM, len(measures)]) if any(measures[_FIRST_MEASURES:]) else bytes([FORM])
    if len(form) == 1:
        del measures[_FIRST_MEASURES:]
    for packed in measures:
        values, places = packed or (None, None)
        arrays = [array for array in (values, places) if array is not None]
        header += [_width(values), _width(places), 0 if values is None else len(values)]
        contents += [array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in arrays]
    body = b"".join((_header(len(measures)).pack(*header), *names, *contents))
    return form + bytes(lz4.compress_block(body))


def decode_packed(key: TableKey, value: bytes) -> PackedValue:
    """What a value of this table holds; raises `StateAttention` where it has another form, or is damaged."""
    form, measures = _form(value)
    if not form:
        raise StateAttention(
            f"the counts of page {key.page!r} and segment {key.segment!r} from {key.bucket} on were packed by another "
            f"version of Reshelf: expected form {FORM}, or {LONGER_FORM} of at most {len(_MEASURES)} measures, got "
            f"{list(value[:2]) or 'nothing'}. Read them with that version, or set redis.namespace to a new name and "
            "replay the log into it."
        )
    header = _header(measures)
    try:
        body = bytes(lz4.decompress_block(value[form:]))
        items, slots, of_items, of_slots, *fields = header.unpack_from(body)
    except (DecompressionError, StructError) as error:
        raise StateAttention(
            f"the packed counts of page {key.page!r} and segment {key.segment!r} from {key.bucket} on cannot be read: "
            f"{error}. Bring Redis back from a backup, or set redis.namespace to a new name and replay the log into it."
        ) from None
    names = header.size + of_items
    counts = PackedCounts(items, slots, _arrays(body, names + of_slots, fields))
    return PackedValue(
        EMPTY + body[header.size : names], tuple(names_in(EMPTY + body[names : names + of_slots])), counts
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
    table = Table(key.segment, buckets, key.traffic, tuple(names_in(packed.items)), packed.slots, dict(packed.counts))
    return add_tables([table, decode_arrays(key, parts)]) if has_arrays(parts) else table


def has_arrays(parts: Mapping[str, bytes | None]) -> bool:
    """Whether there are plain arrays of a table."""
    return any(content is not None for name, content in parts.items() if name != PACKED)


def _form(value: bytes) -> tuple[int, int]:
    """How many bytes say the form of a value, and how many measures it has; none where it has another form."""
    if value[:1] == bytes([FORM]):
        return 1, _FIRST_MEASURES
    if value[:1] == bytes([LONGER_FORM]) and len(value) > 1 and value[1] <= len(_MEASURES):
        return 2, value[1]
    return 0, 0


@cache
def _header(measures: int) -> Struct:
    return Struct("<4I" + measures * "2BI")


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
