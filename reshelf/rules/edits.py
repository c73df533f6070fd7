"""Edits of a page's file, one after the other: what a merchandiser does on the page, as the text that is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import yaml

from reshelf.rules.bounds import LOADER, excess, unreadable
from reshelf.words.read import wrong
from reshelf.words.said import Said, plain, say
from schemas.errors import BadSettings
from schemas.messages.pages import PolicyChoice

MOST_EDITS = 500
"""Edits of one draft; each is small, and all are made anew with each further one."""


class Put(msgspec.Struct, frozen=True, tag_field="do", tag="put", forbid_unknown_fields=True):
    """A rule as a file has it: in place of the one of this name, else a pin first and any other rule last.

    Of two rules that cannot both hold the first does, so a pin that is set now goes before those set earlier.
    """

    rule: dict[str, Any]


class Drop(msgspec.Struct, frozen=True, tag_field="do", tag="drop", forbid_unknown_fields=True):
    """No rule of this name any more."""

    name: str


class PinShelf(msgspec.Struct, frozen=True, tag_field="do", tag="pin-shelf", forbid_unknown_fields=True):
    """The shelf stands in this row in every slate; an empty row: it may move."""

    shelf: str
    row: str = ""


class Try(msgspec.Struct, frozen=True, tag_field="do", tag="try", forbid_unknown_fields=True):
    """A branch of this name with the page's own policy, for rules on trial, where there is none of this name yet."""

    branch: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]


Edit = Put | Drop | PinShelf | Try
_Page = dict[str, Any]


def edits_of(content: Any) -> list[Edit]:
    """Edits as plain values; raises BadSettings for what is none."""
    try:
        edits: list[Edit] = msgspec.convert(content, list[Edit])
    except msgspec.ValidationError as error:
        raise BadSettings(say("edit.kinds", error=wrong(*str(error).partition(" - at ")[::2]))) from None
    if len(edits) > MOST_EDITS:
        raise BadSettings(say("edit.many", most=MOST_EDITS, count=len(edits)))
    return edits


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text of one page with these edits made; without any it is the same text.

    Raises BadSettings where the text is not one page, or a shelf is not on it.  Whether the rules themselves fit is
    for `reshelf.rules.file.check` to say, with the lines of what comes out.
    """
    if not edits:
        return text
    page = _page(text)
    for edit in edits:
        page = _with(page, edit)
    return yaml.safe_dump(page, sort_keys=False, allow_unicode=True)


def _page(text: str) -> _Page:
    try:
        if beyond := excess(text):
            raise BadSettings(_at_line(*beyond))
        page = yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise BadSettings(say("edit.no-page", error=_at_line(*unreadable(error)))) from None
    rules = page.get("rules") or [] if isinstance(page, dict) else None
    if not isinstance(page, dict) or not isinstance(rules, list):
        raise BadSettings(say("edit.no-rules"))
    return page | ({"rules": rules} if rules else {})


def _at_line(line: int, text: str) -> Said:
    return say("edit.line", line=str(line), text=wrong(text))


def _with(page: _Page, edit: Edit) -> _Page:
    match edit:
        case Put(rule):
            return page | {"rules": _put(page.get("rules", []), rule)}
        case Drop(name):
            return page | {"rules": [rule for rule in page.get("rules", []) if _name(rule) != name]}
        case Try(branch, share):
            return _tried(page, branch, share)
        case PinShelf(shelf, row):
            return page | {"shelves": list(_pinned(page.get("shelves", []), shelf, row))}


def _put(rules: list[Any], rule: dict[str, Any]) -> list[Any]:
    name = _name(rule)
    if any(_name(other) == name for other in rules):
        return [rule if _name(other) == name else other for other in rules]
    return [rule, *rules] if rule.get("kind") == "pin" else [*rules, rule]


def _tried(page: _Page, name: str, share: float) -> _Page:
    branches = page.get("branches") or []
    if any(_name(branch) == name for branch in branches):
        return page
    policy = page.get("policy") or {"name": PolicyChoice().name}
    salt = page.get("branch_salt") or name
    return page | {"branches": [*branches, {"name": name, "share": share, "policy": policy}], "branch_salt": salt}


def _pinned(shelves: Iterable[Any], name: str, row: str) -> Iterable[Any]:
    listed = list(shelves)
    if all(_name(shelf) != name for shelf in listed):
        raise BadSettings(say("edit.no-shelf", shelf=plain(name)))
    for shelf in listed:
        if _name(shelf) == name:
            rest = {field: value for field, value in shelf.items() if field != "pinned"}
            yield rest | ({"pinned": row} if row else {})
        else:
            yield shelf


def _name(rule: Any) -> Any:
    return rule.get("name") if isinstance(rule, Mapping) else None
