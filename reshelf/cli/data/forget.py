"""`reshelf forget`: delete the clicks that are kept for a unit."""

from __future__ import annotations

import click

from reshelf.cli.front import Front


@click.command()
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.pass_obj
def forget(front: Front, units: tuple[str, ...]) -> None:
    """Delete what is kept about each UNIT: its clicks, which a later purchase could be credited to.

    A record with the unit as its key and no value is published to events-clicks;
    attribution acts on it when it reads it, and again on every replay.  A namespace that
    workers do not use any more is not reached: `reshelf state drop` deletes it.  Counts stay:
    they hold no units.  The events themselves stay in the log until its retention ends.

    Example: reshelf forget unit-17
    """
    from reshelf.topics.publish import forget as ask_to_forget

    kafka = front.settings.kafka
    ask_to_forget(units, kafka)
    front.answer({"units": len(units)}, f"{len(units)} to be forgotten; the log keeps events until its retention ends")
