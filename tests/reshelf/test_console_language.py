"""What the console's pages say comes from catalogs, one for each language, and from nowhere else."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest

STATIC = files("reshelf.console").joinpath("static")
CATALOGS: dict[str, dict[str, Any]] = {
    language: json.loads(STATIC.joinpath(f"words.{language}.json").read_text("utf-8")) for language in ("en", "zh")
}
SCRIPTS = {file.name: file.read_text("utf-8") for file in STATIC.iterdir() if file.name.endswith(".js")}
PAGES = "".join(STATIC.joinpath(name).read_text("utf-8") for name in ("index.html", "login.html"))
CLASSES = set(
    re.findall(r"\.([a-z][\w-]*)", "".join(f.read_text("utf-8") for f in STATIC.iterdir() if f.name.endswith(".css")))
)
OTHERS = {
    *("aged", "closed", "gone", "grip", "live", "stacked", "words", "unit"),
    *("facts-line", "letters", "changes", "was", "number-left"),
}
"""Names of classes that scripts alone look for."""
NAMES = re.compile(
    r"Arrow\w+|Escape|Enter|Home|End|Tab|(Accept|Content|X)-[\w-]+|ETag|POST|TimeoutError|ITEM|SLOT|Reshelf|English"
    r"|Redis|a, button|xMidYMid slice|not decided"
)
"""What keys, headers, errors and this program are called, selectors, and gaps in a page's file."""
FILE_LINES = re.compile(r"(- | {2})[a-z_]+: .*|rules:\\n.*|\\nrules:.*|application/json", re.DOTALL)
"""Lines of a page's file."""


def gaps(text: Any) -> set[str]:
    """The names in braces of a text, or of all its forms."""
    return set(re.findall(r"\{(\w+)\}", json.dumps(text)))


def literals(script: str) -> list[str]:
    """The texts between quotes, and those around the expressions of templates, without comments."""
    bare = re.sub(r"(?m)^\s*//.*$|^import .*$|^export \{.*$|\s// .*$", "", script)
    plain = re.findall(r'"((?:[^"\\\n]|\\.)*)"', bare)
    templates = re.findall(r"`((?:[^`\\]|\\.)*)`", bare)
    return plain + [part for text in templates for part in re.split(r"\$\{[^{}]*\}", text)]


def is_text(literal: str) -> bool:
    """Whether somebody may read it: words with spaces that are no classes, or what begins as a sentence does."""
    said = literal.strip(" ·:,.…")
    if said in CATALOGS["en"] or NAMES.fullmatch(said) or FILE_LINES.fullmatch(literal):
        return False
    words = said.split(" ")
    if re.match(r"[A-Z][a-z]{2,}", said):
        return True
    sentence = len(words) > 1 and all(re.fullmatch(r"[A-Za-z]?[a-z’'-]+[.,;:]?", word) for word in words)
    return sentence and not {*words} <= CLASSES | OTHERS


def test_both_languages_say_everything() -> None:
    english, chinese = CATALOGS["en"], CATALOGS["zh"]
    assert list(english) == list(chinese)
    for key, text in chinese.items():
        assert gaps(text) == gaps(english[key]), key
        bare = re.sub(r"\{\w+\}|`[^`]*`", "", text)
        assert re.search(r"[\u4e00-\u9fff]", text) or not re.search(r"[A-Za-z]", bare), key
    assert all(set(text) == {"one", "other"} for text in english.values() if not isinstance(text, str))


def test_catalogs_have_what_pages_ask_for_and_no_more() -> None:
    code = "".join(SCRIPTS.values())
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"', code)) | set(re.findall(r'data-(?:say|label)="([^"]+)"', PAGES))
    assert asked <= set(CATALOGS["en"])
    begun = tuple(re.findall(r"\bt\(`([a-z.-]+)\$", code))
    quoted = set(re.findall(r'"([\w.-]+)"', code))
    assert {key for key in CATALOGS["en"] if key not in asked | quoted and not key.startswith(begun)} == set()


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_no_text_stands_in_the_code_of_pages(name: str) -> None:
    assert [one for one in literals(SCRIPTS[name]) if is_text(one)] == []
