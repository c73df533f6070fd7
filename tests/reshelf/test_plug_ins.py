"""Every command is listed with its help, those of other packages included."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner

from reshelf.cli.main import COMMANDS, TASKS, cli, run
from reshelf.cli.plugins import OFFERED, plugins
from tests.reshelf.environments import alone

__all__ = ["alone"]


@pytest.mark.parametrize("name", sorted([*COMMANDS, *OFFERED]))
def test_every_command_has_help(name: str) -> None:
    if name not in cli.list_commands(click.Context(cli)):
        pytest.fail(f"no module for {name}")
    for arguments in ([name], *([name, inner] for inner in inner_names(name))):
        assert run([*arguments, "--help"]) == 0


def inner_names(name: str) -> list[str]:
    command = cli.get_command(click.Context(cli), name)
    return list(command.commands) if isinstance(command, click.Group) else []


def test_each_command_is_listed_under_one_task() -> None:
    listed = [name for names in TASKS.values() for name in names]
    assert sorted(listed) == sorted([*COMMANDS, *OFFERED])
    said = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"{task}:" in said for task in TASKS)


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> dict[str, EntryPoint]:
    """The plug-ins of this test alone."""
    found: dict[str, EntryPoint] = {}
    monkeypatch.setattr("reshelf.cli.main.plugins", lambda: found)
    monkeypatch.setattr("reshelf.cli.plugins.plugins", lambda: found)
    return found


@pytest.mark.parametrize("name", OFFERED)
def test_a_command_that_is_not_installed_says_how_to_get_it(
    name: str, brought: dict[str, EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--json"]) == 2
    distribution, folder = OFFERED[name]
    told = capsys.readouterr()
    assert f"expected the package {distribution}" in json.loads(told.out)["error"]
    assert f"pip install ./{folder}" in told.err
    assert run(["--help"]) == 0
    assert f"  {name} " not in capsys.readouterr().out


def test_commands_of_other_packages_are_listed_and_run(
    brought: dict[str, EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    brought["greet"] = EntryPoint("greet", "reshelf.cli.setup.settings:settings", "reshelf.commands")
    brought["doctor"] = EntryPoint("doctor", "nowhere:at_all", "reshelf.commands")
    assert run(["--help"]) == 0
    told = capsys.readouterr().out
    assert "From other packages:\n  greet" in told
    assert run(["greet", "--json"]) == 0
    assert run(["doctor", "--help"]) == 0


def test_help_of_a_plug_in_is_what_its_package_says_of_itself() -> None:
    said = CliRunner().invoke(cli, ["--help"]).output
    for name in OFFERED:
        distribution = plugins()[name].dist
        assert distribution is not None
        assert f"{name}  {distribution.metadata['Summary']}" in said
