"""Numbers as people read them: the same in Python and in browsers."""

from __future__ import annotations

import json
import shutil
import subprocess
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
