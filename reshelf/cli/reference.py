"""The reference of the command line, written from the commands themselves: `make generated`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from reshelf.cli.main import TASKS, cli

WIDTH = 100
EXAMPLE = "Example: "
SHARED = ("--settings", "--embedded", "--json", "--verbose", "--help")


def written() -> str:
    """All commands by task, as Markdown."""
    lines = [
        "# Commands",
        "",
        "Every command also takes `--settings FILE`, `--json` (one JSON object on standard output),",
        "`--embedded` (a broker and Redis for this command alone), `-v` and `--help`.",
        "Exit status: 0 done, 1 failed, 2 wrong use or settings.",
        "",
        "| task | commands |",
        "|---|---|",
        *(f"| {task} | {', '.join(f'[{name}](#reshelf-{name})' for name in names)} |" for task, names in TASKS.items()),
    ]
    root = click.Context(cli, info_name="reshelf", max_content_width=WIDTH, terminal_width=WIDTH)
    for task, names in TASKS.items():
        lines += ["", f"## {task}"]
        for name in names:
            command = cli.get_command(root, name)
            if command is not None:
                lines += _section(command, name, root)
    return "\n".join(lines) + "\n"


def _section(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=WIDTH, terminal_width=WIDTH)
    yield from ("", f"### {context.command_path}", "", "```", *_usage(context), "```", "")
    yield from _text(command)
    shared = tuple(f"- `{option}" for option in SHARED)
    options = [row for row in _options(command, context) if not row.startswith(shared)]
    if options:
        yield from ("", *options)
    if isinstance(command, click.Group):
        for inner in sorted(command.commands):
            yield from _section(command.commands[inner], inner, context)


def _usage(context: click.Context) -> Iterator[str]:
    for line in context.get_usage().removeprefix("Usage: ").splitlines():
        yield line.strip()


def _text(command: click.Command) -> Iterator[str]:
    """The help, a line for each paragraph with an empty one between two; what keeps its lines is a block of code."""
    for at, part in enumerate(cleandoc(command.help or "").split("\n\n")):
        if at:
            yield ""
        if part.startswith("\b\n"):
            yield from ("```", *part.splitlines()[1:], "```")
        elif part.startswith(EXAMPLE):
            yield f"{EXAMPLE}`{' '.join(part.removeprefix(EXAMPLE).split())}`"
        else:
            yield " ".join(part.split())


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            names, about = parameter.get_help_record(context) or ("", "")
            if not names.startswith("-v"):
                yield f"- `{' '.join(names.split())}` {' '.join(about.split())}".rstrip()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(), encoding="utf-8")
