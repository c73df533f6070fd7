"""`reshelf drill`: break everything while events flow, then check that nothing was lost."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front
from reshelf.drill.plan import Kind
from reshelf.numbers import number
from schemas.errors import ReshelfError

if TYPE_CHECKING:
    from reshelf.drill.report import Report


@click.command()
@click.option(
    "--kills",
    type=click.IntRange(min=0),
    default=16,
    show_default=True,
    help="How many faults to cause; 0: none, to watch memory and open files over a long run.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=5),
    default=None,
    help="How long events are sent, in seconds.  [default: 6 for each fault, at least 60]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="The number that faults are planned from; another one plans others.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="How many events are sent in a second.",
)
@click.option(
    "--kafka-home",
    envvar="KAFKA_HOME",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of Apache Kafka; without it the embedded broker is used, and has no faults.",
)
@click.option(
    "--fuzz",
    type=click.IntRange(min=1),
    help="Instead of a drill: how many damaged records to decode and fold, without any server.",
)
@click.option(
    "--cluster", is_flag=True, help="Keep the state in a Redis Cluster of three primaries and three replicas."
)
@click.option("--external", is_flag=True, help="Use the broker and Redis of the settings, and break workers only.")
@click.option(
    "--redis-delay-ms", type=click.IntRange(0, 2_000), default=0, help="How much later Redis answers, in milliseconds."
)
@click.option(
    "--read-kb-per-s",
    type=click.IntRange(min=0),
    default=0,
    help="How many kilobytes a second Kafka gives each client at most; 0: no limit.",
)
@click.option(
    "--faults",
    multiple=True,
    help="Cause only faults whose names contain this; may be given several times. There are: " + "; ".join(Kind) + ".",
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the logs of the workers in this folder."
)
@click.pass_obj
def drill(
    front: Front,
    kills: int,
    seconds: float | None,
    seed: int,
    rate: float,
    kafka_home: Path | None,
    fuzz: int | None,
    cluster: bool,
    external: bool,
    redis_delay_ms: int,
    read_kb_per_s: int,
    faults: tuple[str, ...],
    keep: Path | None,
) -> None:
    """Kill, freeze, restart and roll back everything while events flow, then compare the state with the log.

    Starts a broker, Redis and workers of its own.  On the servers of the settings (--external)
    topics and keys have names of their own, and are removed before and after.  Ends with
    status 1 when an event was lost or counted twice, or when it could not finish: then it tells what it has.

    Example: reshelf drill --kills 12 --seconds 80
    """
    if fuzz is not None:
        _fuzz(front, fuzz, seed)
        return
    from reshelf.drill.report import Options, as_json
    from reshelf.drill.run import drill as carry_out

    _check(cluster, external, redis_delay_ms, read_kb_per_s, kafka_home)
    options = Options(
        kills=kills,
        seconds=seconds or max(60.0, 6.0 * kills),
        seed=seed,
        rate=rate,
        home=None if external else kafka_home,
        only=faults,
        cluster=cluster,
        external=external,
        redis_delay_s=redis_delay_ms / 1000,
        read_bytes_per_s=1000 * read_kb_per_s,
    )
    if not options.kinds:
        raise click.BadParameter(f"no fault has such a name; known are: {', '.join(Kind)}", param_hint="--faults")
    if kafka_home is None and not external:
        click.echo("No KAFKA_HOME: the embedded broker is used, and faults of the broker are left out.", err=True)
    with tempfile.TemporaryDirectory(prefix="reshelf-drill-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = carry_out(front.settings, options, folder, lambda text: click.echo(text, err=True))
    front.answer(as_json(report), _text(report))
    if report.unfinished:
        raise ReshelfError(f"the drill did not finish; run it again with --seed {seed}")
    if not report.equal:
        raise ReshelfError(f"the books do not agree; run it again with --seed {seed}")


def _check(cluster: bool, external: bool, redis_delay_ms: int, read_kb_per_s: int, kafka_home: Path | None) -> None:
    if external and (cluster or redis_delay_ms or read_kb_per_s):
        raise click.UsageError("--external leaves servers as they are: use it without --cluster and without slowness")
    if cluster and redis_delay_ms:
        raise click.UsageError("--redis-delay-ms works for one Redis, not for --cluster")
    if read_kb_per_s and kafka_home is None:
        raise click.UsageError("--read-kb-per-s needs a real Kafka: set --kafka-home")


def _fuzz(front: Front, records: int, seed: int) -> None:
    from reshelf.drill.fuzz import check_hostile_records

    account = check_hostile_records(records, seed, front.settings.fold)
    lines = [f"{verdict:<12}{number(count):>10}" for verdict, count in account.verdicts.most_common()]
    lines += [f"{'read':<12}{number(account.read):>10}", f"distinct names let in: {dict(account.names)}"]
    lines.append(f"clicks kept for attribution: {account.clicks_kept}")
    lines.append(f"memory grew by {account.grown_mb} MB")
    front.answer(account.as_json(), "\n".join(lines))
    if not account.equal:
        raise ReshelfError(f"some records got no verdict or two; run it again with --seed {seed}")


def _text(report: Report) -> str:
    lines = [f"{'fault':<46}{'times':>6}{'recovered after, s: p50':>26}{'max':>7}"]
    for kind, times in sorted(report.faults.items()):
        took = report.recovery_s.get(kind, {})
        lines.append(f"{kind:<46}{times:>6}{took.get('p50', '-'):>26}{took.get('max', '-'):>7}")
    for kind, times in sorted(report.impossible.items()):
        lines.append(f"{kind:<46}{times:>6} not possible at that moment")
    for kind, times in sorted(report.slow_restarts.items()):
        lines.append(f"{kind:<46}{times:>6} slow restarts of a server, which was waited for")
    for kind, times in sorted(report.proved_nothing.items()):
        lines.append(f"{kind:<46}{times:>6} proved nothing: it had no turn")
    lines.append("")
    if report.unfinished:
        lines.append(f"unfinished, so this is what there was by then: {report.unfinished}")
    for finding in report.findings:
        verdict = "equal" if finding.equal else f"{finding.lost} lost, {finding.double} double"
        lines.append(f"{finding.what:<46}{finding.compared:>8} compared  {verdict}")
        lines += [f"    {example}" for example in finding.examples]
    lines += [f"a worker gave up: {said}" for said in report.gave_up]
    for use in report.uses:
        memory, files = use.memory_mb, use.files
        lines.append(
            f"{use.worker:<20} {memory[0]:>7} to {memory[1]:>7} MB ({use.slope_mb_per_h:+} MB/h), "
            f"{files[0]} to {files[1]} files"
        )
    lines.append(f"applied after, s: {report.latency_s}; furthest behind: {report.most_behind} records")
    lines.append(f"layouts that reached the history alone: {report.torn_layouts}")
    lines.append(f"slowest end of a worker when asked: {report.slowest_stop_s} s")
    lines.append(f"events {report.events}, lost {report.lost}, double {report.double}, seed {report.seed}")
    return "\n".join(lines)
