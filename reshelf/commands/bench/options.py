"""What the measurements share: their options, and the words for where they ran."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reshelf.commands import Front

AT_LEAST_ONE = click.IntRange(min=1)
SLOTS = click.IntRange(1, 64)

rounds = click.option(
    "--rounds", type=AT_LEAST_ONE, default=3, show_default=True, help="Rounds that count, after one that warms up."
)


def machine() -> str:
    """What figures were measured on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def broker(front: Front) -> str:
    """Which broker took part."""
    return "embedded" if front.embedded else front.settings.kafka.bootstrap
