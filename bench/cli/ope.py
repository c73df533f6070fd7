"""`reshelf bench ope`: whether the intervals of evaluations and experiments are right as often as they claim."""

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
@click.option(
    "--logs", type=AT_LEAST_ONE, default=1_000, show_default=True, help="How many logs, and experiments, are simulated."
)
@click.option(
    "--variants", type=click.IntRange(1, 256), default=16, show_default=True, help="How many slates a layout has."
)
@click.option(
    "--exploration-slates",
    type=click.IntRange(0, 128),
    default=0,
    show_default=True,
    help="How many uniform slates are added.",
)
@click.option("--views", type=AT_LEAST_ONE, default=12_000, show_default=True, help="How many page views each log has.")
@click.option(
    "--analyses", type=AT_LEAST_ONE, default=60, show_default=True, help="How often each experiment is analysed."
)
@click.option(
    "--watched",
    is_flag=True,
    help="Check instead how often the intervals of `reshelf evaluate --follow` leave the truth out at any look.",
)
@click.option(
    "--runs",
    type=AT_LEAST_ONE,
    default=1_000,
    show_default=True,
    help="With --watched: how many logs are simulated. Each takes about a third of a second.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the random numbers.")
@click.option(
    "--open-bandit",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the Open Bandit Dataset; each of its two policies is then evaluated from the log of the other.",
)
@click.pass_obj
def ope(
    front: Front,
    logs: int,
    variants: int,
    exploration_slates: int,
    views: int,
    analyses: int,
    watched: bool,
    runs: int,
    seed: int,
    open_bandit: Path | None,
) -> None:
    """Check how often 95 % intervals of evaluations and experiments are right, on simulated logs.

    For each log, policies are evaluated and compared with their true value: `coverage` is
    the share of intervals that hold it, and should be about 95 %.  `error` is the root mean
    square of estimates' errors, relative to the true value, and `bias` their mean.  `refused`
    is the share of evaluations that the log cannot support, and `width` compares intervals
    with those of a log that the policy served itself.  `cluster-corrected` is asked twice: with
    texts that tell half of the variance of how attractive items are, and with texts that
    tell nothing.  `false alarms` is the share of experiments without
    any effect in which at least one of the repeated analyses reports one; it should be at
    most 5 %.  It needs neither broker nor Redis.  A log takes about a second, so the
    default of 1,000 takes a quarter of an hour of one core.

    Example: reshelf bench ope --logs 20
    """
    if watched:
        _watch(front, runs, analyses, seed)
        return
    from bench.evaluation.coverage import coverage, false_alarms, summary
    from bench.evaluation.estimates import Plan
    from bench.evaluation.open_bandit import swapped

    both_ways = [_swapped(pair) for pair in swapped(open_bandit)] if open_bandit else []

    plan = Plan(variants=variants, exploration_slates=exploration_slates, views=views)
    with _progress("logs", logs) as advance:
        figures = summary(coverage(logs, seed, plan, advance))
    with _progress("experiments", logs) as advance:
        alarms = false_alarms(logs, analyses, seed, advance)
    content = {"machine": machine(), "logs": logs, "variants": variants, "exploration_slates": exploration_slates}
    content |= {**figures, "false_alarm_rate": max(alarms.values()), "false_alarms": alarms, "looks": analyses}
    content |= {"open_bandit": both_ways} if open_bandit else {}
    front.answer(content, _text(content))


def _watch(front: Front, runs: int, analyses: int, seed: int) -> None:
    from bench.evaluation.watched import summary, watched
    from bench.evaluation.watched_log import WatchedPlan

    plan = WatchedPlan().looked_at(analyses)
    with _progress("runs", runs) as advance:
        figures = summary(watched(runs, seed, plan, advance), runs)
    content = {"machine": machine(), "runs": runs, "looks": plan.looks, "views": plan.views, **figures}
    front.answer(content, _watched_text(content))


def _watched_text(content: dict[str, Any]) -> str:
    least = content["coverage"], content["single_look_coverage"]
    covered = " and ".join("-" if share is None else f"{share:.1%}" for share in least)
    return "\n".join(
        [
            f"some look of {content['looks']} left the truth out in {content['watched_false_rate']:.1%} of runs, of "
            f"intervals for a single look in {content['single_look_false_rate']:.1%}; at the end they held it "
            f"in {covered}",
            *(
                f"  {row['reward']} {row['estimator']} {row['figure']}: left out {row['watched_false_rate']:.1%}, for "
                f"a single look {row['single_look_false_rate']:.1%}, coverage {row['coverage']}, bounded "
                f"{row['bounded']:.1%}, width {row['width_to_single_look']}"
                for row in content["figures"]
            ),
        ]
    )


def _swapped(log: Swapped) -> dict[str, Any]:
    estimates = [
        {"estimator": estimate.estimator, "value": estimate.value, "low": estimate.low, "high": estimate.high}
        for estimate in log.estimates
    ]
    return {"logged": log.logged, "target": log.target, **log.own._asdict(), "estimates": estimates, "agree": log.agree}


def _text(content: dict[str, Any]) -> str:
    lines = [
        f"coverage of clicks {content['coverage_click']:.1%}, of revenue {content['coverage_revenue']:.1%}, "
        f"refused {content['refusal_rate']:.1%}, false alarms {content['false_alarm_rate']:.1%}",
        *(
            f"  {row['policy']} {row['exploration']} {row['reward']} {_estimator(row)}: coverage {row['coverage']}, "
            f"error {row['error']}, bias {row['bias']}, refused {row['refusal_rate']}, lacking {row['lacking']}, "
            f"width {row['width_to_on_policy']}"
            for row in content["targets"]
        ),
        *(
            f"  Open Bandit, {row['target']} from the log of {row['logged']}: {estimate['estimator']} "
            f"{estimate['value']:.2%} ({estimate['low']:.2%} to {estimate['high']:.2%}), "
            f"own click rate {row['value']:.2%}"
            for row in content.get("open_bandit", ())
            for estimate in row["estimates"]
        ),
    ]
    return "\n".join(lines)


def _estimator(row: dict[str, Any]) -> str:
    return f"{row['estimator']} (texts tell {row['texts']})" if row["texts"] else str(row["estimator"])


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
