"""`reshelf tune`: which settings of the policy lose the fewest clicks in simulated shops."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from reshelf.cli.front import AT_LEAST_ONE, Front
from reshelf.terminal.progress import progress
from reshelf.terminal.prose import tell

if TYPE_CHECKING:
    from rich.table import Table

    from reshelf.evaluation.tuning import Plan

SHARE = click.FloatRange(0, 1)


@click.command()
@click.option(
    "--try",
    "space",
    multiple=True,
    required=True,
    metavar="NAME=VALUES",
    help="Values to try for a setting: NAME=1,2,3, or NAME=LOW..HIGH together with --samples.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=0),
    default=0,
    help="How many combinations to draw at random; 0: try all combinations.",
)
@click.option("--views", type=AT_LEAST_ONE, default=30_000, show_default=True, help="How many page views a race lasts.")
@click.option(
    "--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="How many shops each is raced in."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of the first shop.")
@click.option(
    "--delay",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="After how many further page views counts reach the policy.",
)
@click.option(
    "--segments", type=AT_LEAST_ONE, default=20, show_default=True, help="How many segments of visitors there are."
)
@click.option(
    "--items", type=click.IntRange(min=2), default=200, show_default=True, help="How many candidates the page has."
)
@click.option("--slots", type=AT_LEAST_ONE, default=8, show_default=True, help="How many slots the page has.")
@click.option(
    "--views-per-day", type=AT_LEAST_ONE, default=30_000, show_default=True, help="How many page views make a day."
)
@click.option(
    "--new", type=SHARE, default=0.05, show_default=True, help="The share of items that is replaced each day."
)
@click.option(
    "--drift",
    type=SHARE,
    default=0.02,
    show_default=True,
    help="The share of what is an item's own that is drawn anew each day.",
)
@click.option(
    "--visitors",
    type=click.Choice(["position", "cascade"]),
    default="position",
    show_default=True,
    help="How visitors look and click: position is what the policy's model assumes, cascade is not.",
)
@click.option(
    "--embeddings/--no-embeddings", "text", default=True, show_default=True, help="Whether items have text vectors."
)
@click.option("--processes", type=AT_LEAST_ONE, help="How many races run at the same time.  [default: one per core]")
@click.pass_obj
def tune(front: Front, /, space: tuple[str, ...], samples: int, processes: int | None, seed: int, **plan: Any) -> None:
    """Race settings of the policy in simulated shops, and rank them by the clicks they lose.

    NAME is one of layouts.exploration, layouts.click_rate, layouts.strength,
    layouts.half_life_ms, layouts.drift, and of a page's policy: policy.name, policy.variants,
    policy.exploration, policy.epsilon, policy.exploration_slates.

    Names that are left out keep the values of the settings, which are raced, too.  No
    servers are needed; a race of 30,000 page views takes about ten seconds of a core.
    See docs/operating/tuning.md.

    Example: reshelf tune --try layouts.exploration=0.25,0.5,1 --segments 4
    """
    from reshelf.evaluation.records.store import record
    from reshelf.evaluation.tuning import declared, trials
    from reshelf.evaluation.tuning import tune as raced
    from reshelf.settings import load_settings

    if plan["items"] <= plan["slots"]:
        raise click.UsageError(f"--items: expected more than the {plan['slots']} slots, got {plan['items']}")
    settings = load_settings(front.file).settings
    tried = trials(declared(space), samples, seed)
    began = time.monotonic()
    with progress(front.json) as begin:
        content = raced(_plan(plan, seed, processes or len(os.sched_getaffinity(0))), front.file, tried, begin)
    parameters = {"try": list(space), "samples": samples, "first_seed": seed, **plan}
    record("tune", settings, parameters, {"simulated": content["shop"]}, content, time.monotonic() - began)
    if front.json:
        front.answer(content, "")
        return
    from reshelf.terminal.tables import show

    show(_table(content))
    if again := content["best_again"]:
        tell(f"The first again, in other shops: {_reach(again['ratio_to_current'], '.3f')} times as much as now.")


def _plan(options: dict[str, Any], seed: int, processes: int) -> Plan:
    from policy.simulation.shop import Shape
    from reshelf.evaluation.tuning import Plan

    own = ("views", "seeds", "delay", "text")
    shape = Shape(**{name: value for name, value in options.items() if name not in own})
    return Plan(shape, first_seed=seed, processes=processes, **{name: options[name] for name in own})


def _table(content: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table("", "clicks lost", "of what is lost now", "settings", box=None)
    for rank, row in enumerate(content["ranking"], 1):
        settings = ", ".join(f"{name}={value}" for name, value in row["settings"].items()) or "as they are now"
        table.add_row(str(rank), _reach(row["regret"], ",.0f"), _reach(row["ratio_to_current"], ".3f"), settings)
    return table


def _reach(bounds: dict[str, float] | None, form: str) -> str:
    if bounds is None:
        return "-"
    return f"{bounds['mean']:{form}} ({bounds['low']:{form}} to {bounds['high']:{form}})"
