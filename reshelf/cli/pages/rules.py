"""`reshelf rules`: the rules of pages."""

from __future__ import annotations

import getpass
import time
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, TextIO

import click

from reshelf.cli.front import LEVEL_OPTION, Front

if TYPE_CHECKING:
    from schemas.messages.pages import PageRules

AUTHOR = click.option(
    "--author", default=None, help="Who publishes this, for the history.  [default: the user of this machine]"
)
REASON = click.option("--reason", default="", help="Why it is published, for the history.")


@click.group()
def rules() -> None:
    """Check, publish and roll back the rules of pages.

    A file is YAML and holds a page, or a list of pages, each with its slots, candidates,
    policy and rules.

    Example: reshelf rules check home.yaml
    """


@rules.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.pass_obj
def check(front: Front, file: TextIO) -> None:
    """Check FILE ("-" for standard input) without publishing it, and name each invalid line with the reason.

    Example: reshelf rules check home.yaml
    """
    from reshelf.rules.file import read
    from reshelf.rules.segments import SegmentCheck

    pages = read(_text(file), file.name, front.settings.shop.zone, SegmentCheck(front.settings))
    total = sum(len(page.rules) for page in pages)
    front.answer(
        {"pages": len(pages), "rules": total}, f"all fits: {', '.join(page.page for page in pages)}; rules: {total}"
    )


@rules.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--segment", "segments", multiple=True, help="For this segment alone; may be given more than once.")
@click.option("--at", help="As of then, like 2026-12-24 or 2026-12-24T18:00.  [default: now]")
@LEVEL_OPTION
@click.pass_obj
def preview(front: Front, file: TextIO, segments: tuple[str, ...], at: str | None, level: float) -> None:
    """Tell what the rules of FILE would change on their pages, and what each of them costs or earns.

    Makes the layouts that these rules would give beside those of now, and compares the clicks, orders
    and revenue that are expected of both, from what is known of the items they show. Publishes nothing.
    A rule's own price is what the page brings with it against the same file without it.

    Example: reshelf rules preview home.yaml
    """
    from reshelf.inspect.prices.preview import preview as previewed
    from reshelf.inspect.prices.words import as_json, in_words
    from reshelf.rules.file import read
    from reshelf.rules.segments import SegmentCheck

    front.require_state()
    zone = front.settings.shop.zone
    at_ms = _now_ms() if at is None else _moment(at, zone)
    pages = read(_text(file), file.name, zone, SegmentCheck(front.settings))
    previews = [previewed(front.settings, page, segments, at_ms) for page in pages]
    if front.json:
        front.answer({"pages": [as_json(each, level) for each in previews]}, "")
        return
    from reshelf.terminal.tables import show as print_table

    for each in previews:
        print_table(in_words(each, level))


@rules.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@AUTHOR
@REASON
@click.pass_obj
def apply(front: Front, file: TextIO, author: str | None, reason: str) -> None:
    """Check FILE, and publish as a further version each page that differs from what is in force.

    Example: reshelf rules apply home.yaml --author mira --reason "shoe week"
    """
    from reshelf.rules.file import read
    from reshelf.rules.lint import lint
    from reshelf.rules.segments import SegmentCheck
    from reshelf.rules.topic import publish
    from schemas.topics import CATALOG_ITEMS
    from streams.catalog.snapshot import read_catalog

    pages = read(_text(file), file.name, front.settings.shop.zone, SegmentCheck(front.settings))
    versions = publish(front.settings.kafka, pages, author or getpass.getuser(), reason, _now_ms())
    said = [f"{page.page}: version {page.version} with {len(page.rules)} rules" for page in versions]
    text = "\n".join(said) or "nothing differs from what is in force"
    items = read_catalog(front.settings.kafka, [CATALOG_ITEMS]).items if versions else {}
    doubtful = [f"{page.page}: {said}" for page in versions for said in lint(page, items)]
    front.answer({"published": [_row(page) for page in versions], "warnings": doubtful}, "\n".join([text, *doubtful]))


@rules.command("list")
@click.pass_obj
def list_(front: Front) -> None:
    """List the pages, and what is in force for each.

    Example: reshelf rules list
    """
    from reshelf.rules.topic import newest

    pages = list(newest(front.settings.kafka).values())
    lines = [_line(page, front.settings.shop.zone) for page in pages]
    front.answer({"pages": [_row(page) for page in pages]}, "\n".join(lines) or "no page is declared")


@rules.command()
@click.argument("page")
@click.pass_obj
def show(front: Front, page: str) -> None:
    """Show what is in force for PAGE, as a file to edit and apply again.

    Example: reshelf rules show home
    """
    import msgspec

    from reshelf.rules.file import written

    rules_in_force = _in_force(front, page)
    front.answer(msgspec.to_builtins(rules_in_force), written([rules_in_force], front.settings.shop.zone).rstrip())


@rules.command()
@click.argument("page")
@click.pass_obj
def history(front: Front, page: str) -> None:
    """List the versions of PAGE: who published each, when and why.

    Example: reshelf rules history home
    """
    from reshelf.rules.topic import history as versions_of
    from reshelf.rules.topic import newest, undeclared

    versions = versions_of(front.settings.kafka, page)
    if not versions:
        raise undeclared(page, newest(front.settings.kafka))
    front.answer(
        {"versions": [_row(version) for version in versions]},
        "\n".join(_line(version, front.settings.shop.zone) for version in versions),
    )


@rules.command()
@click.argument("page")
@click.option(
    "--to", "version", type=click.IntRange(min=1), help="The version to go back to.  [default: the one before]"
)
@AUTHOR
@REASON
@click.pass_obj
def rollback(front: Front, page: str, version: int | None, author: str | None, reason: str) -> None:
    """Put an earlier version of PAGE in force again.

    Example: reshelf rules rollback home --author mira --reason "shoe week is over"
    """
    from reshelf.rules.topic import roll_back

    now_ms = _now_ms()
    restored = roll_back(front.settings.kafka, page, version, author or getpass.getuser(), reason, now_ms)
    same = "" if restored.published_at == now_ms else "nothing differs from what is in force: "
    front.answer(_row(restored), f"{same}{page}: version {restored.version}, {restored.reason}")


def _in_force(front: Front, page: str) -> PageRules:
    from reshelf.rules.topic import newest, undeclared

    pages = newest(front.settings.kafka)
    if page not in pages:
        raise undeclared(page, pages)
    return pages[page]


def _row(page: PageRules) -> dict[str, object]:
    return {
        "page": page.page,
        "version": page.version,
        "rules": [rule.name for rule in page.rules],
        "author": page.author,
        "reason": page.reason,
        "published_at": page.published_at,
    }


def _line(page: PageRules, zone: tzinfo) -> str:
    published = datetime.fromtimestamp(page.published_at / 1000, zone)
    when = published.strftime("%Y-%m-%d %H:%M") if page.published_at else "-"
    why = f": {page.reason}" if page.reason else ""
    return f"{page.page:<20} version {page.version:>4}  {len(page.rules):>3} rules  {when}  {page.author}{why}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _moment(text: str, zone: tzinfo) -> int:
    from schemas.errors import BadSettings
    from schemas.times import moment

    try:
        return moment(text, zone)
    except (ValueError, OverflowError) as error:
        raise BadSettings(f"--at: {error}") from None


def _text(file: TextIO) -> str:
    from schemas.errors import BadSettings
    from schemas.foreign_content import encoding_of

    try:
        return file.read()
    except UnicodeDecodeError as error:
        said = f"; it {named}" if (named := encoding_of(error.object)) else ""
        raise BadSettings(
            f"{file.name}: expected text in UTF-8, got a byte that is none: {error.reason}{said}"
        ) from None
