"""`reshelf segments`: segments that were learned from what visitors looked at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click
import msgspec

from reshelf.cli.front import Front
from reshelf.numbers import gain, number
from reshelf.terminal.prose import tell
from schemas.errors import BadSettings, ReshelfError

if TYPE_CHECKING:
    from policy.segments.fitting import Published


@click.group()
def segments() -> None:
    """Show learned segments, and how they come about.

    Example: reshelf segments show
    """


@segments.command()
@click.pass_obj
def show(front: Front) -> None:
    """Show the newest segments: sizes, words, and the items that set each apart.

    Example: reshelf segments show
    """
    from reshelf.inspect.segments import model as of_model
    from reshelf.terminal import tables

    model = _newest(front).model
    if front.json:
        click.echo(msgspec.json.encode(model))
        return
    tell(of_model.heading(model, front.settings.shop.zone))
    if model.names:
        tables.show(of_model.segments_table(model))
    else:
        tell(of_model.NO_TASTES)


@segments.command()
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="How many versions to list.")
@click.pass_obj
def history(front: Front, last: int) -> None:
    """List versions of the segments, and how many visitors moved with each.

    Example: reshelf segments history --last 5
    """
    from reshelf.inspect.segments.model import NONE_YET, history_table
    from reshelf.terminal import tables
    from streams.fitter.segments import published

    _check(front)
    models = published.history(front.settings.kafka)[-last:]
    if front.json:
        click.echo(msgspec.json.encode({"versions": models}))
    elif models:
        tables.show(history_table(models, front.settings.shop.zone))
    else:
        click.echo(NONE_YET, err=True)


@segments.command()
@click.argument("items", nargs=-1, required=True)
@click.option("--value", default="", help="The visitor's value of the attribute, where the model has one.")
@click.option("--current", default="", help="The segment that the visitor is in so far.")
@click.pass_obj
def explain(front: Front, items: tuple[str, ...], value: str, current: str) -> None:
    """Say which segment ITEMS lead to, the newest last, and what each of them adds.

    Example: reshelf segments explain sku-1001 sku-1007 --value phone
    """
    from reshelf.inspect.segments.model import explained, explanation_table
    from reshelf.terminal import tables

    published = _newest(front)
    explanation = explained(published, items, current, value)
    if front.json:
        reasons = [{"what": reason.what, "points": reason.points} for reason in explanation.reasons]
        sums = dict(zip(published.model.names, explanation.sums, strict=False))
        click.echo(msgspec.json.encode({"segment": explanation.segment, "reasons": reasons, "sums": sums}))
        return
    tables.show(explanation_table(published.model, explanation))
    tell(f"segment: {explanation.segment}" + ("" if explanation.sums else ", as no item has points"))


@segments.command()
@click.pass_obj
def evaluate(front: Front) -> None:
    """Measure how far the newest segments foretell what visitors looked at since they were published.

    Of each visitor of the sample who came since then, the item that they looked at last is foretold from those before
    it. Whether segments pay is decided by an experiment: `reshelf experiment branches`.

    Example: reshelf segments evaluate
    """
    from reshelf.inspect.segments.measured import looked_at_since, measure

    published = _newest(front)
    settings = front.settings
    visitors = looked_at_since(settings.kafka, settings.fold, settings.segments, published.model.published_at)
    measured = measure(published, visitors)
    likelier, low, high = measured.likelier
    content = {
        "units": measured.units,
        "shares": measured.shares,
        "entropy_bits": measured.entropy,
        "likelier": likelier,
        "low": low if math.isfinite(low) else None,
        "high": high if math.isfinite(high) else None,
    }
    from reshelf.numbers import between, share

    sizes = ", ".join(f"{name} {share(part)}" for name, part in measured.shares.items())
    interval = f"{gain(likelier)} likelier than by popularity ({between(low, high)})"
    result = f"The item that each looked at last is {interval}." if measured.units else "Nobody came since."
    front.answer(
        content, f"{number(measured.units)} visitors since version {published.model.version}: {sizes}. {result}"
    )


def _newest(front: Front) -> Published:
    from reshelf.inspect.segments.model import NONE_YET
    from streams.fitter.segments import published

    _check(front)
    newest = published.newest(front.settings.kafka)
    if newest is None:
        raise ReshelfError(NONE_YET)
    return newest


def _check(front: Front) -> None:
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no segments. Use the settings of a running one.")
