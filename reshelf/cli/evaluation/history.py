"""`reshelf experiment history`: an uplift over time, with the changes of the page's rules beside it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import click

from reshelf.cli.front import AT_LEAST_ONE, LEVEL_OPTION, Front
from reshelf.numbers import UNKNOWN, gain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from reshelf.inspect.experiment import Point
    from schemas.messages.pages import PageRules

SHOWN = 24


@click.command()
@click.argument("page")
@click.option(
    "--outcome",
    type=click.Choice(["clicks", "orders", "revenue"]),
    default="clicks",
    show_default=True,
    help="The outcome whose uplift is shown.",
)
@click.option("--last", type=AT_LEAST_ONE, default=SHOWN, show_default=True, help="How many time buckets are shown.")
@LEVEL_OPTION
@click.pass_obj
def history(front: Front, page: str, outcome: str, last: int, level: float) -> None:
    """Show how the uplift on PAGE stood at the end of each time bucket, and when its rules were changed.

    The intervals are valid at any time. Versions of rules are told as far as they are kept.

    Example: reshelf experiment history home --outcome orders
    """
    from reshelf.inspect.experiment import page_over_time, with_rules
    from reshelf.rules.topic import history as versions_of
    from reshelf.terminal.prose import tell
    from reshelf.terminal.tables import show

    front.require_state()
    points = asyncio.run(page_over_time(front.settings, page, level)).get(outcome, [])
    marked = list(with_rules(points, versions_of(front.settings.kafka, page)))
    if front.json:
        front.answer({"page": page, "outcome": outcome, "level": level, "points": [_row(*each) for each in marked]}, "")
        return
    show(axis(marked[-last:], front.settings.shop.zone))
    if (left := len(marked) - last) > 0:
        tell(f"and {left} earlier time buckets: --last {len(marked)} shows them")


def axis(marked: Sequence[tuple[Point, list[PageRules]]], zone: tzinfo) -> Any:
    """A line for each time bucket, with marks where rules were published in it."""
    from reshelf.rules.calendar import moment
    from reshelf.terminal.tables import table

    rows = []
    for point, versions in marked:
        low, high, counted = point.uplift.low, point.uplift.high, math.isfinite(point.uplift.high)
        bounds = (gain(low), gain(high)) if counted else (UNKNOWN, UNKNOWN)
        marks = "; ".join(f"version {rules.version}: {rules.reason or rules.author}" for rules in versions)
        sign = "◆" if marks else "│"
        rows.append((moment(point.until, zone), gain(point.uplift.uplift), *bounds, sign, marks))
    return table(("until", "uplift", "from", "to", "", "rules published"), rows, spare=1)


def _row(point: Point, versions: list[PageRules]) -> dict[str, Any]:
    bounded = math.isfinite(point.uplift.high)
    return {
        "until": point.until,
        "uplift": point.uplift.uplift if math.isfinite(point.uplift.uplift) else None,
        "low": point.uplift.low if bounded else None,
        "high": point.uplift.high if bounded else None,
        "rules": [{"version": rules.version, "at": rules.published_at, "reason": rules.reason} for rules in versions],
    }
