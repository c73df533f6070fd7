"""`reshelf rules`: the rules of pages."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, TextIO

import click

from reshelf.cli.front import LEVEL_OPTION, Front
from reshelf.cli.pages.drafts import draft
from reshelf.cli.pages.over_time import calendar, timeline
from reshelf.cli.pages.signing import AUTHOR, CSV, file_text, now_ms, person_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.messages.pages import PageRules

REASON = click.option("--reason", default="", help="Why it is published, for the history.")


@click.group()
def rules() -> None:
    """Check, publish and roll back the rules of pages.

    A file is YAML and holds a page, or a list of pages, each with its slots, candidates,
    policy and rules.

    Example: reshelf rules check home.yaml
    """


for command in (draft, calendar, timeline):
    rules.add_command(command)


@rules.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.pass_obj
def check(front: Front, file: TextIO) -> None:
    """Check FILE ("-" for standard input) without publishing it, and name each invalid line with the reason.

    Example: reshelf rules check home.yaml
    """
    from reshelf.rules.file import read
    from reshelf.rules.segments import SegmentCheck

    pages = read(file_text(file), file.name, front.settings.shop.zone, SegmentCheck(front.settings))
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
    from reshelf.processes.parallel import limit_threads

    limit_threads()
    from reshelf.inspect.prices.preview import preview as previewed
    from reshelf.inspect.prices.words import as_json, in_words
    from reshelf.rules.file import read
    from reshelf.rules.segments import SegmentCheck

    front.require_state()
    zone = front.settings.shop.zone
    at_ms = now_ms() if at is None else _moment(at, zone)
    pages = read(file_text(file), file.name, zone, SegmentCheck(front.settings))
    previews = [previewed(front.settings, page, segments, at_ms) for page in pages]
    if front.json:
        front.answer({"pages": [as_json(each, level) for each in previews]}, "")
        return
    from reshelf.inspect.layouts_topic import titles_of
    from reshelf.terminal.tables import show as print_table

    titles = titles_of(front.settings.kafka)
    for each in previews:
        print_table(in_words(each, level, titles))


@rules.command()
@click.argument("page")
@LEVEL_OPTION
@CSV
@click.pass_obj
def report(front: Front, page: str, level: float, csv: bool) -> None:
    """Tell what each rule in force on PAGE has cost or earned so far.

    A rule's price per page view is what the page brings with it against the page without it, by what is known of
    the items now. It is taken times the page views since the rule is in force as it is.

    Example: reshelf rules report home
    """
    from reshelf.inspect.layouts_topic import titles_of
    from reshelf.inspect.prices.preview import page_pair
    from reshelf.inspect.prices.so_far import report as reported
    from reshelf.inspect.prices.so_far_words import COLUMNS, as_json, csv_rows, in_words
    from reshelf.rules.topic import history as versions_of
    from reshelf.terminal.csv import csv_text
    from reshelf.terminal.tables import show as print_table
    from streams.catalog.snapshot import read_catalog

    front.require_state()
    in_force, settings = _in_force(front, page), front.settings
    pair = page_pair(read_catalog(settings.kafka), in_force, settings)
    so_far = reported(settings, pair, versions_of(settings.kafka, page), now_ms())
    if front.json:
        front.answer(as_json(so_far, level), "")
    elif csv:
        click.echo(csv_text(COLUMNS, csv_rows(so_far, level, settings)), nl=False)
    else:
        print_table(in_words(so_far, level, settings, titles_of(settings.kafka)))


@rules.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@AUTHOR
@REASON
@click.pass_obj
def apply(front: Front, file: TextIO, author: str | None, reason: str) -> None:
    """Check FILE, and publish as a further version each page that differs from what is in force.

    Example: reshelf rules apply home.yaml --author mira --reason "shoe week"
    """
    from reshelf.people.person import Role
    from reshelf.rules.drafts import WAIT_FOR_ANOTHER
    from reshelf.rules.file import read
    from reshelf.rules.lint import lint
    from reshelf.rules.segments import SegmentCheck
    from reshelf.rules.topic import publish
    from schemas.errors import BadSettings
    from schemas.topics import CATALOG_ITEMS
    from streams.catalog.snapshot import read_catalog

    pages = read(file_text(file), file.name, front.settings.shop.zone, SegmentCheck(front.settings))
    if front.settings.publishing.two_people:
        raise BadSettings(WAIT_FOR_ANOTHER)
    person = person_of(front, Role.PUBLISH, author)
    versions = publish(front.settings.kafka, pages, person.name, reason, now_ms())
    said = [f"{page.page}: version {page.version} is published, rules: {len(page.rules)}" for page in versions]
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
    _listed(front, {"pages": [_row(page) for page in pages]}, pages, "no page is declared")


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
    front.answer(
        msgspec.to_builtins(rules_in_force), written([rules_in_force], front.settings.shop.zone).rstrip(), file=True
    )


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
    _listed(front, {"versions": [_row(version) for version in versions]}, versions)


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
    from reshelf.people.person import Role
    from reshelf.rules.topic import roll_back

    person, at_ms = person_of(front, Role.PUBLISH, author), now_ms()
    restored = roll_back(front.settings.kafka, page, version, person.name, reason, at_ms)
    same = "" if restored.published_at == at_ms else "nothing differs from what is in force: "
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


def _listed(front: Front, content: dict[str, Any], pages: Sequence[PageRules], none: str = "") -> None:
    """Print versions of pages, one a line."""
    from reshelf.terminal.tables import show as print_table
    from reshelf.terminal.tables import table

    if front.json or not pages:
        front.answer(content, none)
        return
    head = ("page", "version", "rules", "published", "by", "why")
    print_table(table(head, [_cells(page, front.settings.shop.zone) for page in pages], spare=1))


def _cells(page: PageRules, zone: tzinfo) -> tuple[str, ...]:
    published = datetime.fromtimestamp(page.published_at / 1000, zone)
    when = published.strftime("%Y-%m-%d %H:%M") if page.published_at else "-"
    return page.page, str(page.version), str(len(page.rules)), when, page.author, page.reason


def _moment(text: str, zone: tzinfo) -> int:
    from schemas.errors import BadSettings
    from schemas.times import moment

    try:
        return moment(text, zone)
    except (ValueError, OverflowError) as error:
        raise BadSettings(f"--at: {error}") from None
