"""`reshelf import`: logged data sets, published to topics."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reshelf.cli.data.import_events import events, nothing, progress
from reshelf.cli.front import Front

if TYPE_CHECKING:
    from reshelf.settings import Settings


@click.group("import")
def import_() -> None:
    """Import logged data sets."""


import_.add_command(events)


@import_.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--campaign", required=True, help="The campaign: all, men or women.")
@click.option("--policy", required=True, help="Which of the two logged policies: bts or random.")
@click.option(
    "--segment-by",
    default="user_feature_0",
    show_default=True,
    help="The column whose value, shortened, is the segment.",
)
@click.option(
    "--prefix", help="The prefix of topics for this data alone.  [default: the settings' prefix and obd-CAMPAIGN-]"
)
@click.option(
    "--export", type=click.Choice(["csv"]), help="Wait until the state holds everything, then print its counts."
)
@click.pass_obj
def obd(
    front: Front, directory: Path, campaign: str, policy: str, segment_by: str, prefix: str | None, export: str | None
) -> None:
    """Import the Open Bandit Dataset from DIR, which holds bts/ and random/.

    Each row becomes an impression of one slot on page obd-CAMPAIGN, and a click where it
    was clicked, at the time of the row.  They count as learned traffic of layout 0.
    Events that the topics already hold are left out, so importing again changes
    nothing.  With --embedded and --export one command does everything.

    Example: reshelf import obd obd-folder --campaign all --policy random --embedded
    """
    from reshelf.datasets.importing import own_settings, publish
    from reshelf.datasets.open_bandit import OpenBandit

    data = OpenBandit(directory, campaign, policy, segment_by)
    data.check()
    settings = own_settings(front.settings, prefix, f"obd-{campaign}")
    with progress(f"rows of {data.log_file.name}") as on_row:
        counts = publish(settings.kafka, data, on_row)
    if export is None:
        front.answer({**counts, "prefix": settings.kafka.prefix}, _summary(settings, counts))
        return
    _export(front, settings, export)


def _export(front: Front, settings: Settings, form: str) -> None:
    from reshelf.cli.state.state import write_export
    from reshelf.datasets.importing import wait_until_applied

    with _learner(settings) if front.embedded else contextlib.nullcontext(nothing) as check:
        wait_until_applied(settings, check)
        write_export(settings, form)


@contextlib.contextmanager
def _learner(settings: Settings) -> Iterator[Callable[[], None]]:
    """A learner beside this process; gives a function that raises when it ended."""
    import tempfile

    from reshelf.processes.children import process
    from reshelf.settings import as_environment
    from schemas.errors import ReshelfError

    with tempfile.TemporaryDirectory(prefix="reshelf-import-") as folder:
        log = Path(folder) / "learner.log"
        with process([sys.executable, "-m", "reshelf", "worker", "learner"], log, as_environment(settings)) as child:

            def check() -> None:
                if (status := child.poll()) is not None:
                    raise ReshelfError(
                        f"the learner ended with status {status}:\n{log.read_text(errors='replace')[-2000:]}"
                    )

            yield check


def _summary(settings: Settings, counts: dict[str, int]) -> str:
    from reshelf.datasets.importing import how_to_learn

    return (
        f"{counts['rows']} rows with {counts['clicks']} clicks read, {counts['published']} events published to "
        f"{settings.kafka.prefix}events-*. To learn from them run\n{how_to_learn(settings, 'worker learner')}"
    )
