"""Rows of an export: lines of JSON, plain or packed by gzip, or Parquet, as a stream of objects."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from reshelf.dialects.action import LeftOut
from reshelf.dialects.values import printable
from reshelf.numbers import number
from schemas.errors import BadSettings
from schemas.foreign_content import content_of

LONGEST_LINE = 16_000_000
BATCH = 500
LONGEST_DETAIL = 300
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
ONE_EACH = "write one JSON object a line, for instance by `jq -c`"


class Row(NamedTuple):
    """One row: where it stands, and what it holds, or why that cannot be read."""

    where: str
    content: dict[str, Any] | LeftOut


def rows(file: Path) -> Iterator[Row]:
    """All rows of a file; raises `BadSettings` where the file itself cannot be read to its end."""
    name = str(file).encode(errors="replace").decode()
    try:
        with file.open("rb") as source:
            head = source.read(len(PARQUET))
            source.seek(0)
            if head == PARQUET:
                yield from _of_parquet(source, name)
            elif head.startswith(GZIP):
                with gzip.open(source) as unpacked:
                    yield from _of_lines(cast(BinaryIO, unpacked), name)
            else:
                yield from _of_lines(source, name)
    except (OSError, EOFError, zlib.error) as error:
        raise BadSettings(f"{file}: expected a file that can be read to its end, got: {error}. Copy it anew.") from None


def _of_lines(file: BinaryIO, name: str) -> Iterator[Row]:
    at = 0
    while line := file.readline(LONGEST_LINE + 1):
        at += 1
        where = f"{name}, line {at}"
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)
            yield Row(where, LeftOut(f"lines of more than {number(LONGEST_LINE)} bytes", ONE_EACH))
            continue
        if at == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line := line.strip():
            yield from _of_line(line, where)


def _of_line(line: bytes, where: str) -> Iterator[Row]:
    try:
        content = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        said = content_of(line)
        detail = f"{error}; it {said}" if said else str(error)
        yield Row(where, LeftOut("lines that are no JSON", ONE_EACH, printable(detail, LONGEST_DETAIL)))
        return
    parts = content if isinstance(content, list) else [content]
    for at, part in enumerate(parts, 1):
        place = f"{where}, element {at}" if isinstance(content, list) else where
        is_object = isinstance(part, dict)
        yield Row(place, part if is_object else LeftOut("lines that hold no JSON object", ONE_EACH))


def _of_parquet(file: BinaryIO, name: str) -> Iterator[Row]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BadSettings(
            f"{name}: Parquet needs pyarrow: install reshelf with its extra `archive`, or export JSON lines"
        ) from None
    at = 0
    try:
        for batch in parquet.ParquetFile(file).iter_batches(BATCH):
            for content in batch.to_pylist():
                at += 1
                yield Row(f"{name}, row {at}", content)
    except (pa.ArrowException, ValueError) as error:
        raise BadSettings(
            f"{name}, after row {at}: expected Parquet that can be read, got: {error}. Write it anew, or export "
            "JSON lines."
        ) from None
