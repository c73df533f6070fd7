"""`reshelf settings`: what is in effect, and a file to start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from reshelf.cli.front import Front

HANG = 4
VALUE = 24
"""Cells of a value; a longer one moves what stands behind it."""


@click.command()
@click.option(
    "--template", is_flag=True, help="Print a TOML file with every setting, explained and commented out, instead."
)
@click.pass_obj
def settings(front: Front, template: bool) -> None:
    """Show each setting in effect and where its value comes from; secrets are hidden.

    Example: reshelf settings --template
    """
    from reshelf import settings as all_settings

    if template:
        click.echo(all_settings.template(), nl=False)
        return
    rows = all_settings.values_with_sources(front.loaded)
    content = {key: {"value": value, "from": origin} for key, value, origin in rows}
    front.answer(content, "\n".join(lines_of(rows)), hang=HANG)


def lines_of(rows: Sequence[tuple[str, object, str]]) -> Iterator[str]:
    """A line for each setting, with its value and where that comes from; what is wide goes on in the next line."""
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        yield f"{key:<{width}}  {text:<{VALUE}} {origin}"
