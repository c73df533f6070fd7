"""`reshelf finetune`: a model of texts or pictures that knows what a shop's visitors click together."""

from __future__ import annotations

from pathlib import Path

import click

from reshelf.cli.front import AT_LEAST_ONE, Front
from reshelf.numbers import share
from schemas.errors import BadSettings


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--epochs", type=AT_LEAST_ONE, default=5, show_default=True, help="How many epochs to train at most.")
@click.option(
    "--batch", type=click.IntRange(min=2), default=32, show_default=True, help="How many pairs one step compares."
)
@click.option("--rate", type=click.FloatRange(1e-7, 1.0), default=2e-4, show_default=True, help="The learning rate.")
@click.option("--rank", type=click.IntRange(1, 256), default=8, show_default=True, help="The rank of the adapters.")
@click.option(
    "--pairs", type=AT_LEAST_ONE, default=5_000, show_default=True, help="How many pairs to learn from at most."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The seed of all random numbers."
)
@click.option("--pictures", is_flag=True, help="Tune the model of pictures instead of that of texts.")
@click.option(
    "--rewrite",
    multiple=True,
    metavar="MODEL",
    help="A model that puts texts in other words, which are learned from as well. Of two the first translates into "
    "another language and the second back.",
)
@click.pass_obj
def finetune(
    front: Front,
    folder: Path,
    epochs: int,
    batch: int,
    rate: float,
    rank: int,
    pairs: int,
    seed: int,
    pictures: bool,
    rewrite: tuple[str, ...],
) -> None:
    """Tune the text model on what visitors clicked one after the other, and write it to FOLDER.

    Only small adapters (LoRA) are trained, so a CPU is enough.  Training ends early when
    the model gets no better.  The model is tested on visitors that it did not learn from,
    and written only if it finds more of their next clicks than before.  Then set
    `encoder.model` to FOLDER, and `reshelf encoder` renews the vectors.  This needs the
    extra `encoders`; a record of it is kept for `reshelf runs`.
    With --pictures it is the model of pictures, which has to be one of transformers; FOLDER is then for
    `pictures.model`.

    Example: reshelf finetune models/november --epochs 3
    """
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no clicks. Use the settings of a running one.")
    if pictures and rewrite:
        raise click.UsageError("--rewrite is for texts, and --pictures learns from none. Leave one of them out.")
    from reshelf.evaluation.finetuning import Options, finetuned

    report = finetuned(front.settings, Options(folder, epochs, batch, rate, rank, pairs, seed, pictures, rewrite), _say)
    shares = f"{share(report['before'])} of held-out pairs found before, {share(max(report['epochs']))} at best after"
    front.answer(report, f"{shares}: " + (f"saved in {report['saved']}" if report["saved"] else "nothing is saved"))


def _say(what: str) -> None:
    if click.get_text_stream("stderr").isatty():
        click.echo(what, err=True)
