"""`reshelf report`: a page of HTML that opens anywhere."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import LEVEL_OPTION, Front
from schemas.errors import BadSettings
from streams.catalog.snapshot import read_catalog

if TYPE_CHECKING:
    from reshelf.inspect.report.page import Report
    from reshelf.settings import Settings

POLICIES = ("served", "holdout", "greedy")


@click.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--page", help="The only page to report on.  [default: all pages]")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    default=POLICIES,
    show_default=True,
    help="A policy to evaluate; may be given several times.",
)
@click.option(
    "--log/--no-log",
    default=True,
    show_default=True,
    help="Whether the event topics are read, which evaluating policies needs.",
)
@LEVEL_OPTION
@click.pass_obj
def report(front: Front, target: Path, page: str | None, policies: tuple[str, ...], log: bool, level: float) -> None:
    """Write uplift over time, posteriors, examination, policies and the experiment's health to TARGET.

    TARGET is a file of HTML with everything it needs inside, so it opens without a network.

    Example: reshelf report report.html --page home
    """
    from reshelf.evaluation.evaluate import POLICIES as KNOWN
    from reshelf.inspect.report.page import html
    from reshelf.namespaces.open_state import namespace_settings

    if front.embedded:
        raise BadSettings("--embedded: servers that just started have no state. Use the settings of running ones.")
    if unknown := sorted(set(policies) - set(KNOWN)):
        raise BadSettings(f"--policy: expected some of {', '.join(KNOWN)}, got {', '.join(unknown)}.")
    report = _collect(namespace_settings(front.settings), page, policies if log else (), level)
    target.write_text(html(report), encoding="utf-8")
    content = {"file": str(target), "pages": [page.page for page in report.pages], "notes": list(report.notes)}
    front.answer(content, "\n".join([f"{target}: {len(report.pages)} pages", *report.notes]))


def _collect(settings: Settings, page: str | None, policies: tuple[str, ...], level: float) -> Report:
    from reshelf.evaluation.evaluate import Question, evaluator
    from reshelf.inspect.report.gather import pages
    from reshelf.inspect.report.page import Report
    from schemas.errors import ReshelfError

    reports = asyncio.run(pages(settings, read_catalog(settings.kafka), page, level))
    if not reports:
        raise ReshelfError(
            f"{'no page has' if page is None else f'page {page!r} has no'} counts, so nothing was written. "
            "`reshelf experiment status` shows the pages that have some."
        )
    answers, notes = [], []
    if policies:
        with evaluator(settings) as decisions:
            for policy in policies:
                try:
                    answer = decisions.answer(Question(policy, page=page, level=level))
                    answers.append(answer)
                    notes += [f"Policy {policy} was not valued: {reason}" for reason in answer["refused"].values()]
                except ReshelfError as error:
                    notes.append(f"Policy {policy} was not valued: {error}")
    names = settings.redis.namespace, settings.fold.currency
    return Report(time.time_ns() // 1_000_000, *names, level, reports, answers, notes, settings.shop.zone)
