"""`reshelf bench ope`: whether the intervals of evaluation and experiments keep their word."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.options import machine
from reshelf.cli.front import AT_LEAST_ONE, Front

if TYPE_CHECKING:
    from bench.evaluation.open_bandit import Swapped


@click.command()
@click.option("--logs", type=AT_LEAST_ONE, default=1_000, show_default=True, help="Simulated logs, and experiments.")
@click.option("--variants", type=click.IntRange(1, 256), default=16, show_default=True, help="Slates of a layout.")
@click.option(
    "--exploration-slates", type=click.IntRange(0, 128), default=0, show_default=True, help="Uniform ones beside them."
)
@click.option("--views", type=AT_LEAST_ONE, default=12_000, show_default=True, help="Page views of each log.")
@click.option("--looks", type=AT_LEAST_ONE, default=60, show_default=True, help="Looks at each experiment.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--open-bandit",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the Open Bandit Dataset: value each of its policies from the log of the other, too.",
)
@click.pass_obj
def ope(
    front: Front,
    logs: int,
    variants: int,
    exploration_slates: int,
    views: int,
    looks: int,
    seed: int,
    open_bandit: Path | None,
) -> None:
    """Coverage of 95 % intervals over simulated logs of our layouts, and false alarms of who always looks.

    Needs neither broker nor Redis.  The targets are near the policy that is served,
    but for the last.  Widths are beside those of a log that the target served itself.

    Example: reshelf bench ope --logs 20
    """
    from bench.evaluation.coverage import coverage, false_alarms, summary
    from bench.evaluation.estimates import Plan
    from bench.evaluation.open_bandit import swapped

    both_ways = [_swapped(one) for one in swapped(open_bandit)] if open_bandit else []

    plan = Plan(variants=variants, exploration_slates=exploration_slates, views=views)
    with _progress("logs", logs) as advance:
        told = summary(coverage(logs, seed, plan, advance))
    with _progress("experiments", logs) as advance:
        alarms = false_alarms(logs, looks, seed, advance)
    content = {"machine": machine(), "logs": logs, "variants": variants, "exploration_slates": exploration_slates}
    content |= {**told, "false_alarm_rate": max(alarms.values()), "false_alarms": alarms, "looks": looks}
    content |= {"open_bandit": both_ways} if open_bandit else {}
    front.answer(content, _text(content))


def _swapped(one: Swapped) -> dict[str, Any]:
    estimates = [
        {"estimator": found.estimator, "value": found.value, "low": found.low, "high": found.high}
        for found in one.estimates
    ]
    return {"logged": one.logged, "target": one.target, **one.own._asdict(), "estimates": estimates, "agree": one.agree}


def _text(content: dict[str, Any]) -> str:
    lines = [
        f"coverage of clicks {content['coverage_click']:.1%}, of revenue {content['coverage_revenue']:.1%}, "
        f"refused {content['refusal_rate']:.1%}, false alarms {content['false_alarm_rate']:.1%}",
        *(
            f"  {one['policy']} {one['exploration']} {one['reward']} {one['estimator']}: coverage {one['coverage']}, "
            f"refused {one['refusal_rate']}, lacking {one['lacking']}, width {one['width_to_on_policy']}"
            for one in content["targets"]
        ),
        *(
            f"  Open Bandit, {one['target']} from the log of {one['logged']}: {found['estimator']} "
            f"{found['value']:.2%} ({found['low']:.2%} to {found['high']:.2%}), own click rate {one['value']:.2%}"
            for one in content.get("open_bandit", ())
            for found in one["estimates"]
        ),
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A function to call for each one done; on a terminal it moves a bar."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
