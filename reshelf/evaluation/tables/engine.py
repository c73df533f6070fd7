"""DuckDB in a folder of its own: tables, joins and sorts that do not fit its limit of memory go to disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from schemas.errors import ReshelfError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

MEMORY_MB = 1_000
"""What the engine may take; the process takes a few hundred MB more."""
MOST_THREADS = 4
"""Each sort and join takes memory for every thread."""
ROWS_AT_ONCE = 20_000


@contextmanager
def workspace(memory_mb: int = MEMORY_MB) -> Iterator[Connection]:
    """An empty database below TMPDIR, which is deleted at the end; raises ReshelfError where its disk is full."""
    import duckdb

    with TemporaryDirectory(prefix="reshelf-decisions-") as folder:
        options: dict[str, Any] = {
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": str(Path(folder) / "spill"),
            "threads": min(MOST_THREADS, os.cpu_count() or 1),
            "autoinstall_known_extensions": False,
        }
        try:
            with duckdb.connect(Path(folder) / "log.duckdb", config=options) as connection:
                yield connection
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise ReshelfError(
                f"the decision log did not fit into {folder} and {memory_mb} MB of memory: {error}. "
                "Let TMPDIR name a folder on a larger disk."
            ) from None


def run_file(connection: Connection, name: str, parameters: dict[str, Any] | None = None) -> None:
    """Run the statements of a file of this package; `$name` in them stands for a parameter."""
    for statement in files(__package__).joinpath(name).read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            used = {key: value for key, value in (parameters or {}).items() if f"${key}" in statement}
            connection.execute(statement, used or None)


@contextmanager
def view_of(connection: Connection, name: str, columns: Mapping[str, Any]) -> Iterator[None]:
    """Arrays as a table of this name, for as long as this lasts."""
    connection.register(name, dict(columns))
    try:
        yield
    finally:
        connection.unregister(name)


def insert(connection: Connection, table: str, columns: Mapping[str, Any]) -> None:
    """Append rows; the columns are in the order of the table's."""
    with view_of(connection, "columns", columns):
        connection.execute(f"INSERT INTO {table} SELECT * FROM columns")


def rows_of(
    connection: Connection, query: str, parameters: Any = None, size: int = ROWS_AT_ONCE
) -> Iterator[list[Any]]:
    """The rows of a query, some at a time; several may be read at once."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        while rows := cursor.fetchmany(size):
            yield rows
