"""`reshelf people`: who may look, edit, publish and approve."""

from __future__ import annotations

from pathlib import Path

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings

ROLES = ("look", "edit", "publish", "approve")
FILE = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that names people.  [default: publishing.people]",
)


@click.group()
def people() -> None:
    """Give people tokens of their own for the console and for `reshelf mcp`, with roles.

    Who has "edit" may also look, who has "publish" may also edit, who has "approve" may also look.

    Example: reshelf people add Mira --role publish --file people.toml
    """


@people.command()
@click.argument("name")
@click.option(
    "--role", "roles", type=click.Choice(ROLES), multiple=True, default=("look",), show_default=True,
    help="What they may do; may be given more than once.",
)  # fmt: skip
@FILE
@click.pass_obj
def add(front: Front, name: str, roles: tuple[str, ...], path: Path | None) -> None:
    """Name somebody in the file, and print their new token, which is nowhere else.

    The file holds no token, only its digest. To take a token away, delete the lines of its owner; console and
    `reshelf mcp` read the file when they start.

    Example: reshelf people add Mira --role publish --role approve
    """
    from reshelf.people.file import add_person, new_token
    from reshelf.people.person import Role

    place, token = _place(front, path), new_token()
    add_person(place, name, [Role(role) for role in roles], token)
    front.answer(
        {"name": name, "roles": list(roles), "token": token, "file": str(place)},
        f"{name} is in {place}. Their token, which is shown this once:\n{token}",
    )


@people.command("list")
@FILE
@click.pass_obj
def list_(front: Front, path: Path | None) -> None:
    """List the people of the file with their roles.

    Example: reshelf people list
    """
    from reshelf.people.file import read_people

    persons = read_people(str(_place(front, path))).persons
    rows = [{"name": person.name, "roles": sorted(person.roles)} for person in persons]
    front.answer({"people": rows}, "\n".join(f"{person.name}: {', '.join(sorted(person.roles))}" for person in persons))


def _place(front: Front, path: Path | None) -> Path:
    named = front.settings.publishing.people
    if path is None and not named:
        raise BadSettings("people: expected a file. Name one by --file, and in the setting publishing.people.")
    return path or Path(named)
