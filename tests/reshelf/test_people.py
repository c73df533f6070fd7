"""People: what the file says, and what the console lets whom do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from reshelf.console.access_control import OURS, AccessControl
from reshelf.console.routes import ROLES, addresses, require_roles
from reshelf.console.web import Console, _signed
from reshelf.people.file import NOBODY, People, add_person, entry, new_token, pass_of, read_people, require_access
from reshelf.people.person import ANYBODY, INCLUDED, Person, Role, person_with
from reshelf.service_settings import ConsoleSettings
from reshelf.settings import Settings
from schemas.errors import BadSettings
from tests.reshelf.test_console_hostile import answers, request

TOKENS = {role: f"the token of one who may {role}" for role in Role}


@pytest.fixture
def people(tmp_path: Path) -> People:
    """One person for each role, called after it."""
    path = tmp_path / "people.toml"
    for role, token in TOKENS.items():
        add_person(path, f"Mx {role}", [role], token)
    return read_people(str(path))


def test_a_token_and_its_pass_lead_to_the_same_person_and_nothing_else_does(people: People, tmp_path: Path) -> None:
    text = (tmp_path / "people.toml").read_text(encoding="utf-8")
    assert (tmp_path / "people.toml").stat().st_mode & 0o077 == 0
    for role, token in TOKENS.items():
        assert people.with_token(token) == people.with_pass(pass_of(token)) == person_with(f"Mx {role}", [role])
        assert token not in text and pass_of(token) not in text
    digests = [line.split('"')[1] for line in text.splitlines() if line.startswith("token")]
    for wrong in ("", "x", "\udcff", *digests, *TOKENS.values()):
        assert people.with_pass(wrong) is None
    for wrong in ("", *digests, pass_of(TOKENS[Role.LOOK])):
        assert people.with_token(wrong) is None


def test_roles_come_with_others() -> None:
    assert all(Role.LOOK in roles and role in roles for role, roles in INCLUDED.items())
    assert not person_with("m", [Role.PUBLISH]).may(Role.APPROVE)
    assert not person_with("m", [Role.APPROVE, Role.EDIT]).may(Role.PUBLISH)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected people, got none"),
        ("= 1", "expected a TOML file"),
        ("mira = 1", "expected a table"),
        ('[mira]\ntoken = "abc"\nroles = ["look"]', "64 hexadecimal digits"),
        (entry("mira", [Role.LOOK], "t").replace("look", "rule"), "expected some of look, edit, publish, approve"),
        (entry("mira", [], "t"), "expected some of"),
        (entry(" ", [Role.LOOK], "t"), "printable"),
        (entry("mira", [Role.LOOK], "t") + entry("max", [Role.LOOK], "t"), "mira and max have the same token"),
    ],
)
def test_a_wrong_file_is_refused_without_its_tokens(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings, match=said) as refused:
        read_people(str(path))
    assert "abc" not in str(refused.value)


def test_nobody_is_named_twice_and_a_missing_file_is_refused(people: People, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="names 'Mx look' already"):
        add_person(tmp_path / "people.toml", "Mx look", [Role.EDIT], new_token())
    with pytest.raises(BadSettings, match="expected a TOML file"):
        read_people(str(tmp_path / "none.toml"))
    assert read_people("") is NOBODY


def test_people_do_instead_of_the_one_token(people: People) -> None:
    everywhere = ConsoleSettings(host="0.0.0.0")
    require_access(everywhere, people)
    with pytest.raises(BadSettings, match=r"console\.token"):
        require_access(everywhere, NOBODY)
    with pytest.raises(BadSettings, match="both set"):
        require_access(ConsoleSettings(token="a-token-of-some-length"), people)


def application(people: People) -> web.Application:
    view: Any = SimpleNamespace(settings=Settings())
    return Console(view, AccessControl(ConsoleSettings(), people)).app()


def test_each_address_needs_its_role(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever may is answered without a broker.
    monkeypatch.setattr("reshelf.rules.drafts.records", lambda *_: iter(()))
    app = application(people)
    assert set(addresses(app)) == set(ROLES), "an address and its role belong together"
    asked = [(method, path, holder) for method, path in ROLES for holder in (None, *Role)]
    sent = [
        request(
            method,
            path.replace("{name}", "main.js"),
            f"{OURS}: 1".encode(),
            *([] if holder is None else [f"Authorization: Bearer {TOKENS[holder]}".encode()]),
            body=b"{}" if method == "POST" and path != "/login" else b"",
        )
        for method, path, holder in asked
    ]
    for (method, path, holder), (status, _) in zip(
        asked, answers(ConsoleSettings(), *sent, people=people), strict=True
    ):
        needed = ROLES[method, path]
        if needed is None:
            assert status in (200, 400), (method, path)
        elif holder is None:
            assert status == (303 if path == "/" else 401), (method, path)
        else:
            assert (status == 403) == (needed not in INCLUDED[holder]), (method, path, holder)


def test_an_address_without_a_role_keeps_the_console_from_starting() -> None:
    async def handle(request: web.Request) -> web.Response:
        raise NotImplementedError

    app = web.Application()
    app.router.add_post("/api/rules/erase", handle)
    with pytest.raises(LookupError, match="POST /api/rules/erase"):
        require_roles(app)


def test_who_writes_is_who_the_token_names() -> None:
    said = {"author": "the boss", "reason": "r"}
    assert _signed(said, Person("mira", frozenset())) == {"author": "mira", "reason": "r"}
    assert _signed(said, ANYBODY) == said
