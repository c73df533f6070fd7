"""`reshelf doctor`: what is wrong with an installation, and what to do."""

from __future__ import annotations

import dataclasses

import click

from reshelf.cli.front import Front


@click.command()
@click.pass_obj
def doctor(front: Front) -> int:
    """Check settings, broker, topics, Redis, clocks and workers, and say what to do about each problem.

    Ends with status 1 when something is wrong.

    Example: reshelf doctor
    """
    from reshelf.doctor import Finding, examine

    findings = [Finding("settings", "ok", "they are valid"), *examine(front.settings)]
    bad = any(finding.state == "bad" for finding in findings)
    content = {"ok": not bad, "findings": [dataclasses.asdict(finding) for finding in findings]}
    front.answer(content, "\n".join(str(finding) for finding in findings))
    return 1 if bad else 0
