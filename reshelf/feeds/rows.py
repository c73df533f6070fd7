"""Values between tabs or commas, as a stream of named values."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from reshelf.feeds.report import FeedReport
from schemas.errors import BadSettings
from schemas.foreign_content import encoding_of

LONGEST_CELL = 1_000_000
MOST_COLUMNS = 1_000
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Row(NamedTuple):
    """One row: the line in which it ends, and its values by column, some of them empty."""

    line: int
    values: dict[str, str]


def rows(file: BinaryIO, source: str, delimiter: str, report: FeedReport) -> Iterator[Row]:
    """The rows below the header, whose names are in lower case; raises `BadSettings` for what is no such text.

    A byte order mark is skipped, and text in UTF-16 that has one is read.
    """
    head = file.read(len(codecs.BOM_UTF8))
    encoding = "utf-16" if head[:2] in UTF_16 else "utf-8-sig"
    text = io.TextIOWrapper(io.BufferedReader(_Joined(head, file)), encoding=encoding, newline="")
    csv.field_size_limit(LONGEST_CELL)
    lines = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(lines, [])]
        if len(names) > MOST_COLUMNS:
            raise BadSettings(f"{source}: expected at most {MOST_COLUMNS} columns, got {len(names)}")
        if len(names) < 2:
            sign = {"\t": "tabs", ",": "commas"}[delimiter]
            raise BadSettings(f"{source}: expected names of columns between {sign} in the first line, got {names[:1]}")
        for cells in lines:
            if len(cells) > len(names) and any(cells[len(names) :]):
                report.leave_out("with more values than columns", f"line {lines.line_num}")
                continue
            values = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
            if any(values.values()):
                yield Row(lines.line_num, values)
    except csv.Error as error:
        raise BadSettings(
            f"{source}, line {lines.line_num}: expected values with quotes closed, got: {error}"
        ) from None
    except UnicodeError as error:
        said = encoding_of(error.object) if isinstance(error, UnicodeDecodeError) else str(error)
        raise BadSettings(f"{source}, after line {lines.line_num}: {said or f'is not UTF-8: {error}'}") from None


class _Joined(io.RawIOBase):
    """A stream after its first bytes were read."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._head or self._rest.read(len(buffer))
        content, self._head = content[: len(buffer)], content[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)
