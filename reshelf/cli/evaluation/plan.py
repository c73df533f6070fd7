"""`reshelf experiment plan`: how long an experiment takes, and which share of visitors to hold out for it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from reshelf.cli.front import LEVEL_OPTION, Front
from reshelf.numbers import figures, number, share
from reshelf.terminal.prose import tell
from schemas.errors import ReshelfError

if TYPE_CHECKING:
    from policy.experiments.planning import Pace
    from reshelf.inspect.experiment import Counted

GOALS = ("clicks", "orders", "revenue")
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""The shares of the holdout that are compared, beside the page's own and the one that is recommended."""
LONGEST_DAYS = 3_650.0


class Effect(click.ParamType):
    """A relative effect: 2%, or 0.02."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As a fraction."""
        text = str(value).strip()
        try:
            effect = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
        except ValueError:
            effect = math.nan
        if not 0.0001 <= effect <= 10.0:
            self.fail(f"expected a gain from 0.01% to 1000%, like 2% or 0.02, got {text!r}", param, ctx)
        return effect


@click.command()
@click.argument("page")
@click.option("--detect", type=Effect(), required=True, help="The gain that is to be found, like 2%.")
@click.option("--goal", type=click.Choice(GOALS), default="clicks", show_default=True, help="The gain of what.")
@click.option(
    "--holdout",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    help="The share of the holdout to plan with.  [default: several are compared]",
)
@click.option(
    "--days",
    type=click.FloatRange(1.0, LONGEST_DAYS),
    default=28.0,
    show_default=True,
    help="How many days the recommended holdout may take.",
)
@LEVEL_OPTION
@click.pass_obj
def plan(front: Front, page: str, detect: float, goal: str, holdout: float | None, days: float, level: float) -> None:
    """Plan the experiment of PAGE: how many days it takes to find a gain, and with which holdout.

    Goes by the page views and outcomes of the page's own whole time buckets, and by how much its visitors
    differ. The days are those until the interval of `reshelf experiment status`, which may be looked at all
    the time, excludes 0 in 80 % of all cases. The share that is recommended is the smallest that takes
    no more than --days.

    Example: reshelf experiment plan home --detect 2%
    """
    from reshelf.inspect.experiment import counted

    front.require_state()
    counts = asyncio.run(counted(front.settings, page, goal))
    own = _pace(counts, page, goal)
    content = _content(counts, own, detect, holdout, days, level)
    content = {"page": page, "goal": goal, "detect": detect, "level": level, **content}
    if front.json:
        front.answer(content, "")
    else:
        _show(content)


def _pace(counts: Counted, page: str, goal: str) -> Pace:
    """What comes in a day, with the variance that the pre-period leaves; raises ReshelfError where too little came."""
    from policy.confidence_sequence import FEWEST, FEWEST_BINS
    from policy.experiments.planning import pace
    from policy.experiments.sequence import METRICS

    own = pace(counts.sides, METRICS[goal], counts.days) if counts.days else None
    if own is None:
        what = "clicks" if goal == "clicks" else "orders"
        counted = sum(int(side[:, METRICS[what]].sum()) for side in counts.sides)
        bucket = counts.settings.fold.bucket_ms / 3_600_000
        raise ReshelfError(
            f"page {page!r} has too little to plan by: {number(counted)} {what} in {figures(counts.days)} days of "
            f"whole time buckets (of {figures(bucket)} hours each; the first and the last do not count). At least "
            f"{FEWEST} are needed, of visitors in {FEWEST_BINS} bins. Wait until that many came"
            + (", or plan for --goal clicks." if goal != "clicks" else ".")
        )
    return own._replace(variance=own.variance * (1.0 - counts.reduced))


def _content(
    counts: Counted, own: Pace, detect: float, holdout: float | None, days: float, level: float
) -> dict[str, Any]:
    from policy.experiments.planning import POWER, needed, share_within

    def plans(shares: Iterable[float]) -> list[dict[str, Any]]:
        return [
            {"holdout_share": share, **needed(own, share, detect, level)._asdict()} for share in sorted(set(shares))
        ]

    current = counts.settings.layouts.holdout_share
    share = share_within(own, days, detect, level) if holdout is None else holdout
    compared = {*SHARES, current} if holdout is None else set()
    return {
        "power": POWER,
        "counted_days": counts.days,
        "pace": own._asdict(),
        "variance_reduced": counts.reduced,
        "holdout_share": current,
        "within_days": days if holdout is None else None,
        "recommended": plans([share])[0] if share is not None and holdout is None else None,
        "plans": plans({*compared, *([] if share is None else [share])} - {0.0, 1.0}),
    }


def _show(content: dict[str, Any]) -> None:
    from reshelf.terminal.tables import show, table

    own, goal = content["pace"], content["goal"]
    outcomes = "orders" if goal == "revenue" else goal
    tell(
        f"{content['page']}: {number(own['views'])} page views and {number(own['outcomes'], 1)} {outcomes} a day, "
        f"in {figures(content['counted_days'])} days of whole time buckets"
    )
    rows = [
        (f"{share(row['holdout_share'])}{_mark(row, content)}", _days(row["half"]), _days(row["days"]))
        for row in content["plans"]
    ]
    show(table(("holdout", "days in half of all cases", f"days in {share(content['power'], 0)}"), rows))
    if content["within_days"] is not None:
        tell(_advice(content))


def _mark(row: dict[str, float], content: dict[str, Any]) -> str:
    return " (now)" if row["holdout_share"] == content["holdout_share"] else ""


def _days(days: float) -> str:
    return number(math.ceil(days)) if days <= LONGEST_DAYS else "more than ten years"


def _advice(content: dict[str, Any]) -> str:
    gain, within = (
        f"a gain of {figures(100.0 * content['detect'])}% of {content['goal']}",
        f"{figures(content['within_days'])} days",
    )
    best = content["recommended"]
    if best is None:
        return (
            f"No holdout is enough to find {gain} within {within}. Look for a larger gain with --detect, or give the "
            "experiment longer with --days."
        )
    return (
        f"To find {gain} within {within}, set layouts.holdout_share = {number(best['holdout_share'], 2)}, and "
        "experiment.since_ms to the time from which it holds."
    )
