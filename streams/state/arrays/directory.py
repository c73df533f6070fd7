"""Names to rows: each array in Redis is addressed by numbers that a directory gives out.

A directory is a string in Redis: a token of eight characters, then the names as
JSON strings with a comma behind each.  The token is a checksum chained over all
appends, so equal tokens mean equal directories.  A worker keeps copies; the
script refuses when a token differs and answers with the content, and the worker
encodes again.  Which name has which row is an internal matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from sys import intern

import orjson

EMPTY = b"00000000"
NAME_BYTES, DIRECTORY_BYTES = 100, 600
"""What a name in a directory takes in a worker, and what a directory takes besides."""
MOST_BYTES = 1 << 30
"""What a worker's copies may take where it is not told."""


class Directory:
    """A worker's copy of one directory."""

    __slots__ = ("fresh", "rows", "token")

    def __init__(self, content: bytes = b"") -> None:
        self.token = content[:8] or EMPTY
        # The segments of a page have the same items: one string for all of them.
        self.rows = {intern(name): row for row, name in enumerate(names_in(content))}
        self.fresh: list[str] = []

    @property
    def stored(self) -> bool:
        """Whether this is a copy of one that is in Redis."""
        return self.token != EMPTY

    @property
    def size(self) -> int:
        """About what it takes in memory."""
        return DIRECTORY_BYTES + NAME_BYTES * len(self.rows)

    def row(self, name: str) -> int:
        """The row of a name; a new name is noted for the next append."""
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = len(self.rows)
            self.fresh.append(name)
        return row

    def payload(self) -> bytes:
        """What the script checks and appends: token before, token after, new names."""
        if not self.fresh:
            return self.token
        names = b"".join(orjson.dumps(name) + b"," for name in self.fresh)
        return self.token + _next_token(self.token, names) + names

    def written(self) -> None:
        """The last payload was applied."""
        if self.fresh:
            self.token = self.payload()[8:16]
            self.fresh = []


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
        self._sizes: dict[str, int] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._copies

    def get(self, key: str) -> Directory:
        """The copy of a directory: empty where there is none yet, or it was let go."""
        directory = self._copies.pop(key, None) or Directory()
        self._hold(key, directory)
        return directory

    def remember(self, key: str, content: bytes) -> Directory:
        """Take over what the script answered."""
        self._copies.pop(key, None)
        directory = Directory(content)
        self.read += 1
        self._hold(key, directory)
        return directory

    def forget(self, keys: Iterable[str]) -> None:
        """Let go of those that are not as in Redis any more."""
        for key in keys:
            if self._copies.pop(key, None) is not None:
                self.bytes -= self._sizes.pop(key)

    def _hold(self, key: str, directory: Directory) -> None:
        """As the one that was used last; it may have grown since."""
        self._copies[key], size = directory, directory.size
        self.bytes += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        while self.bytes > self.limit and len(self._copies) > 1:
            oldest = next(iter(self._copies))
            self.forget([oldest])
            self.dropped += 1


def names_in(content: bytes | None) -> list[str]:
    """The names of a stored directory, in the order of their rows."""
    if not content:
        return []
    names: list[str] = orjson.loads(b"[" + content[8:-1] + b"]")
    return names


def _next_token(token: bytes, names: bytes) -> bytes:
    return blake2b(token + names, digest_size=4).hexdigest().encode()
