"""`reshelf encoder`: catalog texts to vectors."""

from __future__ import annotations

import click

from reshelf.cli.front import Front


@click.command()
@click.option("--once", is_flag=True, help="End when every text that is there is encoded.")
@click.pass_obj
def encoder(front: Front, once: bool) -> None:
    """Turn the texts of changed items into vectors, until stopped.

    Reads catalog-items and publishes to catalog-embeddings.  An item whose text is
    as it was is skipped; a deleted item loses its vector.  It can be killed and
    started again at any time.

    Example: reshelf encoder --once --json
    """
    from reshelf.processes.encoder import run

    done = run(front.settings, once)
    front.answer(done, ", ".join(f"{name} {count:,.0f}" for name, count in done.items() if name != "model_s"))
