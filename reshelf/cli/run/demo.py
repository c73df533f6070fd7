"""`reshelf demo`: a shop whose pages re-arrange themselves while you watch."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings

if TYPE_CHECKING:
    from reshelf.demo.run import Options


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="How long to run, in seconds.  [default: until stopped]")
@click.option(
    "--rate",
    type=click.FloatRange(1, 50_000),
    default=1_500.0,
    show_default=True,
    help="How many page views the visitors make in a second.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="The number that the shop is made from; another one makes another shop.",
)
@click.option("--null", is_flag=True, help="Make all items equally good, so that no layout can be better than another.")
@click.option(
    "--segments",
    type=click.Choice(["own", "learned"]),
    default="own",
    show_default=True,
    help="Whether the web tier knows the segments of its visitors, or Reshelf learns them from what visitors look at.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="The port of the console; 0: any free port.  [default: 8765, or any where that one is in use]",
)
@click.option(
    "--web/--no-web", default=True, help="Whether the console is served, on the loopback interface.  [default: web]"
)
@click.option(
    "--embedded/--no-embedded",
    default=True,
    help="Whether a broker and Redis are started for the demonstration. Else those of the settings are used, "
    "with topics and a state of its own that are deleted at the end.  [default: embedded]",
)
@click.option(
    "--traffic-only",
    is_flag=True,
    help="Start no workers and no console: publish catalog and visitors to the topics of the settings, and the pages "
    "that are not declared there yet; pages that are declared stay as they are.",
)
@click.option(
    "--encoder/--no-encoder",
    default=None,
    help="Whether item texts are encoded, so that new items start where similar ones stand.  "
    "[default: where the extra encoders is installed]",
)
@click.pass_obj
def demo(
    front: Front,
    seconds: float | None,
    rate: float,
    seed: int,
    null: bool,
    segments: str,
    port: int | None,
    web: bool,
    embedded: bool,
    traffic_only: bool,
    encoder: bool | None,
) -> None:
    """Open a synthetic shop: 100,000 visitors, 304 items, four pages, four segments.

    With learned segments it has 10,000 visitors, who come back the more often, and
    a quarter of those of each flat page always get the layouts of all visitors.

    Its web tier and renderer talk to Reshelf through the topics only.  A tenth of
    the visitors always get the baseline; the others see learned layouts.  Ctrl-C
    ends everything that was started.

    Example: reshelf demo --seconds 90 --seed 2
    """
    from reshelf.demo.run import Options, Stopped, default_port, stoppable

    front.embedded = embedded = embedded and not traffic_only
    shown_at = (default_port() if port is None else port) if web and not traffic_only else None
    encodes = not traffic_only and _encodes(encoder)
    with stoppable(), contextlib.suppress(Stopped):
        _open(
            front,
            Options(seconds, rate, seed, null, shown_at, embedded, not traffic_only, encodes, segments == "learned"),
        )


def _encodes(choice: bool | None) -> bool:
    """Whether item texts are to be encoded; raises `BadSettings` where that is asked for and cannot be done."""
    from reshelf.processes.encoder import MISSING, installed

    if choice and not installed():
        raise BadSettings(f"--encoder: {MISSING}")
    return installed() if choice is None else choice


def _open(front: Front, options: Options) -> None:
    from rich.console import Console

    from reshelf.demo.run import demonstration
    from reshelf.demo.screen import closing
    from reshelf.processes.encoder import WITHOUT

    console = Console(stderr=True, quiet=front.json)
    what = "broker, Redis and workers" if options.embedded else "workers" if options.workers else "traffic"
    console.print(f"Starting {what} ...", highlight=False)
    if options.workers and not options.encoder:
        console.print(f"No item texts are encoded. {WITHOUT}", highlight=False)
    summary = demonstration(front.settings, options, console)
    front.answer(summary, closing(summary))
