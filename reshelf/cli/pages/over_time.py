"""`reshelf rules calendar` and `timeline`: campaigns, and what became of an item."""

from __future__ import annotations

import click

from reshelf.cli.front import Front
from reshelf.cli.pages.signing import CSV, now_ms
from reshelf.terminal.prose import tell

HOUR_MS = 3_600_000


@click.command()
@click.option("--page", help="Of this page alone.  [default: all]")
@click.option("--over/--no-over", default=False, show_default=True, help="Whether those that are over are listed, too.")
@CSV
@click.pass_obj
def calendar(front: Front, page: str | None, over: bool, csv: bool) -> None:
    """List campaigns: the rules that begin or end at a date, of now and to come.

    Example: reshelf rules calendar --page home --csv
    """
    from reshelf.rules.calendar import campaigns
    from reshelf.rules.topic import newest, undeclared
    from reshelf.terminal.csv import csv_text
    from reshelf.terminal.tables import show, table

    pages = newest(front.settings.kafka)
    if page is not None and page not in pages:
        raise undeclared(page, pages)
    those = [
        each for each in campaigns(pages, now_ms()) if page in (None, each.page) and (over or each.state != "over")
    ]
    head = ("page", "rule", "kind", "begins", "ends", "state", "segments")
    rows = [each.row(front.settings.shop.zone) for each in those]
    if front.json:
        front.answer({"campaigns": [each._asdict() for each in those]}, "")
    elif csv:
        click.echo(csv_text(head, rows), nl=False)
    elif rows:
        show(table(head, [[row[name] for name in head] for row in rows], spare=1))
    else:
        tell("no rule begins or ends at a date")


@click.command()
@click.argument("page")
@click.argument("item")
@click.option("--segment", default="*", show_default=True, help="As visitors of this segment see the page.")
@click.option("--hours", type=click.IntRange(min=1), default=24, show_default=True, help="How far back slots are told.")
@CSV
@click.pass_obj
def timeline(front: Front, page: str, item: str, segment: str, hours: int, csv: bool) -> None:
    """Tell what became of ITEM on PAGE: when its slots changed, and which rules named it.

    Told are changes that put it elsewhere in 20 % of page views, and where it stands now; smaller ones are counted.
    Versions of rules are told as far as they are kept.

    Example: reshelf rules timeline home sku-1 --segment cooks
    """
    from reshelf.inspect.layouts_topic import history_since
    from reshelf.numbers import number, share
    from reshelf.rules.calendar import moment
    from reshelf.rules.timeline import NEWS, as_json, in_words
    from reshelf.rules.timeline import timeline as timeline_of
    from reshelf.rules.topic import history, newest, undeclared
    from reshelf.terminal.csv import csv_text
    from schemas.topics import CATALOG_ITEMS
    from streams.catalog.page import Key
    from streams.catalog.snapshot import read_catalog

    kafka = front.settings.kafka
    if not (versions := history(kafka, page)):
        raise undeclared(page, newest(kafka))
    layouts = history_since(kafka, Key(page, segment), now_ms() - hours * HOUR_MS)
    changes = timeline_of(item, layouts, versions, read_catalog(kafka, [CATALOG_ITEMS]).items)
    rows = [{"at": moment(each.at, front.settings.shop.zone), "what": in_words(each)} for each in changes.moments]
    if front.json:
        front.answer({"page": page, "segment": segment, "item": item, **as_json(changes)}, "")
    elif csv:
        click.echo(csv_text(("at", "what"), rows), nl=False)
    else:
        text = "\n".join(f"{row['at']}  {row['what']}" for row in rows)
        tell(text or f"nothing is known of {item} on {page}: no rule named it, and no layout had it")
    if changes.left_out and not front.json:
        text = f"changes of its slots in less than {share(NEWS, 0)} of page views, left out: {number(changes.left_out)}"
        tell(text, error=csv)
