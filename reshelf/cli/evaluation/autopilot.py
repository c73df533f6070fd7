"""`reshelf experiment autopilot`: drop the policies on trial that are worse for certain, and promote the last."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import click

from reshelf.cli.evaluation.plan import GOALS
from reshelf.cli.front import LEVEL_OPTION, Front
from reshelf.numbers import figures, gain, number, quantity

if TYPE_CHECKING:
    from reshelf.evaluation.autopilot import Certificate, Interval


@click.command()
@click.argument("page")
@click.option("--goal", type=click.Choice(GOALS), default="clicks", show_default=True, help="What decides.")
@LEVEL_OPTION
@click.option("--dry-run", is_flag=True, help="Say what would be done, and publish nothing.")
@click.pass_obj
def autopilot(front: Front, page: str, goal: str, level: float, dry_run: bool) -> None:
    """Drop the policies on trial on PAGE that are worse than the best for certain, and promote the last one left.

    May be run as often as you like, each hour for example: all intervals hold together, at all times, with
    --level. A policy that is dropped gives its visitors the best one; of the last, the page's own is made, and the
    trial is over. Only policies that the page's file declared are put in force. The reason of the
    published version says what was compared, and the record of the run has the whole certificate.

    Example: reshelf experiment autopilot home --dry-run
    """
    from reshelf.evaluation.autopilot import as_json, carry_out, certificate_of, race_of
    from reshelf.evaluation.records.store import record
    from reshelf.rules.topic import history, newest, undeclared

    front.require_state()
    began = time.monotonic()
    kafka = front.settings.kafka
    if page not in (declared := newest(kafka)):
        raise undeclared(page, declared)
    if not declared[page].branches:
        front.answer({"page": page, "action": "none", "branches": []}, f"{page} has no policies on trial")
        return
    race = race_of(history(kafka, page))
    certificate, settings = asyncio.run(certificate_of(front.settings, race, goal, level, time.time_ns() // 1_000_000))
    if not dry_run:
        certificate = carry_out(front.settings, race, certificate)
    content = dict(as_json(certificate))
    if certificate.version_after is not None:
        asked_for = {"page": page, "goal": goal, "level": level}
        log = {page: {"since_ms": certificate.counted_since_ms}}
        run = record("autopilot", settings, asked_for, log, content, time.monotonic() - began)
        content["run"] = run.id if run else None
    front.answer(content, _text(certificate, dry_run))


def _text(certificate: Certificate, dry_run: bool) -> str:
    lines = [
        f"{certificate.page}: {certificate.goal} of version {certificate.version_before}, all intervals together at "
        f"{figures(certificate.level)}, each at {figures(certificate.pair_level)}",
        *(_line(branch) for branch in certificate.branches),
    ]
    if certificate.action == "none":
        return "\n".join([*lines, "nothing is certain yet: all stay"])
    version = f"version {certificate.version_after}" if certificate.version_after is not None else "not published"
    return "\n".join([*lines, f"{certificate.reason()}: {'dry run, ' if dry_run else ''}{version}"])


def _line(branch: Interval) -> str:
    from reshelf.numbers import between

    if branch.views is None:
        return f"  {branch.name}: {branch.standing}"
    rate = quantity(branch.rate)
    line = f"  {branch.name}: {branch.standing}, {number(branch.views)} page views, {rate} each"
    if branch.gain is None or branch.low is None or branch.high is None:
        return line
    return f"{line}, {gain(branch.gain)} against the best ({between(branch.low, branch.high)})"
