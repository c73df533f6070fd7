"""Numbers as people read them: the same in Python and in browsers."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reshelf import numbers

EXAMPLES: list[tuple[str, list[Any], str]] = json.loads(Path(__file__).with_name("numbers.json").read_text())
IN_PYTHON = {"percent": numbers.share}
"""Functions that have another name there."""
ALL = """
import * as numbers from %s;
let text = "";
for await (const part of process.stdin) text += part;
console.log(JSON.stringify(JSON.parse(text).map(([name, args]) => numbers[name](...args))));
"""


FORMS = re.compile(r",|%|\.\d+[efg]")
"""Forms of numbers that people read: the module `reshelf.numbers` has them."""
ROOM = Path(str(files("reshelf")))
CODE = [file for file in sorted(ROOM.rglob("*.py")) if file.name != "numbers.py"]


def shown(name: str, args: list[Any]) -> str:
    function = IN_PYTHON.get(name) or getattr(numbers, name)
    text: str = function(*args)
    return text


def in_node(calls: list[tuple[str, list[Any]]]) -> list[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: numbers of the console's pages are not compared with those of reports")
    module = json.dumps(str(files("reshelf.console").joinpath("static", "numbers.js")))
    told = subprocess.run(
        [node, "--no-warnings", "--experimental-default-type=module", "--input-type=module", "--eval", ALL % module],
        input=json.dumps(calls), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    answers: list[str] = json.loads(told.stdout)
    return answers


@pytest.mark.parametrize(("name", "args", "expected"), EXAMPLES)
def test_numbers_are_told_like_this(name: str, args: list[Any], expected: str) -> None:
    assert shown(name, args) == expected


def test_browsers_tell_all_numbers_alike() -> None:
    calls = [(name, args) for name, args, _ in EXAMPLES]
    rng = np.random.default_rng(7)
    for value in [*(rng.normal(size=300) * 10 ** rng.uniform(-4, 7, 300)).tolist(), *(np.arange(-40, 40) / 8).tolist()]:
        calls += [("number", [value, 2]), ("gain", [value]), ("percent", [value]), ("quantity", [value])]
        calls += [("outcome", ["revenue", value, currency]) for currency in ("EUR", "JPY", "TND")]
    assert in_node(calls) == [shown(name, args) for name, args in calls]


@pytest.mark.parametrize(
    ("value", "most", "text"),
    [(7.0, 4, "7"), (0.0, 4, "0"), (1234567.0, 3, "1,234,567"), (0.012345, 3, "0.0123"), (2.5, 4, "2.5"),
     (-0.5, 4, "−0.5"), (float("nan"), 4, "–"), (100.04, 4, "100"), (0.05, 4, "0.05"), (1000.0, 4, "1,000")],
)  # fmt: skip
def test_figures_are_told_with_as_many_digits_as_count(value: float, most: int, text: str) -> None:
    assert numbers.figures(value, most) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "below 0.001"), (0.04, "0.040"), (1.0, "1.000")])
def test_what_chance_would_do_is_told_like_this(value: float, text: str) -> None:
    assert numbers.p_value(value) == text


def own_forms(tree: ast.AST) -> Iterator[str]:
    """Forms of numbers that stand in texts themselves, in the code's own way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            form = ast.unparse(node.format_spec)
            yield from [form] if FORMS.search(form) and not re.search(r"%[a-zA-Z]", form) else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\{[^{}\s]*:[^{}\s]*(?:,|%|\.\d[efg])\}", node.value)


def test_numbers_for_people_are_told_by_one_module() -> None:
    forms = {str(file.relative_to(ROOM)): list(own_forms(ast.parse(file.read_text("utf-8")))) for file in CODE}
    assert {file: own for file, own in forms.items() if own} == {}


def test_a_form_of_its_own_is_noticed() -> None:
    tree = ast.parse('f"{rate:.1%} {count:,} {name:<9} {at:%Y-%m-%d}", "{:+.0%}".format(rate)')
    assert list(own_forms(tree)) == ["f'.1%'", "f','", "{:+.0%}"]
