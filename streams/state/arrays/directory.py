"""Names to rows: each array in Redis is addressed by numbers that a directory gives out.

A directory is a string in Redis: a token of eight characters, then the names as
JSON strings with a comma behind each.  The token is a checksum chained over all
appends, so equal tokens mean equal directories.  A worker keeps copies; the
script refuses when a token differs and answers with the content, and the worker
encodes again.  Which name has which row is an internal matter.

The tables of a page have much the same names.  So a page's names are numbered once, and a
copy has four bytes for each of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import blake2b
from itertools import count
from weakref import WeakValueDictionary

import orjson

EMPTY = b"00000000"
NAME_BYTES, ROW_BYTES, DIRECTORY_BYTES = 150, 4, 700
"""What a name of a page takes in a worker, its row in a directory, and what a directory takes besides."""
MOST_BYTES = 1 << 30
"""What a worker's copies may take where it is not told."""
_idents = count(1)


class PageNames:
    """The names that the directories of a page share, by numbers that stay; no other has its `ident`."""

    __slots__ = ("__weakref__", "ident", "numbers")

    def __init__(self) -> None:
        self.ident = next(_idents)
        self.numbers: dict[str, int] = {}


class Directory:
    """A worker's copy of one directory; `rows` has the row of each of a page's names by number, or -1.

    `held` is the size that `Directories` knows of, of the time when `counted` names were used.
    """

    __slots__ = ("_first", "_next", "counted", "fresh", "held", "names", "rows", "token", "used")

    def __init__(self, content: bytes = b"", names: PageNames | None = None) -> None:
        self.token = self._next = content[:8] or EMPTY
        self.names = names or PageNames()
        self.rows = array("i")
        self.used = self._first = self.counted = self.held = 0
        self.fresh: list[str] = []
        for name in names_in(content):
            self._add(self._number(name))

    @property
    def stored(self) -> bool:
        """Whether this is a copy of one that is in Redis."""
        return self.token != EMPTY

    @property
    def size(self) -> int:
        """About what it takes in memory, with the names that it was the first of its page to have."""
        return DIRECTORY_BYTES + ROW_BYTES * len(self.rows) + NAME_BYTES * self._first

    def row(self, name: str) -> int:
        """The row of a name; a new name is noted for the next append."""
        number = self._number(name)
        if number < len(self.rows) and (row := self.rows[number]) >= 0:
            return row
        self.fresh.append(name)
        return self._add(number)

    def _number(self, name: str) -> int:
        numbers = self.names.numbers
        number = numbers.get(name)
        if number is None:
            number = numbers[name] = len(numbers)
            self._first += 1
        return number

    def _add(self, number: int) -> int:
        rows = self.rows
        if number >= len(rows):
            rows.frombytes(b"\xff" * (rows.itemsize * (len(self.names.numbers) - len(rows))))
        rows[number] = row = self.used
        self.used += 1
        return row

    def payload(self) -> bytes:
        """What the script checks and appends: token before, token after, new names."""
        if not self.fresh:
            return self.token
        names = orjson.dumps(self.fresh)[1:-1] + b","
        self._next = _next_token(self.token, names)
        return self.token + self._next + names

    def written(self) -> None:
        """The last payload was applied."""
        if self.fresh:
            self.token, self.fresh = self._next, []


class Directories:
    """The directories that a worker has met, of every group; those that were not used for longest are let go.

    `limit` is how many bytes they may take.  One that was let go is read again when a batch needs it,
    which takes the batch another round trip.
    """

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self.limit = limit
        self.bytes = 0
        self.read = self.dropped = 0
        self._copies: dict[str, Directory] = {}
        self._names = WeakValueDictionary[tuple[str, str], PageNames]()

    def __contains__(self, key: str) -> bool:
        return key in self._copies

    def get(self, key: str, page: str = "", kind: str = "") -> Directory:
        """The copy of a directory of a page: empty where there is none yet, or it was let go."""
        directory = self._copies.pop(key, None)
        if directory is None:
            names = self._names.get((page, kind))
            if names is None:
                names = self._names[page, kind] = PageNames()
            directory = Directory(names=names)
        self._copies[key] = directory
        if directory.used != directory.counted or not directory.held:
            self._count(directory)
        return directory

    def remember(self, key: str, content: bytes, names: PageNames | None = None) -> Directory:
        """Take over what the script answered for a directory with these names."""
        self.forget([key])
        directory = self._copies[key] = Directory(content, names)
        self.read += 1
        self._count(directory)
        return directory

    def forget(self, keys: Iterable[str]) -> None:
        """Let go of those that are not as in Redis any more."""
        for key in keys:
            directory = self._copies.pop(key, None)
            if directory is not None:
                self.bytes -= directory.held
                directory.held = 0

    def _count(self, directory: Directory) -> None:
        """One that was used last has grown."""
        size = directory.size
        self.bytes += size - directory.held
        directory.held, directory.counted = size, directory.used
        while self.bytes > self.limit and len(self._copies) > 1:
            self.forget([next(iter(self._copies))])
            self.dropped += 1


def names_in(content: bytes | None) -> list[str]:
    """The names of a stored directory, in the order of their rows."""
    if not content:
        return []
    names: list[str] = orjson.loads(b"[" + content[8:-1] + b"]")
    return names


def _next_token(token: bytes, names: bytes) -> bytes:
    return blake2b(token + names, digest_size=4).hexdigest().encode()
