"""`reshelf replay`: build the state of a stretch of log again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reshelf.cli.front import AT_LEAST_ONE, Front
from reshelf.numbers import number
from reshelf.terminal.progress import progress

if TYPE_CHECKING:
    from streams.kafka.log_source import Source


@click.command()
@click.option("--into", "namespace", required=True, help="The namespace to build, which workers do not use.")
@click.option(
    "--from", "begin", default="beginning", show_default=True, help="Where to begin: beginning, an offset or a time."
)
@click.option("--to", "end", default="end", show_default=True, help="Where to end: end, an offset or a time.")
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read the files of `reshelf log archive` in this folder instead of topics.",
)
@click.option("--reattribute", is_flag=True, help="Decide again which clicks purchases are credited to.")
@click.option(
    "--window-ms",
    type=click.IntRange(min=1),
    help="With --reattribute: how long before a purchase a click may have happened, in milliseconds, on all pages.",
)
@click.option(
    "--current-limits",
    is_flag=True,
    help="Hold all names against the limits of the settings, not against those that held in the live namespace.",
)
@click.option(
    "--workers",
    type=AT_LEAST_ONE,
    help="How many processes share the partitions; the default follows from cores, partitions and records.",
)
@click.pass_obj
def replay(
    front: Front,
    namespace: str,
    begin: str,
    end: str,
    archive: Path | None,
    reattribute: bool,
    window_ms: int | None,
    current_limits: bool,
    workers: int | None,
) -> None:
    """Build the state again from the event topics, in a namespace of its own, while the live one is in use.

    Conversions are read as they were decided, or with --reattribute decided again
    by the settings and the windows that pages declare now.  A replay that was stopped goes on
    when the same command is given again.  With --settings it may use other settings of the
    fold.  Afterwards see `reshelf state diff`, `reshelf state digest` and `reshelf state swap`.

    Example: reshelf replay --from 2026-11-01 --into november
    """
    from reshelf.evaluation.records.store import record
    from reshelf.namespaces.replay import Options, as_json, run, windows

    if window_ms and not reattribute:
        raise click.UsageError("--window-ms: windows matter to purchases that are decided again: add --reattribute")
    settings = front.settings
    source = _source(front, archive)
    anew = windows(settings, window_ms) if reattribute else None
    options = Options(begin, end, namespace, anew, current_limits, workers)
    with progress(front.json, ",.0f") as begin_progress:
        done = run(settings, source, options, begin_progress)
    outcome = as_json(done)
    parameters: dict[str, Any] = {"from": begin, "to": end, "into": namespace, "archive": archive and str(archive)}
    parameters |= {"reattribute": reattribute, "window_ms": window_ms}
    parameters |= {"current_limits": current_limits, "workers": done.workers}
    record("replay", settings, parameters, {"starts": done.starts, "ends": done.ends}, outcome, done.seconds)
    gone = [
        f"{number(count)} records of {place} were deleted before the log begins" for place, count in done.gone.items()
    ]
    rate = f"{number(outcome['records_per_s'])}/s"
    by = f" by {done.workers} processes" if done.workers > 1 else ""
    text = f"{number(outcome['records'])} records in {outcome['seconds']} s, {rate}{by}, are in {namespace!r}"
    front.answer(outcome, "\n".join([*gone, text, f"limits on names: {done.limited}"]))


def _source(front: Front, archive: Path | None) -> Source:
    if archive is not None:
        from streams.replay.archive import ArchiveSource

        return ArchiveSource(archive)
    from streams.kafka.log_source import KafkaSource

    return KafkaSource(front.settings.kafka)
