"""Records of a partition as JSON lines, one a line.

    {"offset": 7, "timestamp": 1700000000000, "key": "u1", "value": "{\\"event_id\\": ...}", "headers": []}

`key` and `value` are the text of the record, null where there is none, and
{"base64": ...} where its bytes are no UTF-8, so that nothing is lost.
Headers are pairs of a name and such a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from schemas.errors import BadSettings
from schemas.foreign_content import content_of
from streams.kafka.records import Logged

RUN = 20_000
SUFFIX = "jsonl"


class Raw(msgspec.Struct, frozen=True):
    """Bytes that are no text."""

    base64: bytes


Text = str | Raw | None
T = TypeVar("T")


class Line(msgspec.Struct, frozen=True):
    """A record as it is written."""

    offset: int
    timestamp: int
    key: Text
    value: Text
    headers: list[tuple[str, Text]] = []


class _Placed(msgspec.Struct):
    offset: int


class Writer:
    """Appends to a new file."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("xb")

    def append(self, records: Sequence[Logged]) -> None:
        self._file.writelines(msgspec.json.encode(_line(record)) + b"\n" for record in records)

    def close(self) -> None:
        self._file.close()


def runs(file: Path) -> Iterator[list[Logged]]:
    """All records of a file, in runs; raises `BadSettings` for a line that is none."""
    lines = (_logged(line) for line in _lines(file, Line))
    while run := list(islice(lines, RUN)):
        yield run


def offsets(file: Path) -> Iterator[int]:
    """The offsets of a file's records."""
    return (line.offset for line in _lines(file, _Placed))


def _lines(file: Path, kind: type[T]) -> Iterator[T]:
    decode = msgspec.json.Decoder(kind).decode
    with file.open("rb") as content:
        for number, line in enumerate(content, 1):
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                said = f"; it {named}" if (named := content_of(line)) else ""
                raise BadSettings(f"{file}, line {number}: expected a record of the log, got: {error}{said}") from None


def _line(record: Logged) -> Line:
    headers = [(name, _text(value)) for name, value in record.headers]
    return Line(record.offset, record.timestamp, _text(record.key), _text(record.value), headers)


def _logged(line: Line) -> Logged:
    headers = tuple((name, _bytes(value) or b"") for name, value in line.headers)
    return Logged(line.offset, line.timestamp, _bytes(line.key), _bytes(line.value), headers)


def _text(content: bytes | None) -> Text:
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return Raw(content)


def _bytes(text: Text) -> bytes | None:
    if isinstance(text, Raw):
        return text.base64
    return None if text is None else text.encode()
