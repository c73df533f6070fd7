"""`reshelf log`: the decision log for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from reshelf.cli.front import Front
from reshelf.numbers import number
from schemas.errors import BadSettings


@click.group()
def log() -> None:
    """Export the decision log for other tools, or archive the event topics."""


@log.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "jsonl"]),
    default="parquet",
    show_default=True,
    help="The form of the files: parquet is smaller and needs the extra `archive`, jsonl any tool can read.",
)
@click.pass_obj
def archive(front: Front, folder: Path, form: str) -> None:
    """Write what the event topics hold to FOLDER, one file for each partition.

    `reshelf replay --archive FOLDER` reads the files, also after the topics have deleted the records.

    Example: reshelf log archive november
    """
    from schemas.topics import EVENT_TOPICS
    from streams.kafka.log_source import KafkaSource
    from streams.replay.archive import write

    source, names = KafkaSource(front.settings.kafka), [topic.name for topic in EVENT_TOPICS]
    counts = write(source, folder, source.bounds(names), form)
    total = sum(counts.values())
    front.answer({"folder": str(folder), "files": counts, "records": total}, f"{number(total)} records are in {folder}")


@log.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "open-bandit"]),
    default="parquet",
    show_default=True,
    help="Files of Parquet, or a folder in the form of the Open Bandit Dataset.",
)
@click.option(
    "--page", help="The only page to export; open-bandit needs it where there are several.  [default: all pages]"
)
@click.pass_obj
def export(front: Front, target: Path, form: str, page: str | None) -> None:
    """Write what was shown, how likely it was and what came of it to the folder TARGET.

    Impressions, clicks and conversions are joined with the layouts that they came
    from, on disk (in TMPDIR).  Parquet has a row for each slot that was seen, in files of 100,000
    page views each, one after the other in time; docs/concepts/evaluation.md describes the
    columns.  The folder must not exist yet.
    open-bandit writes TARGET/POLICY/PAGE/PAGE.csv and item_context.csv, as that dataset has them.

    Example: reshelf log export decisions
    """
    from reshelf.evaluation import export as form_of
    from reshelf.evaluation.evaluate import evaluator

    if form == "parquet" and target.exists():
        raise BadSettings(f"export: expected a new folder, got {target}, which is there already. Name another.")
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no log. Use the settings of a running one.")
    written = form_of.write_parquet if form == "parquet" else form_of.write_open_bandit
    with evaluator(front.settings) as decisions:
        files, left_out = written(decisions.tables, target, page), decisions.tables.left_out
    lines = [f"{name}: {value}" for name, value in files.items()]
    lines += [f"left out: {number(count)}, {reason}" for reason, count in left_out.items()]
    front.answer({**files, "left_out": left_out}, "\n".join(lines))
