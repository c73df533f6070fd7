"""`reshelf state`: what was learned, exported, compared and switched."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front
from reshelf.numbers import number
from reshelf.terminal.waiting import shown
from schemas.errors import BadSettings, Transient

if TYPE_CHECKING:
    from reshelf.settings import Settings
    from streams.state.manifest import Manifest


@click.group()
def state() -> None:
    """Export, digest or compare the state, extend it, switch to another namespace, or drop one."""


@state.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="The form of the export.",
)
@click.pass_obj
def export(front: Front, form: str) -> None:
    """Write the counts to standard output.

    jsonl is the canonical export, one JSON array per line.  csv has the columns
    page, segment, bucket (where a span of time buckets begins, in milliseconds),
    buckets (how many it has: old ones are added up), item, slot, and behind them
    the counts that its first line names, for all traffic together; conversions and
    revenue are counted by item, so they are in a line with an empty slot.

    Example: reshelf state export --format csv
    """
    write_export(front.settings, form)


@state.command()
@click.argument("namespace", required=False)
@click.pass_obj
def digest(front: Front, namespace: str | None) -> None:
    """Print the SHA-256 of the canonical export of NAMESPACE, or of the live one.

    Two replays of the same stretch of log have the same digest.

    Example: reshelf state digest november
    """
    from reshelf.namespaces.state import sorted_rows
    from streams.state.alias import namespace_of
    from streams.state.export import counted_digest

    name = namespace or asyncio.run(namespace_of(front.settings.redis))
    with sorted_rows(front.settings, name) as (canonical,):
        digest, rows = counted_digest(canonical)
    front.answer({"namespace": name, "digest": digest, "rows": rows}, digest)


@state.command()
@click.argument("first", metavar="ONE")
@click.argument("other")
@click.pass_obj
def diff(front: Front, first: str, other: str) -> int:
    """Compare the counts of two namespaces, and end with status 1 where they differ.

    Namespaces that have read different stretches of the log differ: replay to the
    same offset first.

    Example: reshelf state diff live november
    """
    from reshelf.namespaces.state import compared

    comparison = compared(front.settings, first, other)
    lines = [f"only in {first}: {row}" for row in comparison.only_one] + [
        f"only in {other}: {row}" for row in comparison.only_other
    ]
    text = "\n".join([*lines, f"{comparison.equal} rows are equal, {comparison.differing} differ"])
    content = {
        "equal": comparison.equal,
        "differing": comparison.differing,
        "only": [comparison.only_one, comparison.only_other],
    }
    front.answer(content, text)
    return int(comparison.differing > 0)


@state.command()
@click.argument("namespace")
@click.option(
    "--max-behind",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="How many records NAMESPACE may lack; it is refused where it lacks more.",
)
@click.option(
    "--skip-dead-letters",
    is_flag=True,
    help="Switch even if NAMESPACE has passed invalid records that workers have not dead-lettered yet.",
)
@click.pass_obj
def swap(front: Front, namespace: str, max_behind: int, skip_dead_letters: bool) -> None:
    """Switch live workers to NAMESPACE: from now on the name in redis.namespace stands for it.

    Workers notice within a second and end with status 1; once their supervisor has
    started them again they use NAMESPACE.  Nothing is lost: NAMESPACE has watermarks of
    its own and goes on from them.  To switch back, name the old namespace.

    Example: reshelf state swap november
    """
    from reshelf.namespaces.state import swapped

    before = swapped(front.settings, namespace, max_behind, skip_dead_letters)
    name = front.settings.redis.namespace
    front.answer({"name": name, "before": before, "now": namespace}, f"{name}: {before} before, {namespace} now")


@state.command()
@click.pass_obj
def extend(front: Front) -> None:
    """Let the live namespace count topics and kinds of signals that it lacks.

    A namespace that was made before there were signals and returns goes on without them until it is extended; so it
    does with kinds of signals that fold.signals has named since.  Nothing that was counted changes.  A topic is counted
    from its beginning, a new kind from now on.  Stop the workers first and start them afterwards, the learners before
    attribution, then let web tiers send.

    Example: reshelf state extend
    """
    from reshelf.namespaces.extend import extended

    new = extended(front.settings, _require_idle)
    text = f"counted from now on: {', '.join(new)}" if new else "nothing to add: the namespace counts all that there is"
    front.answer({"namespace": front.settings.redis.namespace, "added": new}, text)


@state.command()
@click.argument("namespace")
@click.option("--yes", is_flag=True, help="Delete it without asking first.")
@click.pass_obj
def drop(front: Front, namespace: str, yes: bool) -> None:
    """Delete NAMESPACE, which nobody uses any more: its counts, and what workers keep for it on their disks.

    A namespace that a name stands for is refused, and so is one in which workers run.  Workers delete
    its folders from their disks within ten minutes.  The log and the layouts stay.

    Example: reshelf state drop november --yes
    """
    from reshelf.namespaces.drop import content_of
    from reshelf.namespaces.drop import drop as delete

    content = content_of(front.settings, namespace)
    if content.manifest is not None:
        _require_idle(front.settings, content.manifest)
    if not yes:
        if front.json or not sys.stdin.isatty():
            raise BadSettings("--yes: expected it where nobody can be asked, got none. Nothing was deleted.")
        shown()
        click.confirm(f"Delete namespace {namespace}, {number(content.keys)} keys?", abort=True, err=True)
    count = delete(front.settings, namespace)
    front.answer({"namespace": namespace, "keys": count}, f"{namespace}: {number(count)} keys are deleted")


def _require_idle(settings: Settings, manifest: Manifest) -> None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from reshelf.inspect.consumer_groups import absent_roles
    from reshelf.processes.roles import ROLES
    from streams.kafka.clients import confluent_admin_config

    try:
        absent = absent_roles(AdminClient(confluent_admin_config(settings.kafka)), manifest)
    except KafkaException as error:
        raise Transient(
            f"Kafka at {settings.kafka.bootstrap} does not say whether workers run in {manifest.namespace!r}: "
            f"{error.args[0].str()}. Nothing was done."
        ) from None
    if running := [role for role in ROLES if role not in absent]:
        roles = ", ".join(running)
        raise BadSettings(
            f"workers run in namespace {manifest.namespace!r} ({roles}): stop them first. Nothing was done."
        )


def write_export(settings: Settings, form: str) -> None:
    """Write the live namespace to standard output as `jsonl` or `csv`; raises `StateAttention` without one."""
    from reshelf.namespaces.state import sorted_rows
    from streams.state import export as canonical
    from streams.state.alias import namespace_of

    with sorted_rows(settings, asyncio.run(namespace_of(settings.redis))) as (rows,):
        if form == "jsonl":
            sys.stdout.buffer.writelines(canonical.lines(rows))
            return
        text = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            canonical.write_csv(rows, text)
        finally:
            text.detach()
