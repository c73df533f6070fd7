"""What is told of each part: the same keys for all, and a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.shop.child import Part

KEYS = (
    "ready_s",
    "rss_mb",
    "events_per_s",
    "lag",
    "layouts_per_s",
    "click_to_layout_ms",
    "redis_mb",
    "quota_letters",
)
_WIDTH = 16


def blank(part: str) -> dict[str, Any]:
    """A part of which nothing is known yet: what it does not have stays null."""
    return {"part": part, **dict.fromkeys(KEYS), "ended": ""}


def memory(part: Part, rest_mb: float | None) -> dict[str, Any]:
    """MiB at rest and at most, and why the part ended where it did."""
    rest = None if rest_mb is None else round(rest_mb)
    return {"rss_mb": {"rest": rest, "peak": round(part.peak_mb)}, "ended": part.ended()}


def table(content: Mapping[str, Any]) -> str:
    """All parts for people: a row for each figure."""
    parts: Sequence[Mapping[str, Any]] = content["parts"]
    state = content["state"]
    head = (
        f"{state['keys']:,} keys over {state['days']} of {state['days_wanted']} days: {state['tables']:,} tables, "
        f"{state['written_mb']:,} MiB in {state['seconds']} s (all days: about {state['needs_mb']:,} MiB)"
    )
    names = list(dict.fromkeys(name for part in parts for name in part if name not in ("part", "ended")))
    rows = [["", *(str(part["part"]) for part in parts)]]
    for name in names:
        values = [part.get(name) for part in parts]
        if all(isinstance(value, Mapping) or value is None for value in values) and any(values):
            inner = dict.fromkeys(key for value in values if value for key in value if key != "stages_p50")
            rows += [[f"{name} {key}", *(_text((value or {}).get(key)) for value in values)] for key in inner]
        else:
            rows.append([name, *(_text(value) for value in values)])
    first = max(len(row[0]) for row in rows)
    lines = ["  ".join([row[0].ljust(first), *(value.rjust(_WIDTH) for value in row[1:])]).rstrip() for row in rows]
    ends = [f"{part['part']} ended: {part['ended']}" for part in parts if part["ended"]]
    return "\n".join([head, *lines, *ends])


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
