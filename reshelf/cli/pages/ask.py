"""`reshelf ask`: items that answer a question."""

from __future__ import annotations

import json
import time

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings


@click.command()
@click.argument("question")
@click.option("--page", required=True, help="Page whose clicks count.")
@click.option("--segment", default="*", show_default=True, help="Segment whose clicks count; '*' is all of the page.")
@click.option("--count", type=click.IntRange(1, 100), default=10, show_default=True, help="Items to answer with.")
@click.option(
    "--clicks",
    type=click.FloatRange(0.0, 10.0),
    default=0.1,
    show_default=True,
    help="Similarity that a click rate e times the page's is worth; 0 ranks by meaning alone.",
)
@click.pass_obj
def ask(front: Front, question: str, page: str, segment: str, count: int, clicks: float) -> None:
    """Find items by what QUESTION means, and rank them by what a segment clicks.

    Of all items that can be had, the 100 nearest by text are ordered by similarity
    plus what their click rate adds. Needs the extra `encoders` and vectors on
    catalog-embeddings (`reshelf encoder`).

    Example: reshelf ask "waterproof jacket for kids" --page home --segment hikers
    """
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no items. Use the settings of a running one.")
    if not question.strip():
        raise click.UsageError("QUESTION: expected some words, got none.")
    from reshelf.inspect.search import Question, answers, listing

    found = answers(front.settings, Question(question, page, segment, count, clicks), time.time_ns() // 1_000_000)
    if front.json:
        told = {"question": question, "page": page, "segment": segment, "items": [one._asdict() for one in found]}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    from reshelf.terminal.tables import show

    show(listing(found))
