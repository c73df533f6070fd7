"""`reshelf evaluate`: what another policy would have earned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reshelf.commands import Front
from schemas.errors import BadSettings

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@click.option(
    "--policy",
    required=True,
    help="served, holdout or shadow, whose slates the history holds; or thompson, greedy, ... composed again.",
)
@click.option("--exploration", type=click.FloatRange(0.0, 10.0), help="Instead of that in the page's rules.")
@click.option("--page", help="One page alone.")
@click.option("--level", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, help="Of the intervals.")
@click.pass_obj
def evaluate(front: Front, policy: str, exploration: float | None, page: str | None, level: float) -> None:
    """Estimate what a policy would have earned per page view, without serving it.

    Joins the events with the layouts that they came from, and compares what these
    showed with what the policy would have shown.  A policy that the history does not
    hold is composed again for each layout, from the counts of that time and with
    the settings of --settings.  An estimator is refused where the log lacks more than
    1 % of what the policy would show.  docs/evaluation.md says which to trust when.
    """
    from reshelf.decisions.evaluate import POLICIES, Evaluator, Question

    if policy not in POLICIES:
        raise BadSettings(f"--policy: expected one of {', '.join(POLICIES)}, got {policy!r}.")
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no log. Use the settings of a running one.")
    answer = Evaluator(front.settings).answer(Question(policy, exploration, page, level))
    if front.json:
        front.answer(answer, "")
        return
    for name, told in answer["pages"].items():
        click.echo(f"{name}: {told['views']:,} page views of {told['layouts']:,} layouts, policy {policy}")
        _show(_table(told))
    for reason, count in answer["left_out"].items():
        click.echo(f"left out: {count:,} × {reason}")


def _table(told: dict[str, Any]) -> RenderableType:
    from rich.table import Table

    table = Table("per page view", "value", "from", "to", "effective views", "lacking", box=None)
    for reward, sides in told["served"].items():
        for side, found in sides.items():
            table.add_row(f"{reward} {side}", *_bounds(found))
        for found in told["estimates"][reward]:
            values = ("refused", "", "") if found["refused"] else _bounds(found)
            lacking = f"{found['lacking']:.1%}" + (" extrapolated" if found["extrapolated"] else "")
            table.add_row(f"  {found['estimator']}", *values, f"{found['effective_size']:,.0f}", lacking)
    return table


def _bounds(found: dict[str, float | None]) -> tuple[str, ...]:
    return tuple("-" if (value := found[name]) is None else f"{value:.4g}" for name in ("value", "low", "high"))


def _show(what: RenderableType) -> None:
    from rich.console import Console

    Console(highlight=False).print(what)
