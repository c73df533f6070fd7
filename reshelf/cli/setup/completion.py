"""`reshelf completion`: the tab key in a shell."""

from __future__ import annotations

import click

from reshelf.cli.front import Front


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(front: Front, shell: str) -> None:
    """Print a script that lets SHELL complete commands, options and their values.

    \b
    bash  add to ~/.bashrc:  eval "$(reshelf completion bash)"
    zsh   add to ~/.zshrc:   eval "$(reshelf completion zsh)"
    fish  reshelf completion fish > ~/.config/fish/completions/reshelf.fish

    Example: reshelf completion bash
    """
    from click.shell_completion import get_completion_class

    from reshelf.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    text = kind(cli, {}, "reshelf", "_RESHELF_COMPLETE").source()
    front.answer({"shell": shell, "script": text}, text, file=True)
