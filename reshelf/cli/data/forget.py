"""`reshelf forget`: the clicks kept for a unit are dropped."""

from __future__ import annotations

import click

from reshelf.cli.front import Front


@click.command()
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.pass_obj
def forget(front: Front, units: tuple[str, ...]) -> None:
    """Drop what is kept about each UNIT: its clicks, which a later purchase could be credited to.

    A record with the unit as its key and no value is published to events-clicks;
    attribution acts on it when it gets there, and on every replay.  Counts are kept:
    they hold no units.  Events themselves stay in the log until its retention ends.

    Example: reshelf forget unit-17
    """
    from reshelf.topics.publish import forget as ask_to_forget

    kafka = front.settings.kafka
    ask_to_forget(units, kafka)
    front.answer({"units": len(units)}, f"{len(units)} to be forgotten; the log keeps events until its retention ends")
