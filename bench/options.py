"""What the measurements share: their options, and the words for where they ran."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import AT_LEAST_ONE

if TYPE_CHECKING:
    from reshelf.cli.front import Front
    from reshelf.settings import Settings

SLOTS = click.IntRange(1, 64)

rounds = click.option(
    "--rounds", type=AT_LEAST_ONE, default=3, show_default=True, help="How many rounds count, after one that warms up."
)


def _start(context: click.Context, _: click.Parameter, value: str | None) -> None:
    front: Front = context.obj
    if value is None:
        return
    front.embedded = True
    if value == "kafka":
        home = os.environ.get("KAFKA_HOME")
        if not home:
            raise click.UsageError("--broker kafka starts the Apache Kafka that KAFKA_HOME names, and it names none.")
        front.kafka_home = Path(home)


own_servers = click.option(
    "--broker",
    type=click.Choice(["embedded", "kafka"]),
    callback=_start,
    expose_value=False,
    help="Start a Redis and this broker for the measurement alone; `kafka` starts the Apache Kafka in KAFKA_HOME.",
)


def machine() -> str:
    """What figures were measured on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def with_own_topics(settings: Settings, name: str) -> Settings:
    """The settings with topics of the measurement's own, which are created."""
    from reshelf.topics.admin import apply

    own = settings.changed(kafka={"prefix": f"{settings.kafka.prefix}{name}-"})
    apply(own.kafka)
    return own


def with_own_names(settings: Settings, name: str) -> Settings:
    """The settings with topics and a namespace whose names begin with one that no other run uses."""
    return settings.changed(kafka={"prefix": f"{settings.kafka.prefix}{name}-"}, redis={"namespace": name})


def broker(front: Front) -> str:
    """Which broker took part."""
    if front.kafka_home:
        return "Apache Kafka, one node"
    return "embedded" if front.embedded else front.settings.kafka.bootstrap


def teller() -> Callable[[str], None]:
    """Says what is done now, with the seconds since the command began."""
    began = time.monotonic()
    return lambda text: click.echo(f"{time.monotonic() - began:6.0f} s  {text}", err=True)


def taste_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that measures learned segments."""
    visitors = click.option(
        "--visitors",
        type=click.IntRange(min=2_000),
        default=5_000,
        show_default=True,
        help="How many visitors --shop tastes has.",
    )
    elsewhere = click.option(
        "--elsewhere",
        type=click.IntRange(0, 10),
        help="How many items a visitor of --shop tastes looks at elsewhere for each page view.  [default: 1]",
    )
    worlds = click.option(
        "--world",
        "worlds",
        type=click.Choice(["strong", "weak", "continuous", "none", "drift", "new_items", "shared_devices", "robots"]),
        multiple=True,
        help="In which worlds of --shop tastes; may be given more than once.  [default: all]",
    )
    return visitors(elsewhere(worlds(command)))
