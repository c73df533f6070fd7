"""The files of the console's pages, served as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web

from reshelf.console.language import Refusal
from reshelf.words.said import plain, say

KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def page(name: str, language: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answers with one of the console's pages, in the language of who did not choose another."""

    async def handle(request: web.Request) -> web.Response:
        file = _file(name)
        file.text = (file.text or "").replace('<html lang="en">', f'<html lang="{language}">')
        return file

    return handle


async def static(request: web.Request) -> web.Response:
    """The file that an address names; raises Refusal where there is none of a known kind."""
    return _file(request.match_info["name"])


def _file(name: str) -> web.Response:
    folder, kind = files("reshelf.console").joinpath("static"), KINDS.get("." + name.rpartition(".")[2])
    place = next((file for file in folder.iterdir() if file.name == name), None)
    if place is None or kind is None:
        raise Refusal(404, say("refused.file", name=plain(name[:64])))
    return web.Response(body=place.read_bytes(), content_type=kind, charset="utf-8")
