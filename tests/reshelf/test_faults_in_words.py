"""What does not fit in a file of pages is said in each language: by checks, YAML and the reader of dates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reshelf.console.views.rules import _signed
from reshelf.rules.edits import Drop, edited
from reshelf.rules.file import check
from reshelf.words.read import as_said, sentence_of, wrong
from reshelf.words.said import Said, in_language
from schemas.errors import BadSettings
from schemas.times import moment
from tests.reshelf.test_server_words import ROOT, WORDS

FAULTS = [
    *(ROOT / "policy" / "rules" / f"{name}.py" for name in ("checks", "kind")),
    *(ROOT / "policy" / "rules" / "kinds").glob("*.py"),
    *(ROOT / "policy" / "pages" / f"{name}.py" for name in ("declaration", "messages", "templates", "rules")),
    *(ROOT / "reshelf" / "rules" / f"{name}.py" for name in ("file", "bounds", "segments")),
    *(ROOT / "schemas" / f"{name}.py" for name in ("times", "messages/pages")),
]
"""Where it is checked whether a file of pages fits."""
PARTS = re.compile(
    r"not one of 7$|^; a rule of kind|^unknown field$|^expected milliseconds since"
    r"|looks like 7 since|^is twice$|^is not there$|^7 7 in 7, where clocks change"
)
"""What is put behind a fault, and what is said of messages of other topics."""


def told(tree: ast.AST) -> Iterator[str]:
    """What functions say of faults, with something in each gap; no descriptions, and nothing for who programs."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        parts = {id(part) for node in ast.walk(function) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        parts |= {id(node.value) for node in ast.walk(function) if isinstance(node, ast.Expr)}
        for node in ast.walk(function):
            if isinstance(node, ast.JoinedStr):
                yield "".join(filled(part) for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
                yield node.value


def filled(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return "'7'" if part.conversion == ord("r") else "7"
    return str(ast.literal_eval(part))


@pytest.mark.parametrize("file", FAULTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_each_fault_of_a_file_is_a_sentence_of_the_catalogs(file: Path) -> None:
    conflict = " '7': give them other times or segments"
    for text in told(ast.parse(file.read_text("utf-8"))):
        if WORDS.search(text) and not text.endswith(conflict) and not PARTS.search(text):
            said = [wrong(text), wrong(text + conflict), *(as_said(text, group) for group in ("effect.", "relaxed."))]
            assert any(isinstance(one, Said) for one in said), text


@pytest.mark.parametrize(("day", "said"), [("2026-03-29T02:30", "不存在"), ("2026-10-25T02:30", "出现两次")])
def test_a_time_that_clocks_skip_or_show_twice_is_told_in_each_language(day: str, said: str) -> None:
    with pytest.raises(ValueError, match="where clocks change") as refused:
        moment(day, ZoneInfo("Europe/Berlin"))
    assert f"Europe/Berlin 因时钟调整{said}" in in_language(wrong(str(refused.value)), "zh")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("slots: [a]\nrules: [{kind: pin, name: x, item: i}]", "rules[0]：缺少必填字段 `slot`"),
        (
            "slots: [a]\nrules: [{kind: boost, name: x, match: {}, factor: -1}]",
            "rules[0].factor：应为 >= 0.0 的 `float`",
        ),
        ("slots: [a]\ncolour: red", "此处没有字段 `colour`；可用的字段：page, slots"),
        ("slots: [a, a]", "`slots` 中每个位置只能写一次"),
        ("slots: [a]\nrules: - x", "不是 YAML：此处不能以“- ”开始一项，请检查缩进"),
        ("slots: [a", "不是 YAML：缺少“,”或“]”"),
        ("slots: !odd [a]", "不是 YAML：不支持标签“!odd”"),
        ("slots: [a]\nrules: [{kind: pin, name: x, item: i, slot: a, ends_at: 2026-02-31}]", "应为日期或时间，"),
        (
            "slots: [a]\nrules: [{kind: pin, name: x, item: i, slot: a, ends_at: soon}]",
            "应为 2026-12-01T06:00:00+01:00 这样的日期或时间",
        ),
        *(
            (
                f"slots: [a]\nrules: [{{kind: pin, name: x, item: i, slot: a, ends_at: {value}}}]",
                f"应为日期，或自 1970 年起的毫秒数：{value} {said}",
            )
            for value, said in (
                (1_800_000_000, "像是自 1970 年起的秒数（2027-01-15T08:00:00Z）"),
                (1_800_000_000_000_000, "像是自 1970 年起的微秒数"),
                (1_800_000_000_000_000_000, "像是自 1970 年起的纳秒数"),
            )
        ),
        ("slots: [a]\nrules: [{kind: pin, name: x, item: i, slot: b}]", "应为页面的位置之一（a），现为“b”"),
    ],
)
def test_what_does_not_fit_in_a_file_is_said_in_each_language(page: str, said: str) -> None:
    (fault,) = check(f"page: home\n{page}\n")[1]
    assert in_language(fault.text, "zh").startswith(said)


def test_a_text_on_which_nothing_can_be_changed_is_told_in_each_language() -> None:
    for text in ("slots: [a", "x: *none"):
        with pytest.raises(BadSettings) as refused:
            edited(text, [Drop("x")])
        assert in_language(sentence_of(refused.value), "zh").startswith("文本不是一个页面，因此无法在其上更改：第 ")


@pytest.mark.parametrize(
    ("body", "said", "where"),
    [
        ({"author": " "}, "expected your name, at least 2 characters, got nothing.", "“您的姓名”"),
        ({"author": "m"}, "expected your name, at least 2 characters, got 'm'.", "“您的姓名”"),
        ({"author": "mira"}, "expected why you do this, at least 2 characters, got nothing.", "“原因”"),
    ],
)
def test_who_publishes_without_a_name_or_a_reason_is_told_where_to_enter_it(
    body: dict[str, str], said: str, where: str
) -> None:
    with pytest.raises(BadSettings) as refused:
        _signed(body, "author", "reason")
    assert str(refused.value).startswith(said) and "and try again" in str(refused.value)
    assert where in in_language(sentence_of(refused.value), "zh")
