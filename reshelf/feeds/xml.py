"""Elements of an XML feed, without entities, and within limits.

expat reads the file in pieces.  A document type may declare entities that stand for billions of
characters or for files of this machine, and no feed needs one, so it is refused at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple
from xml.parsers import expat

from reshelf.numbers import number
from schemas.errors import BadSettings
from schemas.foreign_content import content_of

PIECE = 65_536
DEEPEST = 20
LONGEST_VALUE = 1_000_000
"""Characters of one element."""
MOST_VALUES = 2_000
"""Elements of one product."""


class Element(NamedTuple):
    """One product: the line in which it ends, and its elements in order, by name without namespace.

    An element that has elements has no text, and these are not listed.
    """

    line: int
    values: list[tuple[str, str]]


def elements(file: BinaryIO, source: str, names: Iterable[str]) -> Iterator[Element]:
    """Elements with these names, as they end; raises `BadSettings` for what is no XML or beyond a limit."""
    reader = _Reader(frozenset(names))
    head = b""
    try:
        while piece := file.read(PIECE):
            head = head or piece
            reader.parser.Parse(piece, False)
            yield from reader.take()
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        said = "" if head.lstrip()[:1] == b"<" else content_of(head)
        what = expat.ErrorString(error.code)
        raise BadSettings(
            f"{source}, line {error.lineno}: expected XML, got: {what}" + (f"; it {said}" if said else "")
        ) from None
    except _Excess as error:
        raise BadSettings(f"{source}, line {reader.parser.CurrentLineNumber}: {error}") from None
    yield from reader.take()


class _Excess(Exception):
    """The document is larger, deeper or cleverer than a feed is."""


class _Reader:
    """Collects products while expat calls."""

    def __init__(self, names: frozenset[str]) -> None:
        self.parser: Any = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.ExternalEntityRefHandler = self._refuse
        self._names = names
        self._ready: list[Element] = []
        self._open: list[str] = []
        self._product = 0
        self._values: list[tuple[str, str]] = []
        self._text: list[str] = []
        self._length = 0
        self._nested = False

    def take(self) -> list[Element]:
        """The products that have ended since."""
        ready, self._ready = self._ready, []
        return ready

    def _refuse(self, *_: object) -> int:
        raise _Excess("a document type or entity is not read (it may stand for anything): leave <!DOCTYPE ...> out")

    def _start(self, name: str, _: object) -> None:
        self._open.append(name)
        if len(self._open) > DEEPEST:
            raise _Excess(f"nested too deeply: expected at most {DEEPEST} levels")
        if not self._product and _local(name) in self._names:
            self._product, self._values = len(self._open), []
        elif self._product:
            self._nested = len(self._open) > self._product + 1
        self._text, self._length = [], 0

    def _data(self, data: str) -> None:
        if not self._product:
            return
        self._length += len(data)
        if self._length > LONGEST_VALUE:
            raise _Excess(f"expected a value of at most {number(LONGEST_VALUE)} characters")
        self._text.append(data)

    def _end(self, name: str) -> None:
        depth = len(self._open)
        self._open.pop()
        if self._product and depth == self._product + 1:
            self._values.append((_local(name), "" if self._nested else "".join(self._text).strip()))
            self._nested = False
            if len(self._values) > MOST_VALUES:
                raise _Excess(f"expected at most {number(MOST_VALUES)} elements in a product")
        elif depth == self._product:
            self._ready.append(Element(self.parser.CurrentLineNumber, self._values))
            self._product = 0
        self._text, self._length = [], 0


def _local(name: str) -> str:
    return name.rpartition(" ")[2].rpartition(":")[2]
