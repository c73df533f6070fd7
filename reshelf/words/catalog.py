"""The catalogs: for each language a plain file of keys and texts, of the form that the console's pages have, too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import orjson

ENGLISH = "en"
LANGUAGES = ENGLISH, "zh"
GAP = re.compile(r"\{(\w+)\}")
Text = str | Mapping[str, str]
"""A text with gaps in braces, or its forms where the gap `count` is one and where it is another number."""


@cache
def catalog(language: str) -> Mapping[str, Text]:
    """All texts of a language by key."""
    content: dict[str, Text] = orjson.loads(files(__package__).joinpath(f"{language}.json").read_bytes())
    return content


def template(key: str, language: str, count: str | int | None = None) -> str:
    """The text of a key with its gaps open, in the form for `count`; KeyError without the key."""
    text = catalog(language)[key]
    return text if isinstance(text, str) else text["one" if count == 1 else "other"]


def asked_language(header: str, default: str) -> str:
    """The first language of an Accept-Language header that there is a catalog for; `default` where it names none."""
    named = (part.split(";")[0].strip().split("-")[0].lower() for part in header.split(","))
    return next((language for language in named if language in LANGUAGES), default)
