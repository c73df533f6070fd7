"""The package installs and its quick tests pass on a newer Python than the one that runs the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.all_tests import if_all
from tests.deploy.compiler import quick_compiler
from tests.deploy.manifests import ROOT
from tests.deploy.newer_python import DEBIAN, NAMES, Newer, in_cache, lacking, let_in, made, mirrors, on_path

QUICK = ("tests/schemas", "tests/policy", "tests/streams/test_fold*.py", "tests/streams/test_learner.py")
NOT_COPIED = (".git", ".venv", ".*_cache", "node_modules", "build", "dist", "*.egg-info", "*.so", "*.c", "__pycache__")


def newer() -> Newer:
    """A newer Python, or a skip that says why there is none."""
    if found := on_path() or in_cache():
        return found
    if not NAMES:
        pytest.skip("the tests run by the newest Python that is supported: there is no newer one to try")
    if lacks := lacking():
        pytest.skip(
            f"no newer Python is on the path, and Debian {DEBIAN} cannot be made here without {', '.join(lacks)}"
        )
    return made()


@pytest.mark.long
@if_all
def test_a_newer_python_installs_the_package_and_passes_the_quick_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = newer()
    monkeypatch.setenv("CC", quick_compiler(tmp_path))
    monkeypatch.setenv("PIP_NO_COMPILE", "1")
    checkout = python.place(tmp_path / "checkout")
    shutil.rmtree(checkout, ignore_errors=True)
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(*NOT_COPIED))
    if python.root is not None:
        let_in(python.root)
    own = ".venv/bin/python"
    python.run(checkout, python.program, "-m", "venv", ".venv")
    version = python.run(checkout, own, "-c", "import sys; print(*sys.version_info[:2], sep='.')")
    assert f"python{version.strip()}" in NAMES
    pip = (own, "-m", "pip", "install", "--quiet", "--no-compile", "--constraint", "constraints.txt")
    python.run(checkout, *pip, "--upgrade", "pip")
    python.run(checkout, *pip, "--editable", ".[embedded]", "pytest", "hypothesis", "jsonschema", limit_s=900)
    files = [str(path.relative_to(checkout)) for pattern in QUICK for path in sorted(checkout.glob(pattern))]
    assert len(files) >= len(QUICK)
    told = python.run(checkout, own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)
    print(f"Python {version.strip()}: {told.splitlines()[-1]}")


def test_mirrors_are_those_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("# deb x://old/debian a main\ndeb [arch=amd64] x://one/debian a main\n")
    parts = "Types: deb\nURIs: x://two/debian\nSuites: a\n\nURIs: x://three/debian-security\n"
    (tmp_path / "sources.list.d" / "debian.sources").write_text(parts)
    assert sorted(mirrors(tmp_path)) == ["x://one/debian", "x://two/debian"]
