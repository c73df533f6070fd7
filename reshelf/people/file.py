"""The file that names people: TOML, a table for each, with the digest of their token and their roles.

    ["Mira"]
    token = "9f86d081…"
    roles = ["publish"]

It holds no token, only what is computed from one in two steps: a token gives a pass, which a browser keeps as its
cookie, and the pass gives the digest.  So neither the file nor a cookie tells a token, and the file tells no pass.
"""

from __future__ import annotations

import hmac
import json
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from reshelf.people.person import LOOKER, Person, Role, person_with
from reshelf.service_settings import ConsoleSettings, PublishingSettings
from schemas.errors import BadSettings
from streams.access import required_token

TOKEN_BYTES = 32
DIGEST = 64
LONGEST_NAME = 64
FIELDS = ("token", "roles")


class People:
    """Those of a file, by the digests of their tokens."""

    def __init__(self, by_digest: Mapping[str, Person]) -> None:
        self._by_digest = by_digest

    def __len__(self) -> int:
        return len(self._by_digest)

    @property
    def persons(self) -> Sequence[Person]:
        """All of them, in the order of the file."""
        return list(self._by_digest.values())

    def with_token(self, token: str) -> Person | None:
        """Whose token this is."""
        return self.with_pass(pass_of(token))

    def with_pass(self, given: str) -> Person | None:
        """Whose pass this is; what is given may hold bytes that are no characters."""
        digest = _digest(given).encode()
        pairs = self._by_digest.items()
        return next((holder for stored, holder in pairs if hmac.compare_digest(stored.encode(), digest)), None)


NOBODY = People({})


def read_people(path: str) -> People:
    """The people of a file; of no path, nobody.

    Raises `BadSettings` for a file that is not there, holds something else, or names nobody.
    """
    if not path:
        return NOBODY
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(f"publishing.people {path}: expected a TOML file, got: {error}") from None
    by_digest: dict[str, Person] = {}
    for name, fields in content.items():
        digest, person = _person(name, fields, path)
        if digest in by_digest:
            raise BadSettings(f"{path}: {by_digest[digest].name} and {name} have the same token: give each their own")
        by_digest[digest] = person
    if not by_digest:
        raise BadSettings(f"{path}: expected people, got none. `reshelf people add NAME` says what to write there.")
    return People(by_digest)


def _person(name: str, fields: Any, path: str) -> tuple[str, Person]:
    where = f"{path}: {name[:LONGEST_NAME]!r}"
    if not isinstance(fields, dict) or set(fields) != set(FIELDS):
        raise BadSettings(f"{where}: expected a table with `token` and `roles`")
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadSettings(f"{where}: expected a name of 1 to {LONGEST_NAME} printable characters")
    digest, roles = fields["token"], fields["roles"]
    if not isinstance(digest, str) or len(digest) != DIGEST or not set(digest) <= set("0123456789abcdef"):
        raise BadSettings(
            f"{where}: token: expected the digest of a token, {DIGEST} hexadecimal digits, not a token itself. "
            "`reshelf people add NAME` makes a token and its digest."
        )
    every = list(Role)
    if not isinstance(roles, list) or not roles or any(role not in every for role in roles):
        raise BadSettings(
            f"{where}: roles: expected some of {', '.join(every)}, got {roles!r}. "
            "`reshelf people add NAME --role ROLE` writes such a table."
        )
    return digest, person_with(name, map(Role, roles))


def pass_of(token: str) -> str:
    """What a browser keeps and sends once it has given a token; the token cannot be read from it."""
    return _hashed(f"console {token}")


def _digest(given: str) -> str:
    return _hashed(f"people {given}")


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def entry(name: str, roles: Sequence[Role], token: str) -> str:
    """The lines that name somebody in the file."""
    said = ", ".join(json.dumps(str(role)) for role in roles)
    return f'[{json.dumps(name, ensure_ascii=False)}]\ntoken = "{_digest(pass_of(token))}"\nroles = [{said}]\n'


def person_of_token(people: People, token: str) -> Person:
    """Whose token it is; without one somebody who may look.  Raises `BadSettings` for a token that is nobody's."""
    if not token:
        return LOOKER
    if (person := people.with_token(token)) is None:
        raise BadSettings("publishing.token: expected the token of somebody in publishing.people, got another")
    return person


def require_names(settings: PublishingSettings, people: People) -> None:
    """Raises `BadSettings` where two people are needed and nobody has a name that a token says."""
    if settings.two_people and not people:
        raise BadSettings(
            "publishing.two_people: expected publishing.people to name people with tokens (`reshelf people add`): "
            "without them anybody could take two names."
        )


def require_access(settings: ConsoleSettings, people: People) -> None:
    """Raises `BadSettings` where anybody could reach the console from elsewhere, or sign with any name."""
    if not people:
        required_token("console", settings.host, settings.token)
    elif settings.token.get_secret_value():
        raise BadSettings(
            "console.token and publishing.people are both set: whoever has that token could sign with any name. "
            "Take one away."
        )


def add_person(path: Path, name: str, roles: Sequence[Role], token: str) -> None:
    """Name somebody in a file, which may not be there yet; raises `BadSettings` where it names them already."""
    there = read_people(str(path)).persons if path.exists() else []
    if any(person.name == name for person in there):
        raise BadSettings(f"{path} names {name!r} already: delete these lines first, then their old token ends, too")
    lines = entry(name, roles, token)
    _person(name, tomllib.loads(lines).get(name), str(path))
    try:
        path.touch(mode=0o600, exist_ok=True)
        with path.open("a", encoding="utf-8") as opened:
            opened.write(f"\n{lines}" if there else lines)
    except OSError as error:
        raise BadSettings(f"{path}: expected a file that can be written: {error}") from None


def _hashed(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()
