"""How far a measurement is, for who looks at a terminal."""

from __future__ import annotations

import click


def say(what: str, done: int = 0, total: int = 0) -> None:
    """On one line of a terminal, which the next one replaces and an empty one clears; the last of `total` stays."""
    if click.get_text_stream("stderr").isatty():
        text = f"{what}: {done} of {total}" if total else what
        click.echo(f"\r\x1b[K{text}", err=True, nl=0 < total == done)
