"""`reshelf bench decisions`: how many clicks are lost while learning, compared with other libraries."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from bench.decisions.participants import PEERS, is_installed, participants
from bench.options import taste_options
from bench.progress import say
from reshelf.cli.front import AT_LEAST_ONE, Front
from streams.page_settings import LayoutSettings

if TYPE_CHECKING:
    from bench.decisions.report import Contest
    from policy.simulation.learned import Setup
    from policy.simulation.shop import Shape

SHOPS = ("ours", "wide", "flat", "cascade", "dbn", "grid", "null", "misleading", "churn")
USUAL = ("ours", "cascade")
PAGE = "page"
"""Pages of shelves, in which other learners take part."""
TASTES = "tastes"
"""Pages whose visitors come again and have tastes, with learned segments and without."""
PICTURES = "pictures"
"""Goods that are told apart by their pictures."""
ALONE = (PAGE, PICTURES, TASTES)
"""Whose learners and figures are others than those of shops."""


@click.command()
@click.option(
    "--seeds", type=click.IntRange(min=2), default=10, show_default=True, help="How many shops are simulated."
)
@click.option(
    "--tuning-seeds", type=AT_LEAST_ONE, default=2, show_default=True, help="How many shops peers are tuned on."
)
@click.option(
    "--views",
    type=AT_LEAST_ONE,
    default=(30_000, 300_000),
    multiple=True,
    show_default=True,
    help="After how many page views regret is reported.",
)
@click.option(
    "--shop",
    "shops",
    type=click.Choice([*SHOPS, "all", *ALONE]),
    default=USUAL,
    multiple=True,
    show_default=True,
    help="In which kinds of shops: in `ours` visitors look and click as the model assumes, in `cascade` otherwise. "
    "`page` is a page of shelves, `pictures` has goods that pictures tell apart, `tastes` visitors with tastes; each "
    "of them stands alone.",
)
@taste_options
@click.option(
    "--peers",
    type=click.Choice([*PEERS, "all", "none"]),
    default=("all",),
    multiple=True,
    help="Which libraries are compared.",
)
@click.option(
    "--limit-s",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    help="After how many seconds of processor time a peer's race is ended, and reported as stopped; 0 sets no limit.",
)
@click.option(
    "--delay",
    type=click.IntRange(min=0),
    default=1_000,
    show_default=True,
    help="After how many page views a delayed learner gets feedback; 0 leaves it out.",
)
@click.option(
    "--exploration",
    type=click.FloatRange(0, 10),
    default=LayoutSettings().exploration,
    show_default=True,
    help="How much the policy explores, as in the settings of layouts.",
)
@click.option(
    "--drift",
    type=click.FloatRange(0, 1),
    default=LayoutSettings().drift,
    show_default=True,
    help="By how much click rates may change in a day, as in the settings of layouts.",
)
@click.option(
    "--new",
    type=click.FloatRange(0, 1),
    help="Which share of the items is replaced each day.  [default: as the shop has it]",
)
@click.option(
    "--text-share",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Which share of what makes items attractive can be predicted from their texts.",
)
@click.option("--unbounded", is_flag=True, help="Do not limit attractiveness to 0.5 to 5 %.")
@click.option("--segments", type=AT_LEAST_ONE, default=20, show_default=True, help="How many segments a shop has.")
@click.option(
    "--items", type=click.IntRange(min=10), default=200, show_default=True, help="How many items a shop has at a time."
)
@click.option("--daily", type=AT_LEAST_ONE, default=30_000, show_default=True, help="How many page views a day has.")
@click.option(
    "--bound",
    is_flag=True,
    help="Add a learner that has the true priors of the shops, which no other prior can beat; or one that "
    "is told the tastes of --shop tastes.",
)
@click.option(
    "--renewals",
    is_flag=True,
    help="Compare instead how often layouts are composed and shown: layouts.growth_share and layouts.change_threshold.",
)
@click.option(
    "--chain",
    is_flag=True,
    help="Compare instead how exactly orders per click are known: from carts and orders, or from orders alone.",
)
@click.option(
    "--processes", type=AT_LEAST_ONE, default=1, show_default=True, help="How many simulations run at the same time."
)
@click.option(
    "--races",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder of finished races, from where the same command goes on after it was ended. Not for pages, pictures.",
)
@click.pass_obj
def decisions(
    front: Front,
    seeds: int,
    tuning_seeds: int,
    views: tuple[int, ...],
    shops: tuple[str, ...],
    visitors: int,
    elsewhere: int | None,
    worlds: tuple[str, ...],
    peers: tuple[str, ...],
    limit_s: float,
    delay: int,
    exploration: float,
    drift: float,
    new: float | None,
    text_share: float,
    unbounded: bool,
    segments: int,
    items: int,
    daily: int,
    bound: bool,
    renewals: bool,
    chain: bool,
    processes: int,
    folder: Path | None,
) -> None:
    """Compare how many clicks Reshelf and other libraries lose while they learn, in simulated shops.

    The figure is the regret: expected clicks that a learner loses against the best slates,
    after each number of page views.  Each library runs with the settings that did best on
    shops of their own.  A ratio below 1 means that Reshelf lost less.  No servers are
    needed; `make bench` installs the peers.  All of it takes hours of one core; fewer
    shops, seeds, views or peers take less, and with --races it may be ended and goes on
    when it is called again.  See docs/concepts/decisions.md.

    With --renewals the policy races against itself alone, in the first kind of shop and until
    the largest number of page views: composed and shown always, or where it was worth it.
    With --chain nobody races: on ten pages per seed, of several kinds, the errors of two estimates are compared
    in half a minute.
    With --shop page, shelves are arranged in rows, on pages of several kinds: by the policy, in the declared order, and
    by click rates of shelves in each row, and by Vowpal Wabbit where it is among --peers; beside these only --seeds,
    --views and --processes matter then.
    With --shop tastes the policy races with learned segments against itself with one segment for all, in worlds
    where tastes are strong, weak, continuous or none, and others where strong ones meet drift, new items, shared
    devices or robots.
    With --shop pictures the policy races against itself, without pictures or texts and with each, and beside two
    bounds; the shop's size is its own (6,000 page views and 20 new items a day), so that only --views, --seeds,
    --processes, --exploration and --drift matter.

    Example: reshelf bench decisions --seeds 2 --views 2000 --peers most-popular
    """
    from bench.decisions import chain as estimates
    from bench.decisions import tastes
    from bench.decisions.figures import Field
    from bench.decisions.report import Contest
    from policy.simulation.learned import Setup
    from schemas.messages.pages import PolicyChoice

    if not chain and len(shops) > 1 and (alone := next((name for name in ALONE if name in shops), "")):
        raise click.UsageError(f"--shop {alone} stands alone: its learners and figures are others.")
    checkpoints, setup = sorted(set(views)), Setup(choice=PolicyChoice(exploration=exploration), drift=drift)
    sizes = {"segments": segments, "items": items, "views_per_day": daily, "text_share": text_share}
    if chain:
        _answer(front, estimates, 10 * seeds, processes, say)
    elif PICTURES in shops:
        _compare_pictures(front, checkpoints, seeds, processes, setup)
    elif PAGE in shops:
        _compare_pages(front, checkpoints, seeds, processes, peers)
    elif TASTES in shops:
        about = setup, visitors, elsewhere, worlds, folder, bound
        _answer(front, tastes, checkpoints, seeds, processes, *about, say)
    elif renewals:
        shapes = _shapes(shops, new, unbounded, sizes)
        _compare_renewals(front, next(iter(shapes.values())), setup, max(views), seeds, processes)
    else:
        shapes = _shapes(shops, new, unbounded, sizes)
        contest = Contest(
            fields=[Field(name, shape, text) for name, shape in shapes.items() for text in (True, False)],
            names=participants(peers),
            checkpoints=tuple(checkpoints),
            seeds=seeds,
            tuning_seeds=tuning_seeds,
            processes=processes,
            delay=delay,
            limit_s=limit_s,
            bound=bound,
            setup=setup,
            folder=folder,
            say=say,
        )
        _hold(front, contest)


def _hold(front: Front, contest: Contest) -> None:
    from bench.decisions.tables import text_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = contest.hold()
    front.answer(content, text_of(content))


def _shapes(names: tuple[str, ...], new: float | None, unbounded: bool, sizes: Mapping[str, float]) -> dict[str, Shape]:
    """The shops that were chosen, in the order of all or as they were named, with what was set for all of them."""
    from policy.simulation.shops import SHOPS as DECLARED

    changes = dict(sizes) | ({} if new is None else {"new": new}) | ({"bounded": False} if unbounded else {})
    chosen = SHOPS if "all" in names else tuple(dict.fromkeys(names))
    return {name: replace(DECLARED[name], **changes) for name in chosen}  # type: ignore[arg-type]


def _compare_pictures(front: Front, views: list[int], seeds: int, processes: int, setup: Setup) -> None:
    if missing := [name for name in ("torch", "transformers") if not importlib.util.find_spec(name)]:
        raise click.UsageError(f"{missing[0]} is not installed. `make bench` installs what this needs.")
    from bench.decisions import pictured

    _answer(front, pictured, views, seeds, processes, setup, say)


def _answer(front: Front, measurement: ModuleType, *arguments: object) -> None:
    content = measurement.compare(*arguments)
    front.answer(content, measurement.text_of(content))


def _compare_renewals(front: Front, shape: Shape, setup: Setup, views: int, seeds: int, processes: int) -> None:
    from bench.decisions.renewals import compare, text_of

    rows = compare(shape, setup, views, seeds, processes, say)
    front.answer({"page_views": views, "seeds": seeds, "renewals": rows}, text_of(rows))


def _compare_pages(front: Front, views: list[int], seeds: int, processes: int, peers: tuple[str, ...]) -> None:
    from bench.decisions import pages
    from bench.decisions.pages import VOWPAL
    from policy.simulation.pages.world import PAGES

    chosen = participants((VOWPAL,)) if VOWPAL in peers or ("all" in peers and is_installed(VOWPAL)) else []
    if "all" in peers and not chosen:
        click.echo(
            f"{VOWPAL} does not take part: {PEERS[VOWPAL]} is not installed (`make bench` installs it)", err=True
        )
    _answer(front, pages, views, seeds, processes, say, tuple(PAGES), chosen)
