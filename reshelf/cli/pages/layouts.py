"""`reshelf layouts`: the layouts that renderers read."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings, ReshelfError

if TYPE_CHECKING:
    from schemas.messages.layouts import Layout


@click.command()
@click.argument("page", required=False)
@click.argument("segment", required=False)
@click.option("--follow", is_flag=True, help="Go on and show each later version; with --json as one object per line.")
@click.pass_obj
def layouts(front: Front, page: str | None, segment: str | None, follow: bool) -> None:
    """List the newest layouts, or show the one of PAGE and SEGMENT.

    The layout of SEGMENT '*' is shown to segments that have none of their own.

    Example: reshelf layouts home cooks --follow
    """
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no layouts. Use the settings of a running one.")
    from reshelf.inspect import layouts_topic
    from reshelf.terminal.tables import show

    if follow:
        there = layouts_topic.newest(front.settings.kafka).values()
        if not any(_matches(layout, page, segment) for layout in there):
            scope = " for ".join(filter(None, (page, segment))) or "any page"
            click.echo(f"No layout of {scope} is published. Waiting for one.", err=True)
        for layout in layouts_topic.follow(front.settings.kafka):
            if _matches(layout, page, segment):
                _print(front, layout, whole=segment is not None)
        return
    latest = layouts_topic.newest(front.settings.kafka)
    if page is not None and segment is not None:
        _print(front, _only(latest, page, segment), whole=True)
        return
    some = [layout for layout in latest.values() if _matches(layout, page, segment)]
    if page is not None and latest and not some:
        pages = ", ".join(dict.fromkeys(layout.page for layout in latest.values()))
        raise ReshelfError(f"no layouts of page {page!r}. Published are those of: {pages}.")
    if front.json:
        click.echo(json.dumps({"layouts": [layouts_topic.row(layout, _now_ms()) for layout in some]}))
    elif some:
        show(layouts_topic.listing(some, _now_ms()))
    else:
        click.echo("No layouts yet: declare pages in page-rules, and run `reshelf worker`.", err=True)


def _only(latest: dict[tuple[str, ...], Layout], page: str, segment: str) -> Layout:
    layout = latest.get((page, segment))
    if layout is None:
        names = ", ".join(f"{page} {other}" for page, other in latest) or "none"
        raise ReshelfError(
            f"no layout for page {page!r} and segment {segment!r}. Published are: {names}. "
            "A key gets its layout when its page is in page-rules and has items; `reshelf worker` composes it."
        )
    return layout


def _matches(layout: Layout, page: str | None, segment: str | None) -> bool:
    return page in (None, layout.page) and segment in (None, layout.segment)


def _print(front: Front, layout: Layout, *, whole: bool) -> None:
    from reshelf.inspect import layouts_topic
    from reshelf.terminal.tables import show
    from schemas.codec import encode

    if front.json:
        click.echo(encode(layout))
        return
    click.echo(layouts_topic.heading(layout, _now_ms()))
    if whole:
        show(layouts_topic.slots_table(layout))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
