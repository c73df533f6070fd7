"""`reshelf publish`: JSON lines, checked whole, then sent."""

from __future__ import annotations

import shutil
import tempfile
from typing import BinaryIO, cast

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings
from schemas.topics import BY_NAME, Topic


def _names(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    return [name for name, topic in BY_NAME.items() if topic.message is not None and name.startswith(begun)]


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--topic",
    "name",
    required=True,
    shell_complete=_names,
    help="The topic, with or without the prefix of the settings.",
)
@click.pass_obj
def publish(front: Front, file: BinaryIO, name: str) -> None:
    """Check all lines of FILE ("-" for standard input), then publish them.

    A line is one message as JSON.  Nothing is sent unless all lines are valid.  To delete
    an item or a page, or to forget a unit, write {"key": "NAME", "value": null}; where the
    key is page and segment, write {"key": ["PAGE", "SEGMENT"], "value": null}.

    Example: reshelf publish catalog.jsonl --topic catalog-items
    """
    from reshelf.topics.lines import Shop
    from reshelf.topics.publish import check, send, warnings_in_words

    settings = front.settings
    kafka, shop = settings.kafka, Shop(settings.shop.zone, settings.fold.currency)
    topic = _topic(name, kafka.prefix)
    with tempfile.SpooledTemporaryFile(max_size=16 * 1024 * 1024) as spool:
        lines = cast(BinaryIO, spool)
        shutil.copyfileobj(file, lines)
        checked = check(lines, topic, file.name, shop)
        send(lines, topic, kafka, file.name, shop)
    empty = "" if checked.total else f": {file.name} is empty"
    said = [f"{checked.total} published to {topic.name}{empty}", *warnings_in_words(checked)]
    content: dict[str, object] = {"topic": kafka.prefix + topic.name, "published": checked.total}
    if checked.warned:
        content |= {"warned": checked.warned, "warnings": checked.warnings}
    front.answer(content, "\n".join(said))


def _topic(name: str, prefix: str) -> Topic:
    topic = BY_NAME.get(name) or BY_NAME.get(name.removeprefix(prefix))
    if topic is None or topic.message is None:
        names = ", ".join(name for name, entry in BY_NAME.items() if entry.message is not None)
        raise BadSettings(f"--topic: expected one of {names}; got {name}")
    return topic
