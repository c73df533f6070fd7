"""`reshelf state`: what was learned, as bytes that two replays share."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING, Any

import click

from reshelf.commands import Front

if TYPE_CHECKING:
    from reshelf.settings import Settings


@click.group()
def state() -> None:
    """Export or digest what was learned."""


@state.command()
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.pass_obj
def export(front: Front, form: str) -> None:
    """Write the counts to standard output.

    jsonl is the canonical export, one JSON array a line.  csv has the columns
    page, segment, bucket (its start, in milliseconds), item, slot, impressions,
    clicks, conversions, revenue, with all traffic together; conversions and
    revenue are known by item, so they stand on a line with an empty slot.
    """
    sys.stdout.buffer.write(exported(front.settings, form))


@state.command()
@click.pass_obj
def digest(front: Front) -> None:
    """Print the SHA-256 of the canonical export: equal for two replays of one stretch of log."""
    from streams.state import export as canonical

    rows = asyncio.run(_rows(front.settings))
    found = canonical.digest(rows)
    front.answer({"namespace": front.settings.redis.namespace, "digest": found, "rows": len(rows)}, found)


def exported(settings: Settings, form: str) -> bytes:
    """The export of the namespace in the settings as `jsonl` or `csv`; raises `StateAttention` without one."""
    from streams.state import export as canonical

    rows = asyncio.run(_rows(settings))
    if form == "jsonl":
        return canonical.lines(rows)
    text = io.StringIO()
    canonical.write_csv(rows, text)
    return text.getvalue().encode()


async def _rows(settings: Settings) -> list[list[Any]]:
    from streams.clients import redis_client
    from streams.state import export as canonical
    from streams.state import manifest
    from streams.state.store import Store

    client = redis_client(settings.redis)
    try:
        made = await manifest.read(client, settings.redis.namespace)
        return await canonical.rows(Store(client, made.namespace, made.groups), made)
    finally:
        await client.aclose()
