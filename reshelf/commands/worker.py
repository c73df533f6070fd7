"""`reshelf worker`: the stream workers."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

import click

from reshelf.commands import Front


@click.command()
@click.argument(
    "roles", nargs=-1, type=click.Choice(["learner", "attribution", "fitter", "layouts"]), metavar="[ROLE]..."
)
@click.pass_obj
def worker(front: Front, roles: tuple[str, ...]) -> int:
    """Run the stream workers until stopped.

    One ROLE (learner, attribution, fitter or layouts) runs in this process; several, or
    none for all four, run as processes of their own.  When one ends by itself
    the command ends with status 1, for its supervisor to start it again.
    """
    with _asked_later():
        from reshelf.roles import ROLES, run_role, run_roles

    settings = front.settings
    if len(roles) == 1:
        return run_role(roles[0], settings, "DEBUG" if front.verbose > 1 else "INFO")
    return run_roles(roles or ROLES, settings)


@contextlib.contextmanager
def _asked_later() -> Iterator[None]:
    """SIGTERM waits for the end of this block.

    Client libraries catch everything around some of their imports: an exit that came
    up there was lost, and the worker went on.
    """
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked:
        raise SystemExit(143)
