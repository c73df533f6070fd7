"""The decision log as files: Parquet, and the form of the Open Bandit Dataset."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from reshelf.evaluation.join import DecisionLog, View
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout

ROWS_AT_ONCE = 100_000
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
    "item": ("string", "What was shown in it."),
    "propensity": ("double", "Probability of the item in the slot for a visitor outside the holdout."),
    "holdout_share": ("double", "Probability of the holdout, where the baseline is certain."),
    "clicks": ("int32", "Clicks on the slot."),
    "orders": ("int32", "Purchase lines credited to them."),
    "revenue": ("int64", "Their amounts, capped, in minor units."),
}
"""Name: type in Parquet, and meaning."""
OPEN_BANDIT = ("", "timestamp", "item_id", "position", "click", "propensity_score", "user_feature_0")
FEATURES = ("", "item_id", "item_feature_0", "item_feature_1", "item_feature_2", "item_feature_3")


def rows(views: list[View]) -> Iterator[dict[str, Any]]:
    """A row for each slot that was seen, with the columns of `COLUMNS`."""
    for view in views:
        layout = view.layout
        positions = {slot: at for at, slot in enumerate(dict.fromkeys([*layout.propensities, *layout.baseline]))}
        for slot, outcome in sorted(view.outcomes.items(), key=lambda pair: positions[pair[0]]):
            item = view.slate[slot]
            yield {
                "page_view_id": view.view,
                "unit": view.unit,
                "occurred_at": view.occurred_at,
                "page": layout.page,
                "segment": view.segment,
                "layout_segment": layout.segment,
                "layout_version": layout.version,
                "policy": layout.policy,
                "variant": view.variant,
                "slot": slot,
                "position": positions[slot],
                "item": item,
                "propensity": propensity(layout, view.variant, slot, item),
                "holdout_share": layout.holdout_share,
                "clicks": outcome.clicks,
                "orders": outcome.orders,
                "revenue": outcome.revenue,
            }


def propensity(layout: Layout, variant: int, slot: str, item: str) -> float:
    """How likely a visitor of the same kind sees the item in the slot: in the holdout the baseline is certain."""
    return 1.0 if variant == BASELINE else layout.propensities[slot][item]


def write_parquet(log: DecisionLog, target: Path, page: str | None) -> dict[str, Any]:
    """Write one Parquet file; says how many rows.  Raises BadSettings where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise BadSettings("Parquet needs pyarrow. Install it with `pip install 'reshelf[archive]'`.") from None
    schema = pa.schema(
        [pa.field(name, pa.type_for_alias(kind), metadata={"about": about}) for name, (kind, about) in COLUMNS.items()]
    )
    columns, written = rows(_of_page(log, page)), 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        while some := list(islice(columns, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
            written += len(some)
    return {"file": str(target), "rows": written}


def file_name(page: str) -> str:
    """A file name for each page, of no other folder: all but letters, digits, - and _ is percent-encoded."""
    return re.sub(r"[^\w-]", lambda mark: "".join(f"%{byte:02X}" for byte in mark[0].encode()), page)


def write_open_bandit(log: DecisionLog, target: Path, page: str | None) -> dict[str, Any]:
    """Write TARGET/POLICY/PAGE/PAGE.csv with learned traffic and item_context.csv; says how many rows.

    Items are numbers there; `item_context.csv` has our names as its first feature.
    The segment stands for the visitor's features.  Raises BadSettings where a page
    must be named, or has more than one policy.
    """
    views = [view for view in _of_page(log, page) if view.variant != BASELINE]
    pages, policies = {view.layout.page for view in views}, {view.layout.policy for view in views}
    if len(pages) > 1:
        raise BadSettings(f"--page: expected one of {', '.join(sorted(pages))}, as a file holds one page.")
    if len(policies) != 1:
        raise ReshelfError(f"expected page views of one policy, got {', '.join(sorted(policies)) or 'none'}.")
    (name,), (policy,) = map(file_name, pages), policies
    folder = target / policy / name
    folder.mkdir(parents=True, exist_ok=True)
    table = list(rows(views))
    numbers = {item: number for number, item in enumerate(sorted({row["item"] for row in table}))}
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(OPEN_BANDIT)
        writer.writerows(_open_bandit(number, row, numbers[row["item"]]) for number, row in enumerate(table))
    with (folder / "item_context.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(FEATURES)
        writer.writerows((number, number, item, "", "", "") for item, number in numbers.items())
    return {"folder": str(folder), "rows": len(table)}


def _open_bandit(number: int, row: dict[str, Any], item: int) -> tuple[Any, ...]:
    when = datetime.fromtimestamp(row["occurred_at"] / 1000, UTC).isoformat(sep=" ")
    clicked = int(row["clicks"] > 0)
    return number, when, item, row["position"] + 1, clicked, row["propensity"], row["segment"]


def _of_page(log: DecisionLog, page: str | None) -> list[View]:
    return [view for view in log.views if page in (None, view.layout.page)]
