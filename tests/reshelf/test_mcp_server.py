"""The operations for programs, asked by the package's own client: who may do what, and under which name."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from reshelf.console.live_view import LiveView
from reshelf.mcp_server import operations as operations_module
from reshelf.mcp_server.operations import Operations, price_in_words
from reshelf.people.file import NOBODY, People, add_person, person_of_token, read_people
from reshelf.people.person import LOOKER, Person, Role, person_with
from reshelf.service_settings import McpSettings
from reshelf.settings import Settings, as_environment
from schemas.errors import BadSettings
from schemas.messages.pages import PageRules
from streams.settings import KafkaSettings, RedisSettings
from streams.state.connection.client import redis_client
from tests.all_tests import if_all
from tests.deadline import Deadline

# The package takes two seconds to load: processes that share the tests load it where they run one of these.
pytestmark = pytest.mark.skipif(
    find_spec("mcp") is None, reason="mcp is not installed (extra `mcp`): the server for programs is not tested"
)
MIRA = person_with("Mira", [Role.PUBLISH])
TOKENS = {"Mira": "the token of Mira, long enough", "Lou": "the token of Lou, long enough"}
INTERVAL = {"mean": -12.0, "low": -20.0, "high": -4.0}
PRICE = {
    "change": {"clicks": {"per_day": INTERVAL, "per_page_view": INTERVAL}, "orders": None, "revenue": None},
    "rules": {}, "page_views_per_day": 100.0, "currency": "", "sides": {"now": {}},
}  # fmt: skip
PUT = {"do": "put", "rule": {"kind": "pin", "name": "w", "item": "i1", "slot": "top"}}
READ_ONLY = {"pages", "look", "rules", "report", "explain", "search", "check", "preview", "drafts"}


def operations() -> Operations:
    view = LiveView(Settings(), redis_client(RedisSettings()))
    view.catalog.rules["home"] = PageRules("home", 3, ["top", "left"])
    return Operations(view)


def connected(person: Person) -> Any:
    """A client of a server in this process, for whom a person asks."""
    import mcp

    from reshelf.mcp_server.server import mcp_server

    return mcp.Client(mcp_server(operations(), lambda _: person))


async def call(client: Any, name: str, **more: Any) -> tuple[bool, Any]:
    """Whether a tool did it, and what it answered: in words where it did not."""
    result = await client.call_tool(name, more)
    if result.is_error:
        return False, result.content[0].text.removeprefix(f"Error executing tool {name}: ")
    return True, result.structured_content


def asked(person: Person, *calls: tuple[str, dict[str, Any]]) -> list[tuple[bool, Any]]:
    async def ask() -> list[tuple[bool, Any]]:
        async with connected(person) as client:
            return [await call(client, name, **more) for name, more in calls]

    return asyncio.run(ask())


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """What would be published, in place of publishing it."""
    bodies = list[Mapping[str, Any]]()

    async def previewed(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
        return PRICE

    def published(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
        bodies.append(body)
        return {"published": [{"page": body["page"], "version": 4}]}

    monkeypatch.setattr(operations_module, "previewed", previewed)
    monkeypatch.setattr(operations_module, "published", published)
    monkeypatch.setattr(operations_module, "taken_back", published)
    return bodies


def test_tools_say_whether_they_write() -> None:
    async def tools() -> dict[str, bool]:
        async with connected(MIRA) as client:
            return {tool.name: bool(tool.annotations.read_only_hint) for tool in (await client.list_tools()).tools}

    listed = asyncio.run(tools())
    assert {name for name, reads in listed.items() if reads} == READ_ONLY
    assert {name for name, reads in listed.items() if not reads} == {"draft", "publish", "roll_back"}


def test_who_looks_gets_answers_and_publishes_nothing(writes: list[Mapping[str, Any]]) -> None:
    change = {"page": "home", "version": 3, "reason": "shoe week"}
    (seen, pages), (checks, draft), *refusals = asked(
        LOOKER,
        ("pages", {}),
        ("check", {"page": "home", "edits": [PUT]}),
        ("publish", change),
        ("roll_back", {"page": "home", "version": 1, "base": 3, "reason": "r"}),
    )  # fmt: skip
    assert seen and (pages["pages"], pages["roles"]) == ({"home": ["*"]}, ["look"])
    assert checks and draft["wrong"] == [] and "kind: pin" in draft["text"]
    assert refusals == [(False, "this needs the role publish; who has no token has: look")] * 2
    assert writes == []


def test_what_is_published_has_its_price_and_the_name_of_the_token(writes: list[Mapping[str, Any]]) -> None:
    change = {"page": "home", "version": 3, "reason": "shoe week"}
    (done, answer), (refused, fault), (back, _) = asked(
        MIRA,
        ("publish", change | {"edits": [PUT]}),
        ("publish", change | {"text": "{page: home, slots: [top], rules: [{kind: pen, name: w}]}"}),
        ("roll_back", {"page": "home", "version": 1, "base": 4, "reason": "over"}),
    )
    assert done and answer["price"]["change"] == PRICE["change"]
    assert refused and fault["published"] == [] and fault["wrong"][0]["line"] == 1
    assert back
    first, second = writes
    assert (first["author"], first["version"]) == ("Mira", 3)
    assert first["reason"] == "shoe week [expected a day: clicks −12.0 (−20.0 to −4.00)]"
    assert "name: w" in first["text"]
    assert second == {"page": "home", "version": 1, "base": 4, "author": "Mira", "reason": "over"}


def test_without_days_a_price_is_that_of_a_thousand_page_views() -> None:
    assert price_in_words(PRICE | {"page_views_per_day": None}) == (
        "expected in 1,000 page views: clicks −12,000 (−20,000 to −4,000)"
    )


def test_faults_are_told_in_words_and_their_insides_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("very secret")

    monkeypatch.setattr(operations_module, "shop", broken)
    (_, unknown), (_, stateless), (_, inside) = asked(
        LOOKER, ("look", {"page": "away"}), ("explain", {"page": "home"}), ("look", {"page": "home"})
    )
    assert unknown == "no page 'away' is declared. Declared are: home"
    assert stateless.startswith("no worker has made the state yet")
    assert inside == "this failed; the log of `reshelf mcp` says why"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    path = tmp_path_factory.mktemp("people") / "people.toml"
    add_person(path, "Mira", [Role.PUBLISH], TOKENS["Mira"])
    add_person(path, "Lou", [Role.LOOK], TOKENS["Lou"])
    return read_people(str(path))


@pytest.fixture(scope="module")
def address(people: People) -> Iterator[str]:
    """A server over HTTP."""
    import uvicorn

    from reshelf.mcp_server.run import application

    opened = uvicorn.Server(
        uvicorn.Config(application(operations(), people, "127.0.0.1"), port=0, log_config=None, access_log=False)
    )
    thread = threading.Thread(target=opened.run)
    thread.start()
    end = Deadline(20)
    while not opened.started and end.ahead:
        thread.join(0.02)
    yield f"http://127.0.0.1:{opened.servers[0].sockets[0].getsockname()[1]}/mcp"
    opened.should_exit = True
    thread.join()


def over_http(address: str, token: str, ask: Callable[[Any], Awaitable[Any]]) -> Any:
    import httpx2
    import mcp
    from mcp.client.streamable_http import streamable_http_client

    async def connect() -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            mcp.Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return await ask(client)

    return asyncio.run(connect())


def test_over_http_each_request_has_its_own_person(address: str, writes: list[Mapping[str, Any]]) -> None:
    async def change(client: Any) -> Any:
        return await call(client, "publish", page="home", version=3, reason="shoe week")

    done, _ = over_http(address, TOKENS["Mira"], change)
    refused, why = over_http(address, TOKENS["Lou"], change)
    assert done and not refused
    assert why == "this needs the role publish; Lou has: look"
    assert [body["author"] for body in writes] == ["Mira"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKENS["Mira"]}])
def test_over_http_nothing_is_answered_without_a_token(address: str, headers: dict[str, str]) -> None:
    import httpx2

    answer = httpx2.post(address, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_without_people_only_this_machine_is_listened_at() -> None:
    from reshelf.mcp_server.run import require_people

    require_people(McpSettings(), NOBODY)
    with pytest.raises(BadSettings, match=r"publishing\.people"):
        require_people(McpSettings(host="0.0.0.0"), NOBODY)


def test_on_standard_input_the_setting_says_who_asks(people: People) -> None:
    assert person_of_token(people, TOKENS["Mira"]) == MIRA
    assert person_of_token(people, "") == person_of_token(NOBODY, "") == LOOKER
    with pytest.raises(BadSettings, match=r"publishing\.token") as refused:
        person_of_token(people, "a wrong one")
    assert "a wrong one" not in str(refused.value)


@if_all
def test_a_program_starts_it_and_asks(
    broker: str, prefix: str, make_topics: Callable[..., None], redis_url: str, tmp_path: Path
) -> None:
    import mcp
    from mcp.client.stdio import StdioServerParameters, stdio_client

    make_topics(broker)
    add_person(tmp_path / "people.toml", "Mira", [Role.PUBLISH], TOKENS["Mira"])
    settings = Settings(
        kafka=KafkaSettings(bootstrap=broker, prefix=prefix), redis=RedisSettings(url=redis_url, namespace=prefix)
    ).changed(publishing={"people": str(tmp_path / "people.toml"), "token": TOKENS["Mira"]})

    async def ask() -> tuple[bool, Any]:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "reshelf", "mcp"],
            env=dict(os.environ) | as_environment(settings),
            cwd=tmp_path,
        )
        async with mcp.Client(stdio_client(server)) as client:
            return await call(client, "pages")

    done, answer = asyncio.run(asyncio.wait_for(ask(), 60))
    assert done and (answer["person"], answer["pages"]) == ("Mira", {})
