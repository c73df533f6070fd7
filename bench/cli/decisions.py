"""`reshelf bench decisions`: how many clicks are lost while learning, compared with other libraries."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from reshelf.cli.front import AT_LEAST_ONE, Front
from streams.page_settings import LayoutSettings

if TYPE_CHECKING:
    from policy.simulation.shop import Shape

PEERS = {
    "most-popular": "",
    "epsilon-greedy": "",
    "mabwiser-ts": "mabwiser",
    "mabwiser-linucb": "mabwiser",
    "mabwiser-lints": "mabwiser",
    "pybandits-ts": "pybandits",
    "vw-cb-explore-adf": "vowpalwabbit",
    "vw-ccb-explore-adf": "vowpalwabbit",
}
"""Peer and the package that it needs."""


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
    "--visitors",
    type=click.Choice(["position", "cascade"]),
    default=("position", "cascade"),
    multiple=True,
    show_default=True,
    help="How visitors look and click: `position` as the model assumes, `cascade` otherwise.",
)
@click.option(
    "--peers",
    type=click.Choice([*PEERS, "all", "none"]),
    default=("all",),
    multiple=True,
    help="Which libraries are compared.",
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
    "--new",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Which share of the items is replaced each day.",
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
    "--bound", is_flag=True, help="Add a learner that has the true priors of the shops, which no other prior can beat."
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
@click.pass_obj
def decisions(
    front: Front,
    seeds: int,
    tuning_seeds: int,
    views: tuple[int, ...],
    visitors: tuple[str, ...],
    peers: tuple[str, ...],
    delay: int,
    exploration: float,
    new: float,
    text_share: float,
    unbounded: bool,
    segments: int,
    items: int,
    daily: int,
    bound: bool,
    renewals: bool,
    chain: bool,
    processes: int,
) -> None:
    """Compare how many clicks Reshelf and other libraries lose while they learn, in simulated shops.

    The figure is the regret: expected clicks that a learner loses against the best slates,
    after each number of page views.  Each library runs with the settings that did best on
    shops of their own.  A ratio below 1 means that Reshelf lost less.  No servers are
    needed; `make bench` installs the peers.  All of it takes hours of one core; fewer
    seeds, views or peers take less.  See docs/concepts/decisions.md.

    With --renewals the policy races against itself alone, in the first kind of visitors and until
    the largest number of page views: composed and shown always, or where it was worth it.
    With --chain nobody races: on ten pages per seed, of several kinds, the errors of two estimates are compared
    in half a minute.

    Example: reshelf bench decisions --seeds 2 --views 2000 --peers most-popular
    """
    from bench.decisions.report import Contest, Field
    from policy.simulation.learned import Setup
    from policy.simulation.shop import Shape
    from schemas.messages.pages import PolicyChoice

    shape = Shape(
        segments=segments, items=items, views_per_day=daily, new=new, text_share=text_share, bounded=not unbounded
    )
    if chain:
        _compare_estimates(front, seeds, processes)
        return
    if renewals:
        _compare_renewals(front, replace(shape, visitors=visitors[0]), exploration, max(views), seeds, processes)  # type: ignore[arg-type]
        return
    kinds = [replace(shape, visitors=kind) for kind in dict.fromkeys(visitors)]  # type: ignore[arg-type]
    contest = Contest(
        fields=[Field(shape, text) for shape in kinds for text in (True, False)],
        names=_chosen(peers),
        checkpoints=tuple(sorted(set(views))),
        seeds=seeds,
        tuning_seeds=tuning_seeds,
        processes=processes,
        delay=delay,
        bound=bound,
        setup=Setup(choice=PolicyChoice(exploration=exploration)),
        say=_say,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = contest.hold()
    front.answer(content, _text(content))


def _compare_renewals(front: Front, shape: Shape, exploration: float, views: int, seeds: int, processes: int) -> None:
    from bench.decisions.renewals import compare, text_of
    from policy.simulation.learned import Setup
    from schemas.messages.pages import PolicyChoice

    setup = Setup(choice=PolicyChoice(exploration=exploration))
    rows = compare(shape, setup, views, seeds, processes, _say)
    front.answer({"page_views": views, "seeds": seeds, "renewals": rows}, text_of(rows))


def _compare_estimates(front: Front, seeds: int, processes: int) -> None:
    from bench.decisions.chain import compare, text_of

    content = compare(10 * seeds, processes, _say)
    front.answer(content, text_of(content))


def _chosen(peers: tuple[str, ...]) -> list[str]:
    if "none" in peers:
        return []
    names = [name for name in PEERS if name in peers or "all" in peers]
    missing = sorted({PEERS[name] for name in names if PEERS[name] and not importlib.util.find_spec(PEERS[name])})
    if missing:
        raise click.UsageError(
            f"--peers: {', '.join(missing)} is not installed. `make bench` installs what the peers need; "
            "`--peers most-popular --peers epsilon-greedy` needs nothing."
        )
    return names


def _say(what: str, done: int, total: int) -> None:
    if click.get_text_stream("stderr").isatty():
        click.echo(f"\r{what}: {done} of {total}", err=True, nl=done == total)


def _text(content: dict[str, Any]) -> str:
    lines = []
    for name, by_views in content["regret"].items():
        for views, rows in by_views.items():
            lines.append(f"{name}, {int(views):,} page views")
            for learner, row in sorted(rows.items(), key=lambda pair: pair[1]["mean"]):
                reach = f" ({row['low']:,.0f} to {row['high']:,.0f})" if "low" in row else f" ({row['seeds']} seeds)"
                lines.append(f"  {learner:<34}{row['mean']:>10,.0f} clicks lost{reach}")
            for key, word in (
                ("ratio_to_best_peer", "to the best peer"),
                ("ratio_of_bound", "of the informed to the best peer"),
                ("ratio_of_delayed", "of delayed updates"),
            ):
                ratio = content[key].get(name, {}).get(views)
                if ratio:
                    lines.append(f"  ratio {word}: {ratio['mean']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})")
            share = content["coverage"][name][views]
            lines.append(f"  95 % intervals hold the truth in {share['mean']:.1%}")
            changes = content["flicker"][name][views].items()
            shares = [f"{kind.replace('_', ' ')} {estimate['mean']:.1%}" for kind, estimate in changes if estimate]
            lines.append(f"  slots that change per refresh: {', '.join(shares)}")
            lines.append(
                f"  {content['first_day_regret'][name][views]['mean']:,.1f} clicks lost by items in their first day"
            )
    for key, since in (("first_day_regret_ratio", ""), ("first_day_regret_ratio_since", " since the number before")):
        for visitors, by_views in content[key].items():
            for views, ratio in by_views.items():
                lines.append(
                    f"{visitors}, {int(views):,} page views{since}: items in their first day lose {ratio['mean']:.2f} "
                    f"times as much with embeddings as without ({ratio['low']:.2f} to {ratio['high']:.2f})"
                )
    return "\n".join(lines)
