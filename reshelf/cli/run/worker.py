"""`reshelf worker`: the stream workers."""

from __future__ import annotations

import signal

import click

from reshelf.cli.front import Front


@click.command()
@click.argument(
    "roles", nargs=-1, type=click.Choice(["learner", "attribution", "fitter", "layouts"]), metavar="[ROLE]..."
)
@click.pass_obj
def worker(front: Front, roles: tuple[str, ...]) -> int:
    """Run the stream workers until they are stopped.

    A ROLE is learner, attribution, fitter or layouts.  One ROLE runs in this process;
    several, or all four where none is named, run as processes of their own.  When one
    of them ends, the command ends with status 1 so that its supervisor starts it again.

    Example: reshelf worker learner attribution
    """
    # Client libraries catch everything around some of their imports, and the event loop around its
    # callbacks: an exit raised there would be lost, so a signal is only noted until the loop hears it.
    signals: list[int] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, frame: signals.append(number))
    from reshelf.processes.parallel import limit_threads

    limit_threads()
    from reshelf.processes.roles import ROLES, run_role, run_roles

    settings = front.settings
    if len(roles) == 1:
        return run_role(roles[0], settings, "DEBUG" if front.verbose > 1 else "INFO", lambda: bool(signals))
    return 128 + signals[0] if signals else run_roles(roles or ROLES, settings)
