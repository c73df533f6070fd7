"""What deployment files say, and whether our command line and settings take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reshelf.cli.main import cli
from reshelf.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-some-length"
Node = dict[str, Any]


def documents(file: Path) -> Iterator[Node]:
    """Every object of a file, those of lists one by one."""
    for found in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        yield from found["items"] if found["kind"] == "List" else [found]


def parsed(command: click.Command, arguments: list[str], parent: click.Context | None = None) -> None:
    """Parse a command line down to its last command; raises UsageError where it is wrong."""
    with command.make_context(command.name, list(arguments), parent=parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            _, inner, left = command.resolve_command(context, rest)
            assert inner is not None
            parsed(inner, left, context)


def understood(arguments: list[str]) -> None:
    """The command line is one of ours."""
    parsed(cli, arguments)


def settings_of(environment: Mapping[str, str], patch: pytest.MonkeyPatch) -> Settings:
    """The settings that a process with this environment has; raises BadSettings."""
    for name, value in environment.items():
        patch.setenv(name, value)
    return load_settings().settings
