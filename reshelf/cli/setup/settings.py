"""`reshelf settings`: what is in effect, and a file to start from."""

from __future__ import annotations

import click

from reshelf.cli.front import Front


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
    front.answer(content, "\n".join(f"{key:<28} {value!s:<28} {origin}" for key, value, origin in rows))
