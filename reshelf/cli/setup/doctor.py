"""`reshelf doctor`: what is wrong with an installation, and what to do."""

from __future__ import annotations

import dataclasses
from itertools import chain

import click

from reshelf.cli.front import Front


@click.command()
@click.option(
    "--plan",
    metavar="SHOP",
    help="Examine nothing, but say what a shop of this size needs: pages, segments, items that a page may show, "
    "events_per_s of the busiest hour; and, where they differ, slots (12), days that are counted (90), clicks_per_s "
    "(a twentieth of the events) and retention_days of the event topics (7).",
)
@click.pass_obj
def doctor(front: Front, plan: str | None) -> int:
    """Check settings, broker, topics, Redis, clocks and workers, and say what to do about each problem.

    Ends with status 1 when something is wrong.  With --plan, for example "pages=100, segments=50, items=1000,
    events_per_s=5000", nothing is examined, and the answer is what such a shop needs.

    Example: reshelf doctor
    """
    if plan is not None:
        return _plan(front, plan)
    from reshelf.doctor import Finding, examine
    from reshelf.terminal.prose import tell

    settings, findings = front.settings, []
    for finding in chain([Finding("settings", "ok", "they are valid")], examine(settings)):
        findings.append(finding)
        if not front.json:
            tell(str(finding), hang=6)
    bad = any(finding.state == "bad" for finding in findings)
    if front.json:
        front.answer({"ok": not bad, "findings": [dataclasses.asdict(finding) for finding in findings]}, "")
    return 1 if bad else 0


def _plan(front: Front, text: str) -> int:
    from reshelf.doctor.plan import limits, needs, shop_of

    shop = shop_of(text)
    needed, near = list(needs(shop, front.settings)), list(limits(shop, front.settings.fold))
    content = {
        "shop": dataclasses.asdict(shop),
        "needs": [dataclasses.asdict(need) for need in needed],
        "limits": near,
    }
    front.answer(content, "\n".join([*map(str, needed), *near]))
    return 0
