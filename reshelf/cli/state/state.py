"""`reshelf state`: what was learned, as bytes that two replays share."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front

if TYPE_CHECKING:
    from reshelf.settings import Settings


@click.group()
def state() -> None:
    """Export, digest or compare what was learned; switch workers to another namespace."""


@state.command()
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.pass_obj
def export(front: Front, form: str) -> None:
    """Write the counts to standard output.

    jsonl is the canonical export, one JSON array a line.  csv has the columns
    page, segment, bucket (its start, in milliseconds), item, slot, impressions,
    clicks, conversions, revenue, with all traffic together; conversions and
    revenue are known by item, so they stand on a line with an empty slot.

    Example: reshelf state export --format csv
    """
    sys.stdout.buffer.write(exported(front.settings, form))


@state.command()
@click.argument("namespace", required=False)
@click.pass_obj
def digest(front: Front, namespace: str | None) -> None:
    """Print the SHA-256 of the canonical export of NAMESPACE, or of the live one.

    It is equal for two replays of one stretch of log.

    Example: reshelf state digest november
    """
    from reshelf.namespaces.state import rows
    from reshelf.processes.alias import live
    from streams.state import export as canonical

    settings = live(front.settings) if namespace is None else front.settings
    name = namespace or settings.redis.namespace
    found = asyncio.run(rows(settings, name))
    digest = canonical.digest(found)
    front.answer({"namespace": name, "digest": digest, "rows": len(found)}, digest)


@state.command()
@click.argument("one")
@click.argument("other")
@click.pass_obj
def diff(front: Front, one: str, other: str) -> int:
    """Compare two namespaces, count for count; exit status 1 where they differ.

    Where they have read to different places in the log they differ: replay to the
    same place first.

    Example: reshelf state diff live november
    """
    from reshelf.namespaces.state import compared

    found = compared(front.settings, one, other)
    lines = [f"only in {one}: {row}" for row in found.only_one] + [
        f"only in {other}: {row}" for row in found.only_other
    ]
    text = "\n".join([*lines, f"{found.equal} rows are equal, {found.differing} differ"])
    content = {"equal": found.equal, "differing": found.differing, "only": [found.only_one, found.only_other]}
    front.answer(content, text)
    return int(found.differing > 0)


@state.command()
@click.argument("namespace")
@click.option(
    "--max-behind",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="Refuse one that lacks more records.",
)
@click.option("--skip-dead-letters", is_flag=True, help="Switch though workers have yet to bury what it has passed.")
@click.pass_obj
def swap(front: Front, namespace: str, max_behind: int, skip_letters: bool) -> None:
    """Switch live workers to NAMESPACE: the name in redis.namespace stands for it from now on.

    Workers notice within a second, end with status 1 and use it once their
    supervisor has started them again.  Nothing is lost: NAMESPACE has watermarks of
    its own and goes on from there.  To switch back, name the old one.

    Example: reshelf state swap november
    """
    from reshelf.namespaces.state import swapped

    before = swapped(front.settings, namespace, max_behind, skip_letters)
    name = front.settings.redis.namespace
    front.answer({"name": name, "before": before, "now": namespace}, f"{name}: {before} before, {namespace} now")


def exported(settings: Settings, form: str) -> bytes:
    """The export of the namespace in the settings as `jsonl` or `csv`; raises `StateAttention` without one."""
    from reshelf.namespaces.state import rows
    from reshelf.processes.alias import live
    from streams.state import export as canonical

    settings = live(settings)
    found = asyncio.run(rows(settings, settings.redis.namespace))
    if form == "jsonl":
        return canonical.lines(found)
    text = io.StringIO()
    canonical.write_csv(found, text)
    return text.getvalue().encode()
