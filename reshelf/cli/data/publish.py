"""`reshelf publish`: JSON lines, checked whole, then sent."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings
from schemas.topic import Topic
from schemas.topics import BY_NAME, CATALOG_ITEMS

if TYPE_CHECKING:
    from reshelf.feeds import FeedReport
    from reshelf.topics.lines import Shop

JSON_LINES = "jsonl"
NAMES = tuple(name for name, topic in BY_NAME.items() if topic.message is not None and topic.key != "part")
"""Topics whose records have a key that their message names."""


def _names(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    return [name for name in NAMES if name.startswith(begun)]


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--topic",
    "name",
    required=True,
    shell_complete=_names,
    help="The topic, with or without the prefix of the settings.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([JSON_LINES, "google-xml", "google-tsv", "shopify-csv", "shopify-jsonl"]),
    default=JSON_LINES,
    show_default=True,
    help="What FILE is; the others than jsonl are feeds of the catalog, whose products become items.",
)
@click.option("--check", "only_check", is_flag=True, help="Check and report alone, and publish nothing.")
@click.pass_obj
def publish(front: Front, file: BinaryIO, name: str, form: str, only_check: bool) -> None:
    """Check all lines of FILE ("-" for standard input), then publish them.

    A line is one message as JSON.  Nothing is sent unless all lines are valid.  To delete
    an item or a page, or to forget a unit, write {"key": "NAME", "value": null}; where the
    key is page and segment, write {"key": ["PAGE", "SEGMENT"], "value": null}.

    Of a feed (--format) the answer says which columns became fields, what was dropped, and
    which products were left out and why; docs/start/catalog.md has the feeds.

    Example: reshelf publish catalog.jsonl --topic catalog-items
    """
    from reshelf.topics.lines import Shop
    from reshelf.topics.publish import check, send, warnings_in_words

    settings = front.settings
    kafka, shop = settings.kafka, Shop(settings.shop.zone, settings.fold.currency)
    topic = _topic(name, kafka.prefix)
    with tempfile.SpooledTemporaryFile(max_size=16 * 1024 * 1024) as spool:
        lines = cast(BinaryIO, spool)
        report = _read(file, form, topic, shop, lines)
        checked = check(lines, topic, file.name, shop, "line" if report is None else "item")
        if not only_check:
            send(lines, topic, kafka, file.name, shop)
    empty = "" if checked.total else f": {file.name} is empty"
    done = f"{checked.total} would be published" if only_check else f"{checked.total} published"
    said = [f"{done} to {topic.name}{empty}", *warnings_in_words(checked), *(report.lines() if report else ())]
    content: dict[str, object] = {"topic": kafka.prefix + topic.name, "published": 0 if only_check else checked.total}
    if only_check:
        content["checked"] = checked.total
    if report is not None:
        content["feed"] = report.as_json()
    if checked.warned:
        content |= {"warned": checked.warned, "warnings": checked.warnings}
    front.answer(content, "\n".join(said))


def _read(file: BinaryIO, form: str, topic: Topic, shop: Shop, lines: BinaryIO) -> FeedReport | None:
    """Put the lines of a file into `lines`, or the items of a feed, with what became of it."""
    if form == JSON_LINES:
        shutil.copyfileobj(file, lines)
        return None
    from reshelf.feeds import FORMATS, FeedReport

    if topic is not CATALOG_ITEMS:
        raise BadSettings(f"--format {form}: expected --topic {CATALOG_ITEMS.name}, got {topic.name}")
    report = FeedReport()
    lines.writelines(line + b"\n" for line in FORMATS[form](file, file.name, shop, report))
    if not report.items:
        raise BadSettings("\n".join([f"{file.name}: no product can be published", *report.lines()]))
    return report


def _topic(name: str, prefix: str) -> Topic:
    topic = BY_NAME.get(name) or BY_NAME.get(name.removeprefix(prefix))
    if topic is None or topic.name not in NAMES:
        raise BadSettings(f"--topic: expected one of {', '.join(NAMES)}; got {name}")
    return topic
