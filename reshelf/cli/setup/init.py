"""`reshelf init`: a settings file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="reshelf.toml")
@click.pass_obj
def init(front: Front, file: Path) -> None:
    """Write every setting, its meaning and its default to FILE (reshelf.toml), which must not exist.

    Example: reshelf init
    """
    from reshelf.settings import template

    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(template())
    except FileExistsError:
        raise BadSettings(f"init: expected a new file, got {file}, which is there already. Name another.") from None
    front.answer({"file": str(file)}, f"{file} written; take the # away from what you change")
