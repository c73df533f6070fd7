"""`reshelf bench soak`: whether memory, file handles and the like stay flat over days of traffic."""

from __future__ import annotations

import click

from bench.options import broker, machine, own_servers, teller
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option(
    "--minutes", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="How long traffic is sent."
)
@click.option("--rate", type=click.FloatRange(min=1), default=200.0, show_default=True, help="Events a second.")
@click.option(
    "--compress",
    type=click.FloatRange(min=1),
    default=48.0,
    show_default=True,
    help="By which factor all windows are shorter than the settings have them.",
)
@click.option(
    "--sample-seconds",
    type=click.FloatRange(min=0.5),
    default=10.0,
    show_default=True,
    help="How many seconds lie between two samples.",
)
@click.option(
    "--process-mb", type=AT_LEAST_ONE, default=2_000, show_default=True, help="A part that takes more is ended."
)
@click.pass_obj
def soak(front: Front, minutes: float, rate: float, compress: float, sample_seconds: float, process_mb: int) -> None:
    """Send days of traffic in an hour, and see whether memory, file handles and the like stay flat.

    Learner, attribution, fitter, layout worker, edge and console run as processes of their own.
    Visitors, items and pages come and go.  All windows (time buckets, their expiry, lateness,
    duplicates, attribution, layouts, retention of topics) are shorter by a factor, and none is
    longer than a share of the run, so that what expires in days does so many times.

    Of each figure the slope over the second half is told per day of traffic, with its 98 %
    interval.  It grows where even the lower bound is more than 2 % of its level.  The status
    is 1 where something grows.  The embedded broker keeps all records in memory, so that of
    topics only a Kafka says anything.  Topics and state are the measurement's own, and are
    deleted afterwards.

    Example: reshelf bench soak --broker embedded --minutes 60
    """
    from bench.soak.options import Options
    from bench.soak.report import text
    from bench.soak.run import soak as run
    from reshelf.settings import load_settings

    name = "kafka" if front.kafka_home else "embedded" if front.embedded else ""
    settings = load_settings(front.file).settings if name else front.settings
    options = Options(minutes, rate, compress, sample_seconds, process_mb, name, front.kafka_home)
    summary = run(settings, options, teller())
    front.answer({"machine": machine(), "broker": broker(front), **summary}, text(summary))
    front.context.exit(0 if summary["flat"] else 1)
