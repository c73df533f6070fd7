"""A sentence that is English as text, and can be had in each language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from re import Match
from typing import Self

from reshelf.numbers import number
from reshelf.words.catalog import ENGLISH, GAP, template

Value = str | int
"""What fills a gap: a text, which may be a sentence itself, or a count."""


class Said(str):
    """A sentence of the catalogs: to whom it is any text it is English.  KeyError for a key that is in none."""

    key: str
    values: Mapping[str, Value]

    def __new__(cls, key: str, values: Mapping[str, Value]) -> Self:
        said = super().__new__(cls, _filled(key, values, ENGLISH))
        said.key, said.values = key, values
        return said

    def __reduce__(self) -> tuple[type[Said], tuple[str, Mapping[str, Value]]]:
        return Said, (self.key, self.values)


def say(key: str, /, **values: Value) -> Said:
    """The sentence of a key with its gaps filled in."""
    return Said(key, values)


def plain(name: object) -> str:
    """A name that comes from outside, without what cannot be printed."""
    return repr(str(name))[1:-1]


def got(text: str) -> Said:
    """What somebody entered, as it stands behind "got"."""
    return say("got.text", text=plain(text)) if text else say("got.nothing")


def joined(key: str, parts: Iterable[str]) -> str:
    """Parts one after the other, as the text of a key puts `next` behind `first`; nothing without any."""
    listed = list(parts)
    return reduce(lambda first, following: say(key, first=first, next=following), listed) if listed else ""


def in_language(text: str, language: str) -> str:
    """A sentence in a language; any other text as it is."""
    if not isinstance(text, Said):
        return text
    return str(text) if language == ENGLISH else _filled(text.key, text.values, language)


def _filled(key: str, values: Mapping[str, Value], language: str) -> str:
    def value(gap: Match[str]) -> str:
        part = values[gap[1]]
        return number(part) if isinstance(part, int) else in_language(part, language)

    return GAP.sub(value, template(key, language, values.get("count")))
