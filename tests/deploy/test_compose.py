"""What `docker-compose.yml` asks for exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reshelf.command import cli
from reshelf.roles import ROLES
from reshelf.settings import fields, variable

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "docker-compose.yml").read_text(encoding="utf-8")
)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def parsed(command: click.Command, arguments: list[str], parent: click.Context | None = None) -> None:
    """Parse a command line down to its last command; raises UsageError where it is wrong."""
    with command.make_context(command.name, list(arguments), parent=parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            _, inner, left = command.resolve_command(context, rest)
            assert inner is not None
            parsed(inner, left, context)


@pytest.mark.parametrize("name", OURS)
def test_command_lines_and_variables_are_known(name: str) -> None:
    parsed(cli, OURS[name]["command"])
    known = {variable(key) for key, _ in fields()}
    assert set(OURS[name]["environment"]) <= known


def test_a_wrong_command_line_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parsed(cli, ["worker", "sweeper"])


def test_every_worker_runs() -> None:
    assert {service["command"][1] for service in OURS.values() if service["command"][0] == "worker"} == set(ROLES)
