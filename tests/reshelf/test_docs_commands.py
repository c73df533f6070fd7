"""Commands, options and settings that documents name are those that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from reshelf.cli.main import cli
from reshelf.settings import fields
from tests.reshelf.test_docs import PAGES, ROOT, code

SETTINGS = {key for key, _ in fields()}
OF_OTHERS = {"--profile", "--scale", "--constraint", "--no-deps"}
"""Options of Docker Compose and pip."""
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES if page.stem != "CHANGELOG"}
"""The changelog also names what is gone."""


def command_lines(text: str) -> Iterator[str]:
    """What follows `reshelf` where a page shows a command, in a block or between backticks."""
    for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\\\n *", " ", block).splitlines():
            if line.startswith("reshelf "):
                yield line.removeprefix("reshelf ").partition("  ")[0].partition(" #")[0]
    yield from (name.removeprefix("reshelf ") for name in code(text) if re.match(r"reshelf [a-z-]", name))


def options_of(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }


def every_option(command: click.Command = cli) -> set[str]:
    """The options of a command and of all below it."""
    options = options_of(command)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            options |= every_option(below)
    return options


OPTIONS = every_option() | OF_OTHERS


def mistakes(line: str) -> Iterator[str]:
    """What of a command line does not exist: `check|apply` stands for either, words behind a command for values."""
    commands: list[click.Command] = [cli]
    words = re.sub(r'"[^"]*"', "TEXT", line)
    for name in words.split():
        if name.startswith(("-", "[")) or not isinstance(commands[0], click.Group):
            break
        inside = [commands[0].get_command(click.Context(commands[0]), part) for part in name.split("|")]
        if None in inside:
            yield f"no command {name}"
            return
        commands = [command for command in inside if command is not None]
    for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", words):
        if not all(option in options_of(command) for command in commands):
            yield f"{commands[0].name} has no option {option}"


@pytest.mark.parametrize("page", TEXTS)
def test_commands_that_a_page_names_exist(page: str) -> None:
    wrong = [f"reshelf {line}: {mistake}" for line in command_lines(TEXTS[page]) for mistake in mistakes(line)]
    assert not wrong, "\n".join(wrong)


def test_pages_name_commands() -> None:
    """The walk finds blocks as well as inline code."""
    lines = {line for text in TEXTS.values() for line in command_lines(text)}
    assert len(lines) > 100
    assert {"topics apply", "replay --into short --reattribute --window-ms 86400000"} <= lines


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("rules check|apply|show", ""),
        ("rules check|applies", "no command check|applies"),
        ("state swap november", ""),
        ("state swop november", "no command swop"),
        ("demo --equal --seed 2", "demo has no option --equal"),
        ('rules apply home.yaml --author mira --reason "no --week"', ""),
        ("--version", ""),
        ("--versions", "cli has no option --versions"),
    ],
)
def test_what_does_not_exist_is_noticed(line: str, mistake: str) -> None:
    assert list(mistakes(line)) == ([mistake] if mistake else [])


@pytest.mark.parametrize("page", TEXTS)
def test_options_that_a_page_names_alone_exist(page: str) -> None:
    names = {name.split()[0].partition("=")[0] for name in code(TEXTS[page]) if re.match(r"--[a-z]", name)}
    assert names <= OPTIONS


@pytest.mark.parametrize("page", TEXTS)
def test_settings_of_environments_and_files_that_a_page_shows_exist(page: str) -> None:
    """Those between backticks are tested beside the other contents of pages."""
    variables = re.findall(r"\bRESHELF_([A-Z]+)__([A-Z_]+[A-Z])\b", TEXTS[page])
    groups = "|".join({key.partition(".")[0] for key in SETTINGS})
    lines = re.findall(rf"^ *((?:{groups})\.[a-z_]+) *=", TEXTS[page], re.MULTILINE)
    assert {f"{group}.{name}".lower() for group, name in variables} | set(lines) <= SETTINGS
