"""Who publishes from a command line, when, and the text of a file that they name."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, TextIO

import click

from reshelf.cli.front import Front

if TYPE_CHECKING:
    from reshelf.people.person import Person, Role

AUTHOR = click.option(
    "--author",
    default=None,
    help="Who does this, for the history, where no people are named.  [default: the user of this machine]",
)

CSV = click.option("--csv", is_flag=True, help="Print CSV for spreadsheets.")


def person_of(front: Front, role: Role, author: str | None) -> Person:
    """Who publishing.token says, where people are named, and else whoever says so.

    Raises `BadSettings` where they lack the role, or where a name was given in place of a token.
    """
    from reshelf.people.file import person_of_token, read_people, require_names
    from reshelf.people.person import ANYBODY
    from schemas.errors import BadSettings

    publishing = front.settings.publishing
    people = read_people(publishing.people)
    require_names(publishing, people)
    if not people:
        return ANYBODY._replace(name=author or getpass.getuser())
    if author is not None:
        raise BadSettings(
            "--author: people are named in publishing.people, so publishing.token says who you are. Leave it out."
        )
    person = person_of_token(people, publishing.token.get_secret_value())
    if not person.may(role):
        has = f"{person.name} has: {', '.join(sorted(person.roles))}" if person.name else "no publishing.token is set"
        raise BadSettings(f"this needs the role {role}; {has}")
    return person


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def file_text(file: TextIO) -> str:
    """The whole text; raises `BadSettings` for what is not UTF-8."""
    from schemas.errors import BadSettings
    from schemas.foreign_content import encoding_of

    try:
        return file.read()
    except UnicodeDecodeError as error:
        said = f"; it {named}" if (named := encoding_of(error.object)) else ""
        raise BadSettings(
            f"{file.name}: expected text in UTF-8, got a byte that is none: {error.reason}{said}"
        ) from None
