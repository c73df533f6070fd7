"""`reshelf experiment`: learned layouts against the holdout."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import click

from reshelf.commands import Front
from schemas.errors import BadSettings, ReshelfError

if TYPE_CHECKING:
    from policy.experiments.health import Health
    from reshelf.settings import Settings


@click.group()
def experiment() -> None:
    """How the learned layouts do against the holdout."""


@experiment.command()
@click.argument("page", required=False)
@click.option("--level", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, help="Of the intervals.")
@click.pass_obj
def status(front: Front, page: str | None, level: float) -> None:
    """Uplift per page view of each page, or of PAGE, with intervals that hold whenever you look.

    Also says whether units arrive in the holdout as often as they should, and which
    guard-rails were crossed.  docs/evaluation.md explains each figure.

    Example: reshelf experiment status home
    """
    if front.embedded:
        raise BadSettings("--embedded: a Redis that just started has no state. Use the settings of a running one.")
    found = asyncio.run(_healths(front.settings, page, level))
    front.answer({"level": level, "pages": {name: told(one) for name, one in found.items()}}, "")
    if not front.json:
        for name, one in found.items():
            _show(name, one, front.settings.layouts.holdout_share)


async def _healths(settings: Settings, page: str | None, level: float) -> dict[str, Health]:
    """The experiment of each page that has counts, or of one; raises ReshelfError where there is none."""
    from streams.clients import redis_client
    from streams.experiment import health_of, read_bins
    from streams.state import manifest
    from streams.state.reader import StateReader

    client = redis_client(settings.redis)
    try:
        made = await manifest.read(client, settings.redis.namespace)
        reader = StateReader(client, made.namespace, made.groups, made.starts)
        pages = sorted({name for name, _ in await reader.keys()})
        if page not in (None, *pages):
            raise ReshelfError(f"page {page!r} has no counts. Pages that have: {', '.join(pages) or 'none'}.")
        share = settings.layouts.holdout_share
        return {
            name: health_of(
                await read_bins(client, made.namespace, made.groups, name), settings.experiment, share, level
            )
            for name in pages
            if page in (None, name)
        }
    finally:
        await client.aclose()


def told(health: Health) -> dict[str, Any]:
    """As JSON has it: what is unknown is null."""
    uplifts = {
        name: {key: value if math.isfinite(value) else None for key, value in one._asdict().items()}
        for name, one in health.uplifts.items()
    }
    split = health.sample_ratio
    return {
        "uplift": uplifts,
        "sample_ratio": {**split._asdict(), "alarm": split.alarm},
        "guard_rail": health.guard_rail,
    }


def _show(page: str, health: Health, share: float) -> None:
    from rich.console import Console
    from rich.table import Table

    split = health.sample_ratio
    table = Table(f"{page}, per page view", "learned", "holdout", "uplift", "from", "to", box=None)
    for name, one in health.uplifts.items():
        rates = (f"{one.learned:.4g}", f"{one.holdout:.4g}")
        bounds = (_signed(one.low), _signed(one.high)) if math.isfinite(one.high) else ("-", "-")
        table.add_row(name, *rates, _signed(one.uplift), *bounds)
    Console(highlight=False).print(table)
    click.echo(
        f"units: {split.learned:,} learned, {split.holdout:,} holdout, expected {share:.1%} in it, "
        f"p = {split.p_value:.3g}" + (": SAMPLE RATIO MISMATCH, trust no figure" if split.alarm else "")
    )
    if health.guard_rail:
        click.echo(f"GUARD-RAIL CROSSED: {health.guard_rail}")


def _signed(value: float) -> str:
    return f"{value:+.1%}" if math.isfinite(value) else "-"
