"""What the Dockerfile copies is there, reaches the builder, and is all that the package is made of."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COPIED = [
    source for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]
]
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_there_and_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert not [pattern for pattern in IGNORED if fnmatch(source, pattern)]


def test_secrets_and_builds_of_this_machine_stay_out() -> None:
    assert {".git", ".venv", ".env", "**/*.so"} <= set(IGNORED)


def test_the_image_is_built_from_all_of_the_package(tmp_path: Path) -> None:
    copied(tmp_path)
    include = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert packages(tmp_path, include) == packages(ROOT, include)
    for module in PROJECT["tool"]["setuptools"]["ext-modules"]:
        assert (tmp_path / module["sources"][0]).is_file()
    for name in ("setup.py", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]):
        assert (tmp_path / name).is_file()


def copied(folder: Path) -> None:
    """What the builder copies, without what is built on this machine."""
    folder.mkdir(exist_ok=True)
    for source in COPIED:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.c"))
        else:
            shutil.copy(ROOT / source, folder / source)


def packages(folder: Path, include: Sequence[str]) -> set[Path]:
    found = [place.relative_to(folder) for one in include for place in folder.glob(f"{one}/**/__init__.py")]
    return {place.parent for place in found}


def test_python_is_that_of_the_project_and_the_last_user_is_not_root() -> None:
    version = re.search(r"^ARG PYTHON=(\d+\.\d+)\.\d+$", DOCKERFILE, re.MULTILINE)
    assert version is not None
    assert PROJECT["project"]["requires-python"].startswith(f">={version[1]}")
    for stage in DOCKERFILE.split("\nFROM ")[2:]:
        users = re.findall(r"^USER (\d+)$", stage, re.MULTILINE)
        assert not users or users[-1] != "0"
    assert DOCKERFILE.rstrip().endswith("AS worker")
