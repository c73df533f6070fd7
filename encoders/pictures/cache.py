"""Pictures that were fetched, by what is in them: one SQLite file, bounded by the bytes of its pictures.

Two URLs of one picture keep it once.  What was not asked for longest goes first.
"""

from __future__ import annotations

import sqlite3
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

TABLES = """
CREATE TABLE IF NOT EXISTS pictures (hash TEXT PRIMARY KEY, content BLOB, size INTEGER, used INTEGER);
CREATE TABLE IF NOT EXISTS urls (url TEXT PRIMARY KEY, hash TEXT, etag TEXT, fetched_at REAL);
CREATE INDEX IF NOT EXISTS urls_hash ON urls (hash);
CREATE INDEX IF NOT EXISTS pictures_used ON pictures (used);
"""
FILE = "pictures.sqlite"


class Cached(NamedTuple):
    """A picture as it was at `fetched_at`, seconds of the caller's clock."""

    content: bytes
    etag: str
    fetched_at: float


class PictureCache:
    """In a folder, or where it is None in a temporary file; `most_bytes` of pictures at most.  Threads may share it."""

    def __init__(self, folder: Path | None, most_bytes: int) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / FILE if folder else "", check_same_thread=False)
        self._lock, self._most = threading.Lock(), most_bytes
        with self._lock, self._database:
            self._database.executescript(TABLES)
            total, used = self._row("SELECT coalesce(sum(size), 0), coalesce(max(used), 0) FROM pictures") or (0, 0)
        self.bytes, self._used = int(total), int(used)

    def get(self, url: str) -> Cached | None:
        """The picture that was fetched from a URL last."""
        with self._lock, self._database:
            row = self._row(
                "SELECT content, etag, fetched_at, hash FROM urls JOIN pictures USING (hash) WHERE url = ?", url
            )
            if row is None:
                return None
            self._touch(row[3])
        return Cached(row[0], row[1], row[2])

    def put(self, url: str, cached: Cached) -> None:
        """Keep a picture; others go where there is no room for it."""
        name, size = content_hash(cached.content), len(cached.content)
        with self._lock, self._database:
            if self._row("SELECT 1 FROM pictures WHERE hash = ?", name) is None:
                self._make_room(size)
                self._database.execute("INSERT INTO pictures VALUES (?, ?, ?, 0)", (name, cached.content, size))
                self.bytes += size
            self._touch(name)
            row = (url, name, cached.etag, cached.fetched_at)
            self._database.execute("INSERT OR REPLACE INTO urls VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        self._database.close()

    def _make_room(self, size: int) -> None:
        while self.bytes and self.bytes + size > self._most:
            name, freed = self._row("SELECT hash, size FROM pictures ORDER BY used LIMIT 1") or ("", self.bytes)
            self._database.execute("DELETE FROM urls WHERE hash = ?", (name,))
            self._database.execute("DELETE FROM pictures WHERE hash = ?", (name,))
            self.bytes -= freed

    def _touch(self, name: str) -> None:
        self._used += 1
        self._database.execute("UPDATE pictures SET used = ? WHERE hash = ?", (self._used, name))

    def _row(self, statement: str, *values: str) -> Any:
        return self._database.execute(statement, values).fetchone()


def content_hash(content: bytes) -> str:
    """128 bits of SHA-256 over a picture, in hexadecimal."""
    return sha256(content).hexdigest()[:32]
