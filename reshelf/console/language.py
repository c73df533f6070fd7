"""Answers of the console in the language of who asks."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from aiohttp import web

from reshelf.words.catalog import ENGLISH, asked_language
from reshelf.words.said import Said, in_language

DEFAULT = web.AppKey("language", str)
"""The language of those who ask for none that there is."""
OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_SUBCLASS


class Refusal(Exception):
    """Why a request is not answered, with the status to say so."""

    def __init__(self, status: int, sentence: Said) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence

    def answer(self, request: web.Request) -> web.Response:
        """The answer in its place."""
        return answered(request, {"error": self.sentence}, self.status)


def language_of(request: web.Request) -> str:
    """The language that a request asks for."""
    return asked_language(request.headers.get("Accept-Language", ""), request.app.get(DEFAULT, ENGLISH))


def as_json(content: Any, language: str) -> bytes:
    """Content as JSON, with its sentences in a language."""
    return orjson.dumps(content, default=partial(_plain, language), option=OPTIONS)


def _plain(language: str, value: Any) -> Any:
    """What orjson hands on: sentences, and other kinds of what it knows."""
    if isinstance(value, str):
        return in_language(value, language)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def answered(request: web.Request, content: Any, status: int = 200) -> web.Response:
    """Content as JSON in the language of who asks."""
    return web.Response(body=as_json(content, language_of(request)), status=status, content_type="application/json")
