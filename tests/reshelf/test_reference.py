"""The command reference is that of the commands."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click
import pytest

from reshelf.cli.main import cli
from reshelf.cli.reference import EXAMPLE, written
from tests.deploy.manifests import parsed

FILE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def test_the_reference_is_what_the_commands_say() -> None:
    assert FILE.read_text(encoding="utf-8") == written(), "write it anew with `make generated`"


def commands(group: click.Group, parent: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Path and command of everything below a group."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            yield from commands(command, context)
        else:
            yield context.command_path, command


def test_every_command_has_an_example_that_is_a_command_line_of_it(tmp_path: Path) -> None:
    found = dict(commands(cli, click.Context(cli, info_name="reshelf")))
    assert len(found) > 40
    for path, command in found.items():
        (example,) = [part for part in cleandoc(command.help or "").split("\n\n") if part.startswith(EXAMPLE)] or [path]
        assert example.startswith(f"{EXAMPLE}{path}"), f"{path}: expected a paragraph {EXAMPLE!r} in its help"
        for line in example.removeprefix(EXAMPLE).splitlines():
            assert_parses(shlex.split(line)[1:], tmp_path)


def assert_parses(arguments: list[str], folder: Path) -> None:
    """A file or folder that the example names is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in arguments:
            if name.endswith((".yaml", ".jsonl", ".json", ".toml")):
                Path(name).touch()
            elif name.endswith("folder"):
                Path(name).mkdir(exist_ok=True)
        parsed(cli, arguments)


def completed(line: str) -> list[str]:
    """What the tab key offers at the end of a line."""
    asked = {"_RESHELF_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    command = [sys.executable, "-c", "from reshelf.cli.main import main; main()"]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, timeout=120, check=True)
    return [one.partition(",")[2] for one in done.stdout.splitlines()]


def test_the_tab_key_completes_commands_options_and_values() -> None:
    assert completed("reshelf st") == ["state"]
    assert completed("reshelf rules ro") == ["rollback"]
    assert "--topic" in completed("reshelf publish --")
    assert completed("reshelf publish f --topic events-c") == ["events-clicks", "events-conversions", "events-credits"]
    assert completed("reshelf worker le") == ["learner"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_printed_for_a_shell_is_a_script_of_it(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reshelf", "completion", shell], capture_output=True, text=True, timeout=120, check=True
    )
    assert f"_RESHELF_COMPLETE={shell}_complete" in done.stdout
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n"], input=done.stdout, text=True, timeout=120, check=True)
