"""`reshelf encoder`: catalog texts to vectors."""

from __future__ import annotations

import click

from reshelf.cli.front import Front
from reshelf.numbers import number


@click.command()
@click.option("--once", is_flag=True, help="End when all texts of the catalog are encoded.")
@click.pass_obj
def encoder(front: Front, once: bool) -> None:
    """Turn the texts of changed items into vectors, until it is stopped.

    Reads catalog-items and publishes to catalog-embeddings.  An item whose text did not
    change is skipped, and the vector of a deleted item is deleted.  It can be killed
    and started again at any time.

    Example: reshelf encoder --once --json
    """
    from reshelf.processes.encoder import run

    done = run(front.settings, once)
    front.answer(done, ", ".join(f"{name} {number(count)}" for name, count in done.items() if name != "model_s"))
