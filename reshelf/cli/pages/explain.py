"""`reshelf explain`: what a layout is made from."""

from __future__ import annotations

import json
import time

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings


@click.command()
@click.argument("page")
@click.argument("segment")
@click.argument("item", required=False)
@click.pass_obj
def explain(front: Front, page: str, segment: str, item: str | None) -> None:
    """Explain what the layout of PAGE for SEGMENT is made from, or one ITEM of it in full.

    Shows counts, the prior and where it comes from, the click rate with its interval,
    a draw for each slate, what a click is worth, and what each rule did; as of now,
    from the topics and the state.

    Example: reshelf explain home hikers sku-1001
    """
    if front.embedded:
        raise BadSettings("--embedded: servers that just started have nothing to explain. Use the settings of a shop.")
    from reshelf.inspect.explain import arm_of, as_json, explained, listing, story

    explanation = explained(front.settings, page, segment, time.time_ns() // 1_000_000)
    if not any(arm.impressions for arm in explanation.arms):
        note = f"no item of page {page!r} was seen in segment {segment!r} yet: all of this is what is known before"
        click.echo(f"note: {note}", err=True)
    if front.json:
        click.echo(json.dumps(as_json(explanation, item), ensure_ascii=False))
    elif item:
        click.echo(story(arm_of(explanation, item)))
    else:
        from reshelf.terminal.tables import show

        show(listing(explanation))
