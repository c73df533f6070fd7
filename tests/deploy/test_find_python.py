"""Make finds a Python that fits, and says what is missing where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT
from tests.deploy.test_package import PROJECT

FITS = f'exec {sys.executable} "$@"'
OLD = 'echo "Python 3.10" >&2; exit 1'
BARE = 'echo "Python 3.12 without venv" >&2; exit 1'
SHIM = 'echo "no such version" >&2; exit 127'


def find(folder: Path, there: dict[str, str], *named: str) -> subprocess.CompletedProcess[str]:
    """What the script answers where these are all the programs that there are."""
    for name, does in there.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    command = ["/bin/sh", str(ROOT / "tools" / "find-python"), *named]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"python3": FITS}, "python3"),
        ({"python3.12": FITS, "python3": FITS}, "python3.12"),
        ({"python3.11": SHIM, "python3.13": BARE, "python3.14": FITS, "python3": OLD}, "python3.14"),
    ],
)
def test_the_first_that_fits_is_taken(there: dict[str, str], chosen: str, tmp_path: Path) -> None:
    done = find(tmp_path, there)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{chosen}\n", "")


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({}, "none of python3.11 python3.12 python3.13 python3.14 python3."),
        ({"python3": OLD}, "python3 is Python 3.10."),
        ({"python3.12": BARE, "python3.13": SHIM}, "python3.12 is Python 3.12 without venv, python3.13 does not run."),
    ],
)
def test_where_none_fits_it_says_what_it_found_and_what_to_do(
    there: dict[str, str], found: str, tmp_path: Path
) -> None:
    done = find(tmp_path, there)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"expected 3.11, 3.12, 3.13 or 3.14 with venv, found: {found}\n" in done.stderr
    assert "make PYTHON=" in done.stderr


def test_the_one_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    there = {"python3": FITS, "mine": OLD}
    assert find(tmp_path, there, "mine").returncode == 1
    assert find(tmp_path, there, sys.executable).stdout == f"{sys.executable}\n"


def test_its_bounds_are_those_of_the_package() -> None:
    text = (ROOT / "tools" / "find-python").read_text(encoding="utf-8")
    assert "(3, 11) <= sys.version_info[:2] <= (3, 14)" in text
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.15"


def test_make_ends_with_what_the_script_says() -> None:
    make = ["make", "--no-print-directory", "VENV=/nowhere/at/all", "PYTHON=python-of-nobody", "/nowhere/at/all/.demo"]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "found: none of python-of-nobody." in done.stderr
