"""What the wheels hold and ask for, told from the two pyproject.toml without building any."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BENCH: dict[str, Any] = tomllib.loads((ROOT / "bench" / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = [pattern.rstrip("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
NEEDED: list[str] = PROJECT["project"]["dependencies"]
BROUGHT = {"pydantic-core", "quixstreams", "pathway"}
"""pydantic asks for the one version that fits it, and `make bench` installs the others without what they ask for."""
FOR_USE = ("archive", "embedded", "encoders")
PINNED = {
    line.partition("==")[0].lower().replace("_", "-")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
}


INSTALLED_AS = {
    "confluent_kafka": "confluent-kafka",
    "faust": "faust-streaming",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "mlflow": "mlflow-skinny",
}
"""Packages whose distribution is called otherwise; what is not installed here says nothing of itself."""


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=;]", requirement)[0].lower().replace("_", "-")


def test_every_file_of_a_room_is_packed() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    built = (".py", ".so", ".c", ".pyc")
    left = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and not path.name.endswith(built) and not any(fnmatch(path.name, one) for one in patterns)
    ]
    assert left == []
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("requirement", NEEDED + [one for extra in FOR_USE for one in EXTRAS[extra]])
def test_what_is_needed_has_a_range_and_a_pin(requirement: str) -> None:
    assert re.search(r"(==|>=)\d", requirement)
    assert name_of(requirement) in PINNED


@pytest.mark.parametrize("room", [*ROOMS, "bench"])
def test_what_is_imported_is_asked_for(room: str) -> None:
    extras = [*EXTRAS.values(), *(BENCH["project"]["optional-dependencies"].values() if room == "bench" else [])]
    known = {name_of(one) for one in [*NEEDED, *(one for extra in extras for one in extra)]} | BROUGHT
    rooms = [*ROOMS, "bench"] if room == "bench" else ROOMS
    owners = packages_distributions()
    for path in (ROOT / room).rglob("*.py"):
        for module in imported(ast.parse(path.read_text(encoding="utf-8"))):
            if module not in sys.stdlib_module_names and module not in rooms:
                names = owners.get(module, [INSTALLED_AS.get(module, module)])
                found = {name.lower().replace("_", "-") for name in names}
                assert found & known, f"{path.relative_to(ROOT)} imports {module}"


def test_measurements_are_a_distribution_of_their_own_of_the_same_version() -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "bench").rglob("__init__.py")}
    assert set(BENCH["tool"]["setuptools"]["packages"]) == {".".join(folder.parts) for folder in folders}
    project = PROJECT["project"]
    assert BENCH["project"]["dependencies"] == [f"reshelf=={project['version']}"]
    for same in ("version", "requires-python"):
        assert BENCH["project"][same] == project[same]


def imported(tree: ast.Module) -> Iterator[str]:
    """Names of the top packages that a module imports, at its head or later."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
