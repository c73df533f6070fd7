"""Tables of counts as numpy arrays, from the bytes in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import Ints
from policy.assignment import BINS
from streams.fold.deltas import DELAY_BINS, TableKey, Traffic
from streams.state.arrays.directory import names_in
from streams.state.arrays.operations import BIN_FIELDS, BLOCK, SALE_FIELDS


@dataclass(frozen=True, slots=True)
class Table:
    """The counts of one page, segment, bucket and traffic; it names all but its page.

    `impressions` and `clicks` are [items, slots]; `conversions`, `revenue`
    (minor units) and `squares` (of the capped amounts) are [items]; `delays`
    is [32], see `streams.fold.deltas.delay_bin`.
    """

    segment: str
    bucket: int
    traffic: Traffic
    items: tuple[str, ...]
    slots: tuple[str, ...]
    impressions: Ints
    clicks: Ints
    conversions: Ints
    revenue: Ints
    squares: Ints
    delays: Ints


def decode_table(key: TableKey, parts: Sequence[bytes | None]) -> Table:
    """A table from its stored parts: items, slots, sold, sales, delays, then the blocks of cells.

    Only rows of listed items count: cells are read a moment later and may hold rows
    of items that came since, which the items known by sales alone must not take.
    """
    items, slots, sold = names_in(parts[0]), names_in(parts[1]), names_in(parts[2])
    row_of = {name: row for row, name in enumerate(items)}
    for name in sold:
        row_of.setdefault(name, len(row_of))
    cells = np.zeros((len(row_of), len(slots), 2), dtype=np.int64)
    cells[: len(items)] = _cells(parts[5:], len(items), len(slots))
    sales = np.zeros((len(row_of), SALE_FIELDS), dtype=np.int64)
    sales[[row_of[name] for name in sold]] = decode_sums(parts[3], len(sold), SALE_FIELDS)
    return Table(
        segment=key.segment,
        bucket=key.bucket,
        traffic=key.traffic,
        items=tuple(row_of),
        slots=tuple(slots),
        impressions=cells[:, :, 0],
        clicks=cells[:, :, 1],
        conversions=sales[:, 0],
        revenue=sales[:, 1],
        squares=sales[:, 2],
        delays=_counts(parts[4], DELAY_BINS),
    )


def blocks_for(slots: int) -> int:
    """How many blocks of cells a table with so many slots has."""
    return -(-slots // BLOCK)


def decode_bins(stored: bytes | None) -> Ints:
    """[256, 5]: page views, units, clicks, orders, revenue by bin of units."""
    return decode_sums(stored, BINS, BIN_FIELDS)


def decode_sums(stored: bytes | None, rows: int, fields: int) -> Ints:
    """[rows, fields] from big-endian int64; what was never written is 0."""
    sums = np.zeros(rows * fields, dtype=np.int64)
    _fill(sums, stored, ">i8")
    return sums.reshape(rows, fields)


def _counts(stored: bytes | None, size: int) -> Ints:
    counts = np.zeros(size, dtype=np.int64)
    _fill(counts, stored, ">u4")
    return counts


def _fill(target: Ints, stored: bytes | None, dtype: str) -> None:
    width = np.dtype(dtype).itemsize
    content = (stored or b"")[: len(target) * width]
    content += b"\0" * (-len(content) % width)
    values = np.frombuffer(content, dtype=dtype)
    target[: len(values)] = values


def _cells(blocks: Sequence[bytes | None], rows: int, slots: int) -> Ints:
    """[rows, slots, 2] of impressions and clicks."""
    parts = [_counts(block, rows * BLOCK * 2).reshape(rows, BLOCK, 2) for block in blocks]
    if not parts:
        return np.zeros((rows, slots, 2), dtype=np.int64)
    return np.concatenate(parts, axis=1)[:, :slots]
