"""`reshelf likeness`: items that a visitor would take for the same."""

from __future__ import annotations

import json
import time

import click

from reshelf.cli.front import Front


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
    from reshelf.inspect.search.likeness import likeness as found_in
    from reshelf.inspect.search.likeness import listing

    found = found_in(front.settings, similarity, time.time_ns() // 1_000_000)
    if front.json:
        groups = [group._asdict() for group in found.groups]
        click.echo(json.dumps(found._asdict() | {"groups": groups}, ensure_ascii=False))
        return
    from reshelf.terminal.tables import show

    if found.groups:
        show(listing(found))
    alike = sum(len(group.items) for group in found.groups)
    click.echo(
        f"{alike:,} of {found.items:,} items are like another; {found.pictures:,} have a vector of their picture."
    )
