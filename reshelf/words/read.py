"""Sentences of messages, which are English wherever they were written: read by the texts of the English catalog."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from reshelf.words.catalog import ENGLISH, GAP, catalog
from reshelf.words.said import Said, Value, joined, say


def as_said(text: str, group: str) -> str:
    """The sentence of those whose keys begin with `group` that a text is; the text itself where it is none of them."""
    if isinstance(text, Said):
        return text
    for key, pattern in _patterns(group):
        if match := pattern.fullmatch(text):
            return Said(key, match.groupdict())
    return text


def relaxed(text: str) -> str:
    """A line of a layout's `relaxed`: which rule could not hold everywhere, and why where it says so."""
    rule, colon, why = text.partition(": ")
    label = as_said(rule, "kind.")
    return say("relaxed", rule=label, why=as_said(why, "relaxed.")) if colon else label


def crossed(text: str) -> str:
    """The outcomes whose guard-rails were crossed, as layouts say it: `clicks -9.0% to -7.0%; orders ...`."""
    parts = [as_said(part, "crossed.") for part in text.split("; ")]
    return joined("join.clauses", parts)


def sentence_of(error: Exception) -> Said:
    """What an error says; what is no sentence of the catalogs is the detail of one."""
    text = error.args[0] if error.args else ""
    said = as_said(text if isinstance(text, Said) else str(error), "away.")
    return said if isinstance(said, Said) else say("error", detail=said)


def wrong(text: str, path: str = "") -> str:
    """What does not fit in a file of pages, at a path in it; what a reader of YAML or dates said is a sentence, too."""
    said = _nested(text, "wrong.", {"problem": "yaml.", "error": "wrong.", "what": "similar-part."})
    return say("wrong-at", said=said, path=path) if path else said


def similar(text: str) -> str:
    """What is said of names that people would take for one; kinds of names and differences are sentences, too."""
    return _nested(text, "similar.", dict.fromkeys(("kind", "difference", "first", "next"), "similar-part."))


def _nested(text: str, group: str, groups: Mapping[str, str]) -> str:
    """As `as_said`, and so what fills its gaps, of those that have a group in `groups`."""
    said = as_said(text, group)
    if said is text or not isinstance(said, Said):
        return said
    parts: dict[str, Value] = {
        name: _nested(str(value), groups[name], groups) if name in groups else value
        for name, value in said.values.items()
    }
    return Said(said.key, parts)


@cache
def _patterns(group: str) -> list[tuple[str, re.Pattern[str]]]:
    return list(_compiled(group))


def _compiled(group: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    for key, text in catalog(ENGLISH).items():
        if key.startswith(group) and isinstance(text, str):
            parts = GAP.split(text)
            # Texts and names of gaps take turns.
            yield (
                key,
                re.compile(
                    "".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)),
                    re.DOTALL,
                ),
            )
