"""The decision log as files: Parquet, and the form of the Open Bandit Dataset."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reshelf.evaluation.tables.engine import rows_of, run_file
from reshelf.evaluation.tables.events import EventTables
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.fields import BASELINE

VIEWS_PER_FILE = 100_000
COLUMNS: dict[str, tuple[str, str]] = {
    "page_view_id": ("string", "The page view; its rows are the slots that were seen."),
    "unit": ("string", "The visitor's pseudonym."),
    "occurred_at": ("int64", "Milliseconds since 1970, UTC."),
    "page": ("string", "The page."),
    "segment": ("string", "The visitor's segment."),
    "layout_segment": ("string", "The segment that the layout was made for."),
    "layout_version": ("int64", "The layout."),
    "policy": ("string", "The policy that made the slates."),
    "variant": ("int16", "The slate that was shown; -1 the baseline of the holdout."),
    "slot": ("string", "The slot."),
    "position": ("int16", "The slot's place in rendered order, from 0."),
    "shelf": ("string", "The shelf that stood in its row, as the page view says; empty on a flat page."),
    "item": ("string", "What was shown in it."),
    "propensity": ("double", "Probability of the item in the slot for a visitor outside the holdout."),
    "holdout_share": ("double", "Probability of the holdout, where the baseline is certain."),
    "clicks": ("int32", "Clicks on the slot."),
    "orders": ("int32", "Those of them that a purchase line was credited to."),
    "revenue": ("int64", "The amounts of all lines credited, capped, in minor units."),
    "returned": ("int64", "What of it was paid back, capped, in minor units."),
    "signals": ("map<string, int32>", "Signals credited to the clicks, by kind."),
}
"""Name: type in Parquet, and meaning."""
OPEN_BANDIT = ("", "timestamp", "item_id", "position", "click", "propensity_score", "user_feature_0")
FEATURES = ("", "item_id", "item_feature_0", "item_feature_1", "item_feature_2", "item_feature_3")


def write_parquet(tables: EventTables, target: Path, page: str | None) -> dict[str, Any]:
    """Write TARGET/part-00000.parquet and further files, in the order of time; says how many rows."""
    target.mkdir(parents=True, exist_ok=True)
    about = ", ".join(f"{name}: {_text(meaning)}" for name, (_, meaning) in COLUMNS.items())
    written, parts = 0, _parts(tables, page)
    for number, query in enumerate(parts):
        file = _text(str(target / f"part-{number:05}.parquet"))
        copy = f"COPY ({query}) TO {file} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{about}}})"
        (rows,) = tables.connection.execute(copy).fetchone() or (0,)
        written += rows
    return {"folder": str(target), "files": len(parts), "rows": written}


def _parts(tables: EventTables, page: str | None, condition: str = "true") -> list[str]:
    """Queries for the rows of some page views each, one after the other in the order of time."""
    run_file(tables.connection, "export.sql", {"page": -1 if page is None else tables.codes.get(page, -2)})
    (views,) = tables.connection.execute("SELECT count(*) FROM timeline").fetchone() or (0,)
    return [
        f"SELECT {', '.join(COLUMNS)} FROM decision_rows WHERE view >= {first} AND view < {first + VIEWS_PER_FILE} "
        f"AND {condition} ORDER BY view, position, slot"
        for first in range(0, max(views, 1), VIEWS_PER_FILE)
    ]


def _text(value: str) -> str:
    """As SQL has it."""
    return "'" + value.replace("'", "''") + "'"


def file_name(page: str) -> str:
    """A file name for each page, of no other folder: all but letters, digits, - and _ is percent-encoded."""
    return re.sub(r"[^\w-]", lambda mark: "".join(f"%{byte:02X}" for byte in mark[0].encode()), page)


def write_open_bandit(tables: EventTables, target: Path, page: str | None) -> dict[str, Any]:
    """Write TARGET/POLICY/PAGE/PAGE.csv with learned traffic and item_context.csv; says how many rows.

    Items are numbers there; `item_context.csv` has our names as its first feature.
    The segment stands for the visitor's features.  Raises BadSettings where a page
    must be named, or has more than one policy, and ReshelfError where it has shelves: readers of that form know
    items and positions alone.
    """
    parts, learned = _parts(tables, page, f"variant <> {BASELINE}"), f"WHERE t.variant <> {BASELINE}"
    pages = _names(tables, f"timeline t JOIN names n ON n.code = t.page {learned}", "n.name")
    policies = _names(tables, f"timeline t JOIN layouts l ON l.id = t.layout {learned}", "l.policy")
    if len(pages) > 1:
        raise BadSettings(f"--page: expected one of {', '.join(pages)}, as a file holds one page.")
    if len(policies) != 1:
        raise ReshelfError(f"expected page views of one policy, got {', '.join(policies) or 'none'}.")
    if _names(tables, "timeline t JOIN layouts l ON l.id = t.layout WHERE l.shelved", "l.id::VARCHAR"):
        raise ReshelfError(
            f"page {pages[0]!r} has shelves, which the form of the Open Bandit Dataset has no place for: readers would "
            "take what a shelf adds for its items' own. Export it with --format parquet."
        )
    (name,), (policy,) = map(file_name, pages), policies
    folder = target / policy / name
    folder.mkdir(parents=True, exist_ok=True)
    shown = "shown s JOIN timeline t ON t.number = s.view JOIN names n ON n.code = s.item"
    numbers = {item: number for number, item in enumerate(sorted(_names(tables, f"{shown} {learned}", "n.name")))}
    with _csv(folder / f"{name}.csv", OPEN_BANDIT) as writer:
        written = 0
        for row in (row for part in parts for rows in rows_of(tables.connection, part) for row in rows):
            cells = dict(zip(COLUMNS, row, strict=True))
            writer.writerow(_open_bandit(written, cells, numbers[cells["item"]]))
            written += 1
    with _csv(folder / "item_context.csv", FEATURES) as writer:
        writer.writerows((number, number, item, "", "", "") for item, number in numbers.items())
    return {"folder": str(folder), "rows": written}


def _names(tables: EventTables, table: str, name: str) -> list[str]:
    """Distinct names, sorted."""
    return sorted(text for (text,) in tables.connection.execute(f"SELECT DISTINCT {name} FROM {table}").fetchall())


@contextmanager
def _csv(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer


def _open_bandit(number: int, row: dict[str, Any], item: int) -> tuple[Any, ...]:
    when = datetime.fromtimestamp(row["occurred_at"] / 1000, UTC).isoformat(sep=" ")
    clicked = int(row["clicks"] > 0)
    return number, when, item, row["position"] + 1, clicked, row["propensity"], row["segment"]
