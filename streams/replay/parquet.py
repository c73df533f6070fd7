"""Records of a partition as a Parquet file.

Columns: `offset` and `timestamp` (append time, milliseconds) as int64, `key` and
`value` as binary (null for a tombstone), `headers` as a list of {name, value}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import BadSettings
from streams.kafka.records import Logged

RUN = 20_000
SUFFIX = "parquet"


class Writer:
    """Appends to a new file."""

    def __init__(self, file: Path) -> None:
        _, parquet = _pyarrow()
        self._writer = parquet.ParquetWriter(file, _schema(), compression="zstd")

    def append(self, records: Sequence[Logged]) -> None:
        self._writer.write_table(_table(records))

    def close(self) -> None:
        self._writer.close()


def runs(file: Path) -> Iterator[list[Logged]]:
    """All records of a file, in runs."""
    _, parquet = _pyarrow()
    for run in parquet.ParquetFile(file).iter_batches(RUN):
        columns = [run.column(name).to_pylist() for name in ("offset", "timestamp", "key", "value", "headers")]
        yield [
            Logged(offset, timestamp, key, value, tuple((header["name"], header["value"]) for header in headers or ()))
            for offset, timestamp, key, value, headers in zip(*columns, strict=True)
        ]


def offsets(file: Path) -> Iterator[int]:
    """The offsets of a file's records."""
    _, parquet = _pyarrow()
    for run in parquet.ParquetFile(file).iter_batches(RUN, columns=["offset"]):
        yield from run.column("offset").to_pylist()


def _table(records: Sequence[Logged]) -> Any:
    arrow, _ = _pyarrow()
    headers = [[{"name": name, "value": value} for name, value in record.headers] for record in records]
    offsets, times = [record.offset for record in records], [record.timestamp for record in records]
    content = [offsets, times, [record.key for record in records], [record.value for record in records], headers]
    arrays = [arrow.array(values, type=field.type) for values, field in zip(content, _schema(), strict=True)]
    return arrow.Table.from_arrays(arrays, schema=_schema())


def _schema() -> Any:
    arrow, _ = _pyarrow()
    header = arrow.struct([("name", arrow.string()), ("value", arrow.binary())])
    return arrow.schema(
        [
            ("offset", arrow.int64()),
            ("timestamp", arrow.int64()),
            ("key", arrow.binary()),
            ("value", arrow.binary()),
            ("headers", arrow.list_(header)),
        ]
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BadSettings(
            "Parquet archives need pyarrow: install reshelf with its extra `archive`, or use --format jsonl"
        ) from None
    return pa, parquet
