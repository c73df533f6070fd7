"""`reshelf explain`: what a layout is made from."""

from __future__ import annotations

import asyncio
import json
import time

import click

from reshelf.cli.front import Front
from reshelf.terminal.prose import tell
from schemas.errors import BadSettings


@click.command()
@click.argument("page")
@click.argument("segment")
@click.argument("item", required=False)
@click.option("--shelf", metavar="NAME", help="Explain this shelf of the page in place of its items.")
@click.pass_obj
def explain(front: Front, page: str, segment: str, item: str | None, shelf: str | None) -> None:
    """Explain what the layout of PAGE for SEGMENT is made from, or one ITEM of it in full.

    Shows counts, the prior and where it comes from, the click rate with its interval,
    a draw for each slate, what a click is worth, and what each rule did; as of now,
    from the topics and the state. Of a shelf it shows in which rows of the published layout
    it stands and when it may move, what it adds, what was counted of it, and its rules.

    Example: reshelf explain home hikers sku-1001
    """
    if item and shelf:
        raise click.UsageError("--shelf: expected an item or a shelf, got both")
    if front.embedded:
        raise BadSettings("--embedded: servers that just started have nothing to explain. Use the settings of a shop.")
    now_ms = time.time_ns() // 1_000_000
    if shelf:
        _explain_shelf(front, page, segment, shelf, now_ms)
        return
    from reshelf.inspect.explain import HANG, arm_of, as_json, explained, listing, story
    from reshelf.inspect.layouts_topic import titles_of
    from reshelf.inspect.trials.words import Cell, on_trial, trials_of_cell
    from reshelf.terminal.tables import show

    explanation, catalog = explained(front.settings, page, segment, now_ms)
    if not any(arm.impressions for arm in explanation.arms):
        note = f"no item of page {page!r} was seen in segment {segment!r} yet: all of this is what is known before"
        click.echo(f"note: {note}", err=True)
    titles = {} if front.json else titles_of(front.settings.kafka)
    tried = on_trial(catalog.rules[page], segment, now_ms)

    def title(of: str) -> str:
        return titles.get(of, of)

    trials = trials_of_cell(tried, explanation.layout, Cell("", item or ""), catalog.items, title, now_ms)
    if front.json:
        click.echo(json.dumps(as_json(explanation, item, trials), ensure_ascii=False))
    elif item:
        tell(story(arm_of(explanation, item), titles.get(item, ""), trials), hang=HANG)
    else:
        show(listing(explanation, titles, trials))


def _explain_shelf(front: Front, page: str, segment: str, shelf: str, now_ms: int) -> None:
    from reshelf.inspect.shelves.explained import explained_shelf
    from reshelf.inspect.shelves.words import as_json, story

    settings = front.settings
    explanation = asyncio.run(explained_shelf(settings, page, segment, shelf, now_ms))
    if front.json:
        click.echo(json.dumps(as_json(explanation), ensure_ascii=False))
    else:
        tell(story(explanation, settings.fold.currency))
