"""`reshelf runs`: records of runs, and how they differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reshelf.cli.front import Front
from reshelf.numbers import figures, number
from schemas.errors import BadSettings

if TYPE_CHECKING:
    from reshelf.evaluation.records.run import Run

KINDS = ("replay", "evaluate", "tune", "finetune", "autopilot")
LONGEST = 60
"""Characters of a value that a comparison shows; `runs show` and --json have it whole."""


@click.group()
def runs() -> None:
    """List, show and compare the records that replay, evaluate, tune, finetune and experiment autopilot leave."""


@runs.command(name="list")
@click.option("--kind", type=click.Choice(KINDS), help="The only kind to list.  [default: all kinds]")
@click.pass_obj
def list_(front: Front, kind: str | None) -> None:
    """List the runs in `runs.folder`, the oldest first.

    Example: reshelf runs list --kind evaluate
    """
    import msgspec

    selection = [run for run in _recorded_runs(front) if kind in (None, run.kind)]
    lines = [
        f"{run.id}  {run.finished_at}  {number(run.seconds, 1)} s  settings {run.settings}  {_parameters(run)}"
        for run in selection
    ]
    front.answer({"runs": [msgspec.to_builtins(run) for run in selection]}, "\n".join(lines) or "no runs")


@runs.command()
@click.argument("run")
@click.pass_obj
def show(front: Front, run: str) -> None:
    """Show one RUN; the beginning of its id is enough.

    Example: reshelf runs show RUN
    """
    import msgspec

    from reshelf.evaluation.records.store import find

    record = find(_recorded_runs(front), run)
    text = msgspec.json.format(msgspec.json.encode(record), indent=2).decode()
    front.answer(msgspec.to_builtins(record), text)


@runs.command()
@click.argument("first", metavar="ONE")
@click.argument("other")
@click.pass_obj
def compare(front: Front, first: str, other: str) -> None:
    """Show how two runs differ.

    Example: reshelf runs compare ONE OTHER
    """
    from reshelf.evaluation.records.store import differences, find

    records = _recorded_runs(front)
    changes = differences(find(records, first), find(records, other))
    content: dict[str, Any] = {"differences": {name: [had, has] for name, had, has in changes}}
    front.answer(content, "\n".join(f"{name}: {_short(had)} | {_short(has)}" for name, had, has in changes) or "equal")


def _parameters(run: Run) -> str:
    """The options that were given, or have a default that says something."""
    return ", ".join(f"{name}={value}" for name, value in run.asked.items() if value not in (None, False, ""))


def _short(value: Any) -> str:
    text = figures(value, 5) if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _recorded_runs(front: Front) -> list[Run]:
    from reshelf.evaluation.records.store import recorded_runs

    folder = front.settings.runs.folder
    if not folder:
        raise BadSettings("runs.folder is empty: no runs are kept. Set it to a folder.")
    return recorded_runs(Path(folder))
