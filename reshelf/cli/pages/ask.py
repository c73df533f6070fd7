"""`reshelf ask`: the items that answer a question."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings


@click.command()
@click.argument("question", required=False, default="")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture instead of a question: the items whose pictures are most similar.",
)
@click.option(
    "--look",
    is_flag=True,
    help="Compare the question with the pictures of items; for a model of texts and pictures, such as CLIP.",
)
@click.option("--page", required=True, help="The page whose clicks rank the items.")
@click.option(
    "--segment", default="*", show_default=True, help="The segment whose clicks rank the items; '*': all of the page."
)
@click.option("--count", type=click.IntRange(1, 100), default=10, show_default=True, help="How many items to show.")
@click.option(
    "--clicks",
    type=click.FloatRange(0.0, 10.0),
    default=0.1,
    show_default=True,
    help="How much similarity a click rate of e times the page's is worth; 0: items are ranked by meaning alone.",
)
@click.pass_obj
def ask(
    front: Front,
    question: str,
    image: Path | None,
    look: bool,
    page: str,
    segment: str,
    count: int,
    clicks: float,
) -> None:
    """Find the items that answer QUESTION, and rank them by what a segment clicks.

    Of all available items, the 100 whose texts are most similar are ranked by similarity
    plus what their click rate adds.  This needs the extra `encoders`, and vectors in
    catalog-embeddings (`reshelf encoder` publishes them).  With --image it is the 100 whose pictures are most similar
    to a picture, and with --look those whose pictures are most similar to the question.

    Example: reshelf ask "waterproof jacket for kids" --page home --segment hikers
    """
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no items. Use the settings of a running one.")
    if bool(question.strip()) == (image is not None):
        raise click.UsageError("QUESTION: expected some words or --image, and not both.")
    from reshelf.inspect.search.questions import Question, answers, listing

    seen = b"" if image is None else image.read_bytes()
    asked = Question(question, page, segment, count, clicks, seen, look)
    items = answers(front.settings, asked, time.time_ns() // 1_000_000)
    if front.json:
        content = {
            "question": question,
            "image": None if image is None else image.name,
            "page": page,
            "segment": segment,
            "items": [answer._asdict() for answer in items],
        }
        click.echo(json.dumps(content, ensure_ascii=False))
        return
    from reshelf.terminal.tables import show

    show(listing(items))
