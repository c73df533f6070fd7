"""A file of pages and their rules: YAML (or JSON), one page or a list of pages, checked with line and reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, tzinfo
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import yaml

from policy.pages.messages import shelf_problems
from policy.rules.checks import Problem, problems
from reshelf.rules.bounds import LOADER, excess, unreadable
from reshelf.words.read import wrong
from reshelf.words.said import joined, say
from schemas.errors import BadSettings
from schemas.messages.pages import Candidates, PageRow, PageRules, PageShelf, PolicyChoice, TemplateRow
from schemas.rules import FOR_EVER, KINDS, Match, Rule, kind_of
from schemas.times import in_words, moment, odd_unit

OURS = ("version", "author", "reason", "published_at")
"""Fields that publishing fills in."""
SHOWN = 20
MOST_WRONG = 200
"""Faults that are looked for in a page, each of which is looked up in it."""
DATE = "tag:yaml.org,2002:timestamp"
MOMENTS = {"starts_at": 0, "ends_at": FOR_EVER}
"""Fields of a rule that hold a moment, and what stands for none."""
NO_MATCH = msgspec.to_builtins(Match())
ALL_ITEMS = msgspec.to_builtins(Candidates())
SHELF = msgspec.to_builtins(PageShelf(""))
ROW = msgspec.to_builtins(PageRow("", columns=1)) | {"columns": 0}
TEMPLATE_ROW, POLICY = msgspec.to_builtins(TemplateRow("")), msgspec.to_builtins(PolicyChoice())
ELEMENTS: dict[str, Any] = {"rules": Rule, "shelves": PageShelf, "rows": PageRow}
"""What is in the lists of a page; each element is checked by itself."""


class Wrong(NamedTuple):
    """A line of a file (from 1) and what is wrong there."""

    line: int
    text: str


MoreProblems = Callable[[PageRules], Iterable[Problem]]
"""What is wrong with a page by more than the page itself, such as the settings."""


def no_problems(page: PageRules) -> Iterable[Problem]:
    """Nothing is wrong."""
    return ()


def read(text: str, source: str, zone: tzinfo = UTC, more: MoreProblems = no_problems) -> list[PageRules]:
    """The pages of a file, version 0 each; raises `BadSettings` that names each line and reason.

    Dates and times without a zone are in `zone`.  `more` says what else is wrong with a page that fits, by path.
    """
    pages, faults = check(text, zone, more)
    if faults:
        lines = [say("publish.line", source=source, line=str(line), text=said) for line, said in faults[:SHOWN]]
        rest = [say("publish.more-lines", count=len(faults) - SHOWN)] if len(faults) > SHOWN else []
        raise BadSettings(joined("join.lines", [say("publish.do-not-fit"), *lines, *rest]))
    return pages


def check(text: str, zone: tzinfo = UTC, more: MoreProblems = no_problems) -> tuple[list[PageRules], list[Wrong]]:
    """The pages that fit, and all that is wrong with the others."""
    pages, faults = _checked(text, zone, more)
    return pages, [Wrong(line, wrong(said)) for line, said in faults]


def _checked(text: str, zone: tzinfo, more: MoreProblems) -> tuple[list[PageRules], list[Wrong]]:
    try:
        if beyond := excess(text):
            return [], [Wrong(*beyond)]
        root = yaml.compose(text, Loader=LOADER)
        if odd := list(islice(_odd(root), MOST_WRONG)):
            return [], odd
        content = yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        return [], [Wrong(*unreadable(error))]
    if root is None:
        return [], [Wrong(1, "expected a page or a list of pages, got nothing")]
    several = isinstance(content, list)
    nodes = root.value if isinstance(root, yaml.SequenceNode) else [root]
    pages, every, names = list[PageRules](), list[Wrong](), set[str]()
    for node, content_of_page in zip(nodes, content if several else [content], strict=True):
        page, faults = _page(node, content_of_page, zone, more)
        every += faults
        if page is not None:
            pages.append(page)
            if page.page in names:
                every.append(Wrong(_line(node), f"page {page.page!r} is in the file twice"))
            names.add(page.page)
    return pages, sorted(every)


def written(pages: list[PageRules], zone: tzinfo = UTC) -> str:
    """Pages as a file that `read` takes, with times in `zone`: what was left out in it stays out."""
    plain = [_short(msgspec.to_builtins(page), msgspec.to_builtins(PageRules("", 0, ["x"])), zone) for page in pages]
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _short(page: dict[str, Any], default: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    always = ("page", "rows" if "rows" in page else "slots")
    short = {
        name: _differing(value, default.get(name))
        for name, value in page.items()
        if name in always or (name not in (*OURS, "slots") and value != default.get(name))
    }
    short["shelves"] = [_short_shelf(shelf) for shelf in page.get("shelves", ())]
    short["rows"] = [_differing(row, ROW) for row in page.get("rows", ())]
    short["templates"] = [
        template | {"rows": [_differing(row, TEMPLATE_ROW) for row in template["rows"]]}
        for template in page.get("templates", ())
    ]
    short["branches"] = [
        branch | {"policy": {"name": branch["policy"]["name"]} | _differing(branch["policy"], POLICY)}
        for branch in page["branches"]
    ]
    short["rules"] = [
        {
            name: in_words(value, zone) if name in MOMENTS else _differing(value, NO_MATCH)
            for name, value in rule.items()
            if _is_said(name, value)
        }
        for rule in page["rules"]
    ]
    return {name: value for name, value in short.items() if value not in ([], {})}


def _differing(value: Any, default: Any) -> Any:
    """Of a group of fields, those that differ from the usual ones."""
    if not isinstance(value, dict) or not isinstance(default, dict):
        return value
    return {name: part for name, part in value.items() if part != default.get(name)}


def _short_shelf(shelf: dict[str, Any]) -> dict[str, Any]:
    """A shelf as a file has it; that it has candidates of its own is said even where they are all items."""
    short: dict[str, Any] = {"name": shelf["name"]} | _differing(shelf, SHELF)
    if "candidates" in short:
        short["candidates"] = _differing(short["candidates"], ALL_ITEMS)
    return short


def _is_said(name: str, value: Any) -> bool:
    unsaid = {**MOMENTS, "segments": [], "or_above": False}
    return not (name in unsaid and unsaid[name] == value)


def _page(node: yaml.Node, content: Any, zone: tzinfo, more: MoreProblems) -> tuple[PageRules | None, list[Wrong]]:
    if not isinstance(content, dict):
        return None, [Wrong(_line(node), f"expected a page with `page` and `slots`, got {type(content).__name__}")]
    forbidden = [name for name in OURS if name in content]
    if forbidden:
        return None, [
            Wrong(_line(_at(node, forbidden[0])), f"`{forbidden[0]}` is filled in when the rules are published")
        ]
    if "rows" in content and "slots" in content:
        return None, [Wrong(_line(_at(node, "slots")), "expected no `slots` on a page with `rows`: these have them")]
    odd = list(islice(_read_moments(content, zone), MOST_WRONG))
    plain = _millis(content, zone) | {"version": 0}
    try:
        page: PageRules = msgspec.convert(plain, PageRules)
    except msgspec.ValidationError as error:
        faults = list(islice(_invalid(plain), MOST_WRONG)) or [_said(error, "")]
        faults += odd
        return None, [Wrong(_line(_at(node, path)), wrong(said, path)) for path, said in faults]
    fields = dict.fromkeys(PageRules.__struct_fields__) | msgspec.to_builtins(page)
    unknown = [Wrong(_line(_at(node, path)), said) for path, said in islice(_unknown(plain, fields, ""), MOST_WRONG)]
    faults = [*odd, *problems(page), *shelf_problems(page), *more(page)]
    return page, [*unknown, *(Wrong(_line(_at(node, path)), said) for path, said in faults)]


def _invalid(plain: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the page beside its rules, shelves and rows does not fit, and where each of these does not, and why."""
    lists = {name: plain[name] for name in ELEMENTS if isinstance(plain.get(name), list)}
    parts = [
        (f"{name}[{at}]", part, ELEMENTS[name]) for name, several in lists.items() for at, part in enumerate(several)
    ]
    inside = [fault for part in parts for fault in _faults(*part)]
    if not any(path.startswith(("shelves[", "rows[")) for path, _ in inside):
        yield from _faults("", plain | ({"rules": []} if "rules" in lists else {}), PageRules)
    yield from inside


def _faults(path: str, part: Any, kind: Any) -> Iterator[tuple[str, str]]:
    try:
        msgspec.convert(part, kind)
    except msgspec.ValidationError as error:
        at, said = _said(error, path)
        rule = isinstance(part, Mapping) and next((each for each in KINDS if kind_of(each) == part.get("kind")), None)
        if rule and at == path and "unknown field" in said:
            fields = ", ".join(field for field in rule.__struct_fields__)
            said += f"; a rule of kind {kind_of(rule)} has {fields}, and `--reason` of `rules apply` says what for,"
        yield at, said


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


def _read_moments(page: dict[str, Any], zone: tzinfo) -> Iterator[tuple[str, str]]:
    """Put milliseconds in place of the moments of a page's rules; says which cannot be read, or are no milliseconds."""
    rules = page.get("rules")
    for at, rule in enumerate(rules if isinstance(rules, list) else []):
        for name, unset in MOMENTS.items() if isinstance(rule, dict) else ():
            value = rule.get(name, unset)
            odd = ""
            try:
                if isinstance(value, str | date):
                    rule[name] = moment(value, zone)
                elif isinstance(value, int | float) and (odd := odd_unit(value)):
                    odd = f"expected a date, or milliseconds since 1970: {odd}"
            except (ValueError, OverflowError) as error:
                odd = str(error)
            if odd:
                rule[name] = unset
                yield f"rules[{at}].{name}", odd


def _millis(value: Any, zone: tzinfo) -> Any:
    """Dates and times, which YAML knows, as milliseconds, where they are not meant as such, too."""
    if isinstance(value, date):
        return moment(value, zone)
    if isinstance(value, dict):
        return {key: _millis(part, zone) for key, part in value.items()}
    return [_millis(part, zone) for part in value] if isinstance(value, list) else value


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
