"""`reshelf schemas`: the contract as files, and its compatibility."""

from __future__ import annotations

from pathlib import Path

import click

from reshelf.cli.front import Front


@click.group()
def schemas() -> None:
    """Write the message schemas, or check them against the last release."""


@schemas.command("export")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def export_(front: Front, folder: Path | None) -> None:
    """Write JSON Schemas, the AsyncAPI document and TypeScript types to FOLDER.

    Without FOLDER they are written to the package itself.

    Example: reshelf schemas export contract
    """
    from schemas.export import GENERATED, write

    written = write(folder or GENERATED)
    front.answer({"written": [str(path) for path in written]}, "\n".join(str(path) for path in written))


@schemas.command("check")
@click.pass_obj
def check(front: Front) -> int:
    """Check that the messages do not break readers or writers of the last release.

    Ends with status 1 when they do.

    Example: reshelf schemas check
    """
    from schemas.compatibility import check_released

    broken = check_released()
    front.answer({"breaks": broken}, "\n".join(broken) or "nothing breaks")
    return 1 if broken else 0
