"""`reshelf likeness`: items that a visitor would take for the same."""

from __future__ import annotations

import json
import time

import click

from reshelf.cli.front import Front
from reshelf.numbers import number
from reshelf.terminal.prose import tell


@click.command()
@click.option(
    "--similarity",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.95,
    show_default=True,
    help="From which cosine of their pictures on items are alike.",
)
@click.pass_obj
def likeness(front: Front, similarity: float) -> None:
    """Show the available items that a visitor would take for the same.

    Items are alike where they have one family, or where their pictures are nearly the same.
    A page keeps them apart by a rule `{kind: spacing, by: likeness, distance: 4}`, which has its own
    `similarity`: try out here which one suits the shop's pictures.

    Example: reshelf likeness --similarity 0.9
    """
    from reshelf.inspect.search.likeness import likeness as read_likeness
    from reshelf.inspect.search.likeness import listing

    alike_items = read_likeness(front.settings, similarity, time.time_ns() // 1_000_000)
    if front.json:
        groups = [group._asdict() for group in alike_items.groups]
        click.echo(json.dumps(alike_items._asdict() | {"groups": groups}, ensure_ascii=False))
        return
    from reshelf.terminal.tables import show

    if alike_items.groups:
        show(listing(alike_items))
    alike = sum(len(group.items) for group in alike_items.groups)
    of_all = f"{number(alike)} of {number(alike_items.items)} items are like another"
    tell(f"{of_all}; {number(alike_items.pictures)} have a vector of their picture.")
