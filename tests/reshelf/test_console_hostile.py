"""Requests that no browser sends: each is answered in one line, with the headers that protect a browser."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from reshelf.console.access_control import OURS, AccessControl
from reshelf.console.followed.dead_letters import SHOWN, RecentDeadLetters
from reshelf.console.web import Console
from reshelf.people.file import NOBODY, People
from reshelf.service_settings import ConsoleSettings
from reshelf.settings import Settings
from schemas.dead_letters import DeadLetter
from streams.settings import KafkaSettings

TOKEN = "a-token-of-some-length"
DEEP = b"[" * 1_000 + b"]" * 1_000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join(['*' + before] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def answers(settings: ConsoleSettings, *requests: bytes, people: People = NOBODY) -> list[tuple[int, str]]:
    """Status and body of the console's answers to requests that are sent as they stand."""

    async def ask() -> list[tuple[int, str]]:
        # What a request asks for here needs no broker and no state.
        view = SimpleNamespace(settings=Settings())
        app = Console(view, AccessControl(settings, people)).app()  # type: ignore[arg-type]
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        try:
            return [await asyncio.wait_for(answer(port, request), 20) for request in requests]
        finally:
            await runner.cleanup()

    return asyncio.run(ask())


async def answer(port: int, request: bytes) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    body = (await reader.read()).decode()
    writer.close()
    assert "Content-Security-Policy: default-src 'none'" in head, head
    return int(head.split()[1]), body


def request(method: str, path: str, *headers: bytes, host: bytes = b"localhost", body: bytes = b"") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join(
        [f"{method} {path} HTTP/1.1".encode(), b"Host: " + host, b"Connection: close", length, *headers, b"", body]
    )


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("GET", "/", host=b"["), 403),
        (request("GET", "/", host=b"[::1"), 403),
        (request("GET", "/login", host=b"localhost:x"), 200),
        (request("POST", "/login", b"X-Reshelf-Console: 1", b"Origin: http://["), 403),
        (request("GET", "/static/" + "a" * 5_000 + ".js"), 404),
        (request("GET", "/static/%00.js"), 404),
        (request("GET", "/static/..%2Fweb.js"), 404),
        (request("GET", "/" + "a" * 5_000), 404),
    ],
)
def test_odd_hosts_origins_and_paths(sent: bytes, status: int) -> None:
    ((said, body),) = answers(ConsoleSettings(), sent)
    assert said == status
    assert len(body) < 500 or status == 200


@pytest.mark.parametrize(
    "header", [b"Authorization: Bearer \xff\xfe", b"Cookie: reshelf-console=\xff\xfe", b"Cookie: \xff"]
)
def test_a_token_that_is_no_text_is_not_the_token(header: bytes) -> None:
    ((said, _),) = answers(ConsoleSettings(token=TOKEN), request("GET", "/api/pages", header))
    assert said == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (DEEP, 400),
        (b'{"text": %s}' % DEEP, 400),
        (b'{"text": %s' % (b'{"a":' * 1_000), 400),
        (json.dumps({"text": "[" * 5_000}).encode(), 200),
        (json.dumps({"text": BOMB}).encode(), 200),
        (json.dumps({"text": "\ud800"}).encode(), 400),
        (b"\xff", 400),
    ],
)
def test_a_body_of_any_form_is_answered_soon(body: bytes, status: int) -> None:
    ours = f"{OURS}: 1".encode()
    ((said, _),) = answers(ConsoleSettings(), request("POST", "/api/rules/check", ours, body=body))
    assert said == status


def test_a_fault_of_the_console_is_told_without_its_insides(caplog: pytest.LogCaptureFixture) -> None:
    ((said, body),) = answers(ConsoleSettings(), request("GET", "/api/pages"))
    assert (said, json.loads(body)) == (500, {"error": "the console failed; its log says why"})
    assert "GET /api/pages could not be answered" in caplog.text


class _Message:
    def __init__(self, letter: DeadLetter) -> None:
        self._letter = letter

    def key(self) -> bytes | None:
        return self._letter.key

    def value(self) -> bytes | None:
        return self._letter.value

    def headers(self) -> Any:
        return self._letter.to_headers()

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000


def test_letters_of_any_size_take_little_of_an_answer() -> None:
    dead_letters = RecentDeadLetters(KafkaSettings())
    large = b"\xff" * 300_000
    for at in range(1_000):
        letter = DeadLetter(
            f"topic-{at}", 0, at, f"reason-{at}", "d" * 99_999, large, large, (("h" * 99_999, large),) * 30
        )
        dead_letters._take(_Message(letter))  # type: ignore[arg-type]  # what it reads of a message
    content = dead_letters.as_json()
    assert content["total"] == 1_000 == sum(row["letters"] for row in content["reasons"])
    assert len(content["last"]) == SHOWN
    assert content["last"][0]["place"] == "0:999"
    assert len(json.dumps(content)) < 600_000
