"""The rows of one span of time in a click store, which go with their files, and where they are read."""

from __future__ import annotations

from rocksdict import ColumnFamily, Rdict, RdictIter, ReadOptions


class Bucket:
    """The rows of one day of event time, or of one week of orders."""

    def __init__(self, rows: Rdict, handle: ColumnFamily, options: ReadOptions) -> None:
        self.handle = handle
        self.rows = rows
        self._options = options
        self._cursor: RdictIter | None = None

    @property
    def cursor(self) -> RdictIter:
        """Where rows are read, one after the other: who begins ends what was begun.  It sees no later write."""
        if self._cursor is None:
            self._cursor = self.rows.iter(self._options)
        return self._cursor

    def let_go(self) -> None:
        """Look anew from now on, and hold nothing open."""
        self._cursor = None
