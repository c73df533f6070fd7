"""`reshelf drill`: break everything while events flow, then check the books."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reshelf.commands import Front
from schemas.errors import ReshelfError

if TYPE_CHECKING:
    from reshelf.drill.run import Report


@click.command()
@click.option("--kills", type=click.IntRange(min=1), default=16, show_default=True, help="Faults to inject.")
@click.option("--seconds", type=click.FloatRange(min=5), default=None, help="For so long.  [default: 6 for each fault]")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another number, other faults.")
@click.option("--rate", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Events a second.")
@click.option(
    "--kafka-home",
    envvar="KAFKA_HOME",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Apache Kafka's folder; without it the embedded broker is used, and nothing happens to it.",
)
@click.option("--hostile", type=click.IntRange(min=1), help="Instead: so many harmful records, without any server.")
@click.option("--only", multiple=True, help="Faults whose name contains this; may be repeated.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave the workers' logs in this folder."
)
@click.pass_obj
def drill(
    front: Front,
    kills: int,
    seconds: float | None,
    seed: int,
    rate: float,
    kafka_home: Path | None,
    hostile: int | None,
    only: tuple[str, ...],
    keep: Path | None,
) -> None:
    """Kill, freeze, restart and roll back everything while events flow; then compare the state with the log.

    Starts a broker, Redis and workers of its own.  Ends with status 1 when an event was lost or
    counted twice.
    """
    if hostile is not None:
        _hostile(front, hostile, seed)
        return
    from reshelf.drill.plan import Kind
    from reshelf.drill.run import Order, as_json
    from reshelf.drill.run import drill as carry_out

    order = Order(kills, seconds or 6.0 * kills, seed, rate, kafka_home, only)
    if not order.kinds:
        raise click.BadParameter(f"no fault has such a name; known are: {', '.join(Kind)}", param_hint="--only")
    if kafka_home is None:
        click.echo("No KAFKA_HOME: the embedded broker is used, and faults of the broker are left out.", err=True)
    with tempfile.TemporaryDirectory(prefix="reshelf-drill-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = carry_out(front.settings, order, folder, lambda text: click.echo(text, err=True))
    front.answer(as_json(report), _text(report))
    if not report.equal:
        raise ReshelfError(f"the books do not agree; run it again with --seed {seed}")


def _hostile(front: Front, records: int, seed: int) -> None:
    from dataclasses import asdict

    from reshelf.drill.hostile import hostile

    account = hostile(records, seed, front.settings.fold)
    lines = [f"{verdict:<12}{number:>10,}" for verdict, number in account.verdicts.most_common()]
    lines += [f"{'read':<12}{account.read:>10,}", f"distinct names let in: {dict(account.names)}"]
    lines.append(f"clicks kept for attribution: {account.clicks_kept}")
    lines.append(f"memory grew by {account.grown_mb} MB")
    front.answer({**asdict(account), "equal": account.equal}, "\n".join(lines))
    if not account.equal:
        raise ReshelfError(f"some records got no verdict or two; run it again with --seed {seed}")


def _text(report: Report) -> str:
    lines = [f"{'fault':<46}{'times':>6}{'recovered after, s: p50':>26}{'max':>7}"]
    for kind, times in sorted(report.faults.items()):
        took = report.recovery_s.get(kind, {})
        lines.append(f"{kind:<46}{times:>6}{took.get('p50', '-'):>26}{took.get('max', '-'):>7}")
    for kind, times in sorted(report.impossible.items()):
        lines.append(f"{kind:<46}{times:>6} not possible at that moment")
    lines.append("")
    for finding in report.findings:
        verdict = "equal" if finding.equal else f"{finding.lost} lost, {finding.double} double"
        lines.append(f"{finding.what:<46}{finding.compared:>8} compared  {verdict}")
        lines += [f"    {example}" for example in finding.examples]
    lines += [f"a worker gave up: {said}" for said in report.gave_up]
    lines.append(f"layouts that reached the history alone: {report.torn_layouts}")
    lines.append(f"slowest end of a worker when asked: {report.slowest_stop_s} s")
    lines.append(f"events {report.events}, lost {report.lost}, double {report.double}, seed {report.seed}")
    return "\n".join(lines)
