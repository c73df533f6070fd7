"""`reshelf layouts`: the layouts that renderers read."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front
from reshelf.terminal.prose import tell
from schemas.errors import BadSettings, ReshelfError

if TYPE_CHECKING:
    from reshelf.inspect.layout_store import LayoutStore, StoredLayout
    from schemas.messages.layouts import Layout
    from streams.catalog.page import Key


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
    from streams.catalog.page import Key

    if follow:
        if not any(_matches(key, page, segment) for key, _ in layouts_topic.newest(front.settings.kafka)):
            scope = " for ".join(filter(None, (page, segment))) or "any page"
            click.echo(f"No layout of {scope} is published. Waiting for one.", err=True)
        for layout, expires_at in layouts_topic.follow(front.settings.kafka):
            if _matches(Key(layout.page, layout.segment), page, segment):
                _print(front, layout, expires_at, whole=segment is not None)
        return
    latest = layouts_topic.newest(front.settings.kafka)
    if page is not None and segment is not None:
        only = _only(latest, page, segment)
        _print(front, only.layout(), latest.expires_at(only), whole=True)
        return
    some = [(stored.layout(), latest.expires_at(stored)) for key, stored in latest if _matches(key, page, segment)]
    if page is not None and len(latest) and not some:
        pages = ", ".join(dict.fromkeys(key.page for key, _ in latest))
        raise ReshelfError(f"no layouts of page {page!r}. Published are those of: {pages}.")
    if front.json:
        click.echo(json.dumps({"layouts": [layouts_topic.row(*layout, _now_ms()) for layout in some]}))
    elif some:
        show(layouts_topic.listing(some, _now_ms()))
    else:
        click.echo("No layouts yet: declare pages in page-rules, and run `reshelf worker`.", err=True)


def _only(latest: LayoutStore, page: str, segment: str) -> StoredLayout:
    stored = latest.get(page, segment)
    if stored is None:
        names = ", ".join(f"{key.page} {key.segment}" for key, _ in latest) or "none"
        raise ReshelfError(
            f"no layout for page {page!r} and segment {segment!r}. Published are: {names}. "
            "A key gets its layout when its page is in page-rules and has items; `reshelf worker` composes it."
        )
    return stored


def _matches(key: Key, page: str | None, segment: str | None) -> bool:
    return page in (None, key.page) and segment in (None, key.segment)


def _print(front: Front, layout: Layout, expires_at: int, *, whole: bool) -> None:
    from reshelf.inspect import layouts_topic
    from reshelf.terminal.tables import show
    from schemas.codec import encode

    if front.json:
        click.echo(encode(layout))
        return
    tell(layouts_topic.heading(layout, expires_at, _now_ms()))
    if whole:
        if (rows := layouts_topic.rows_table(layout)).row_count:
            show(rows)
        show(layouts_topic.slots_table(layout, layouts_topic.titles_of(front.settings.kafka)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
