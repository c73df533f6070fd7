"""Names of commands and options that are like one that was mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click

UNKNOWN_COMMAND = "No such command"
ALIKE = 0.7
"""Of the letters, after the dashes; below it a suggestion leads astray."""


def suggest(error: click.UsageError) -> None:
    """Say which name may have been meant, where an error tells of one that there is not."""
    if isinstance(error, click.NoSuchOption):
        options = {name for param in error.ctx.command.params for name in param.opts} if error.ctx else set()
        error.possibilities = near(error.option_name, options)
    elif error.message.startswith(UNKNOWN_COMMAND) and error.ctx and isinstance(error.ctx.command, click.Group):
        name = error.message.removeprefix(UNKNOWN_COMMAND).strip(" '.")
        if names := near(name, error.ctx.command.list_commands(error.ctx)):
            error.message += f" Did you mean {' or '.join(names)}?"


def near(name: str, names: Iterable[str]) -> list[str]:
    """Up to three names that are like `name`, the nearest first."""
    bare = {full.lstrip("-"): full for full in names}
    return [bare[like] for like in difflib.get_close_matches(name.lstrip("-"), bare, n=3, cutoff=ALIKE)]
