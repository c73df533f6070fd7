"""Names to rows: each array in Redis is addressed by numbers that a directory gives out.

A directory is a string in Redis: a token of eight characters, then the names as
JSON strings with a comma behind each.  The token is a checksum chained over all
appends, so equal tokens mean equal directories.  A worker keeps copies; the
script refuses when a token differs and answers with the content, and the worker
encodes again.  Which name has which row is an internal matter.
"""

from __future__ import annotations

from hashlib import blake2b

import orjson

EMPTY = b"00000000"


class Directory:
    """A worker's copy of one directory."""

    __slots__ = ("fresh", "rows", "token")

    def __init__(self, content: bytes = b"") -> None:
        self.token = content[:8] or EMPTY
        self.rows = {name: row for row, name in enumerate(names_in(content))}
        self.fresh: list[str] = []

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


def names_in(content: bytes | None) -> list[str]:
    """The names of a stored directory, in the order of their rows."""
    if not content:
        return []
    names: list[str] = orjson.loads(b"[" + content[8:-1] + b"]")
    return names


def _next_token(token: bytes, names: bytes) -> bytes:
    return blake2b(token + names, digest_size=4).hexdigest().encode()
