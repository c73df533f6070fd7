"""A file of pages and their rules: YAML (or JSON), one page or a list of pages, checked with line and reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import yaml

from policy.rules.checks import problems
from reshelf.rules.bounds import LOADER, excess
from schemas.errors import BadSettings
from schemas.messages.pages import PageRules
from schemas.rules import KINDS, Match, Rule, kind_of

OURS = ("version", "author", "reason", "published_at")
"""Fields that publishing fills in."""
SHOWN = 20
MOST_WRONG = 200
"""Faults that are looked for in a page, each of which is looked up in it."""
DATE = "tag:yaml.org,2002:timestamp"
NO_MATCH = msgspec.to_builtins(Match())


class Wrong(NamedTuple):
    """A line of a file (from 1) and what is wrong there."""

    line: int
    text: str


def read(text: str, source: str) -> list[PageRules]:
    """The pages of a file, version 0 each; raises `BadSettings` that names each line and reason."""
    pages, wrong = check(text)
    if wrong:
        more = f"\n(and {len(wrong) - SHOWN} more)" if len(wrong) > SHOWN else ""
        lines = [f"{source}, line {line}: {said}" for line, said in wrong[:SHOWN]]
        raise BadSettings("\n".join(["rules do not fit", *lines]) + more)
    return pages


def check(text: str) -> tuple[list[PageRules], list[Wrong]]:
    """The pages that fit, and all that is wrong with the others."""
    try:
        if beyond := excess(text):
            return [], [Wrong(*beyond)]
        root = yaml.compose(text, Loader=LOADER)
        if odd := list(islice(_odd(root), MOST_WRONG)):
            return [], odd
        content = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [], [Wrong(mark.line + 1 if mark else 1, f"not YAML: {getattr(error, 'problem', error)}")]
    except (ValueError, OverflowError) as error:
        return [], [Wrong(1, f"a value cannot be read: {error}")]
    if root is None:
        return [], [Wrong(1, "expected a page or a list of pages, got nothing")]
    several = isinstance(content, list)
    nodes = root.value if isinstance(root, yaml.SequenceNode) else [root]
    pages, wrong, names = list[PageRules](), list[Wrong](), set[str]()
    for node, content_of_page in zip(nodes, content if several else [content], strict=True):
        page, faults = _page(node, content_of_page)
        wrong += faults
        if page is not None:
            pages.append(page)
            if page.page in names:
                wrong.append(Wrong(_line(node), f"page {page.page!r} is in the file twice"))
            names.add(page.page)
    return pages, sorted(wrong)


def written(pages: list[PageRules]) -> str:
    """Pages as a file that `read` takes: what was left out in it stays out."""
    plain = [_short(msgspec.to_builtins(page), msgspec.to_builtins(PageRules("", 0, ["x"]))) for page in pages]
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _short(page: dict[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    always = ("page", "slots")
    short = {
        name: _differing(value, default.get(name))
        for name, value in page.items()
        if name in always or (name not in OURS and value != default.get(name))
    }
    short["rules"] = [
        {name: _differing(value, NO_MATCH) for name, value in rule.items() if _is_said(name, value)}
        for rule in page["rules"]
    ]
    return {name: value for name, value in short.items() if value not in ([], {})}


def _differing(value: Any, default: Any) -> Any:
    """Of a group of fields, those that differ from the usual ones."""
    if not isinstance(value, dict) or not isinstance(default, dict):
        return value
    return {name: part for name, part in value.items() if part != default.get(name)}


def _is_said(name: str, value: Any) -> bool:
    unsaid = {"starts_at": 0, "ends_at": 4_102_444_800_000, "segments": []}
    return not (name in unsaid and unsaid[name] == value)


def _page(node: yaml.Node, content: Any) -> tuple[PageRules | None, list[Wrong]]:
    if not isinstance(content, dict):
        return None, [Wrong(_line(node), f"expected a page with `page` and `slots`, got {type(content).__name__}")]
    forbidden = [name for name in OURS if name in content]
    if forbidden:
        return None, [
            Wrong(_line(_at(node, forbidden[0])), f"`{forbidden[0]}` is filled in when the rules are published")
        ]
    plain = _millis(content) | {"version": 0}
    try:
        page: PageRules = msgspec.convert(plain, PageRules)
    except msgspec.ValidationError as error:
        faults = list(islice(_invalid(plain), MOST_WRONG)) or [_said(error, "")]
        return None, [Wrong(_line(_at(node, path)), f"{said} at {path}" if path else said) for path, said in faults]
    fields = dict.fromkeys(PageRules.__struct_fields__) | msgspec.to_builtins(page)
    unknown = [Wrong(_line(_at(node, path)), said) for path, said in islice(_unknown(plain, fields, ""), MOST_WRONG)]
    return page, [*unknown, *(Wrong(_line(_at(node, path)), said) for path, said in problems(page))]


def _invalid(plain: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the page beside its rules does not fit, and where each of these does not, and why."""
    rules = plain.get("rules")
    parts: list[tuple[str, Any, Any]] = [("", plain, PageRules)]
    if isinstance(rules, list):
        parts = [
            ("", plain | {"rules": []}, PageRules),
            *((f"rules[{at}]", rule, Rule) for at, rule in enumerate(rules)),
        ]
    for path, part, kind in parts:
        try:
            msgspec.convert(part, kind)
        except msgspec.ValidationError as error:
            yield _said(error, path)


def _said(error: msgspec.ValidationError, path: str) -> tuple[str, str]:
    """Where and why, for what stands at `path`."""
    said, _, inside = str(error).partition(" - at `$")
    path = (path + inside.rstrip("`")).removeprefix(".")
    return path, f"{said}, not one of {', '.join(map(kind_of, KINDS))}" if path.endswith(".kind") else said


def _unknown(content: Any, declared: Any, path: str) -> Iterator[tuple[str, str]]:
    """Where a field is named that there is not: readers of the topic skip what they do not know, people mistype."""
    if isinstance(content, dict) and isinstance(declared, dict):
        for name, value in content.items():
            at = f"{path}.{name}" if path else str(name)
            if name not in declared:
                fields = ", ".join(field for field in declared if field not in OURS)
                yield at, f"there is no field `{name}` here; there are: {fields}"
            else:
                yield from _unknown(value, declared[name], at)
    elif isinstance(content, list) and isinstance(declared, list):
        for place, (element, other) in enumerate(zip(content, declared, strict=False)):
            yield from _unknown(element, other, f"{path}[{place}]")


def _odd(node: yaml.Node | None) -> Iterator[Wrong]:
    """What YAML would take without a word, or fail at: names given twice, dates that are none."""
    if isinstance(node, yaml.ScalarNode) and node.tag == DATE:
        try:
            yaml.SafeLoader("").construct_yaml_timestamp(node)
        except ValueError as error:
            yield Wrong(_line(node), f"expected a date or time, got {node.value!r}: {error}")
    elif isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield from _odd(element)
    elif isinstance(node, yaml.MappingNode):
        names = set[str]()
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode):
                if name.value in names:
                    yield Wrong(_line(name), f"`{name.value}` is given twice")
                names.add(name.value)
            yield from _odd(value)


def _millis(value: Any) -> Any:
    """Dates and times, which YAML knows, as milliseconds; without a zone they are UTC."""
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, date):
        return _millis(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, dict):
        return {key: _millis(part) for key, part in value.items()}
    return [_millis(part) for part in value] if isinstance(value, list) else value


def _at(node: yaml.Node, path: str) -> yaml.Node:
    """The deepest node that a path like `rules[2].slot` leads to."""
    for step in re.findall(r"[^.\[\]]+", path):
        child = None
        if isinstance(node, yaml.MappingNode):
            child = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            child = node.value[int(step)]
        if child is None:
            return node
        node = child
    return node


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
