"""Packages are built, installed elsewhere and run there: by the Dockerfile's steps, and without a C compiler."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from tests.all_tests import if_all
from tests.deploy.compiler import quick_compiler
from tests.deploy.test_image import DOCKERFILE, PROJECT, copied
from tests.moved_clock import real_clock

pytestmark = if_all

BUILD, INSTALL = re.findall(r"^RUN (pip (?:wheel|install) .*)$", DOCKERFILE.partition(" AS encoder")[0], re.MULTILINE)


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with the libraries of this one."""
    root = tmp_path_factory.mktemp("image")
    app, wheels, home = root / "app", root / "wheels", root / "home"
    copied(app)
    run(BUILD.replace("/wheels", str(wheels)), app, CC=quick_compiler(root))
    pip = INSTALL.partition(" && ")[0].replace("--constraint /wheels/constraints.txt", "")
    install(pip.replace("/wheels", str(wheels)), home)
    return home


def install(pip: str, home: Path) -> None:
    """Run a line of pip that installs into a new environment, which has the libraries of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(home)}))
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    run(f"{pip} --no-deps --prefix {home} --ignore-installed", home)


def run(step: str, folder: Path, **environment: str) -> None:
    """A line of pip or of another module, by this Python."""
    command = f"'{sys.executable}' -m {step}"
    # What pip installs to build with runs once: it is not compiled beforehand.
    own = real_clock() | {"PIP_NO_COMPILE": "1"} | environment
    done = subprocess.run(command, check=False, shell=True, cwd=folder, capture_output=True, env=own)
    assert done.returncode == 0, done.stderr.decode()[-4_000:]


def told(folder: Path, *command: str) -> str:
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RESHELF"))}
    done = subprocess.run(command, check=False, cwd=folder, env=alone, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-4_000:]
    return done.stdout.decode()


@pytest.fixture
def without_compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel for any machine, built from the sources' package where no C compiler works."""
    pytest.importorskip("build", reason="build is not installed (extra `test`)")
    root = tmp_path_factory.mktemp("pure")
    copied(root / "checkout")
    # What builds is installed once for both steps.
    tools = root / "tools"
    needs = " ".join(PROJECT["build-system"]["requires"])
    run(f"pip install --quiet --disable-pip-version-check --target {tools} {needs}", root)
    run("build --quiet --no-isolation --sdist --outdir dist checkout", root, PYTHONPATH=str(tools))
    (sources,) = (root / "dist").iterdir()
    with tarfile.open(sources) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for module in PROJECT["tool"]["setuptools"]["ext-modules"]:
        assert {*module["sources"], *module.get("depends", [])} <= names
    options = "--no-cache-dir --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir dist"
    run(f"pip wheel {options} {sources}", root, RESHELF_PURE="1", CC="/bin/false", PYTHONPATH=str(tools))
    (wheel,) = (root / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    install(f"pip install {wheel}", root / "home")
    return root / "home"


@pytest.mark.long
def test_without_a_compiler_all_but_the_compiled_parts_is_there(without_compiler: Path, tmp_path: Path) -> None:
    ask = "import reshelf, policy.slates.compiled, streams.fold.fast.path as fold; print(reshelf.__file__)"
    ask += "; print(policy.slates.compiled.BUILT, fold.BUILT)"
    place, built = told(tmp_path, str(without_compiler / "bin/python"), "-c", ask).splitlines()
    assert Path(place).is_relative_to(without_compiler)
    assert built == "False False"
    said = told(tmp_path, str(without_compiler / "bin/reshelf"), "--version")
    assert said == f"reshelf {PROJECT['project']['version']}\n"


@pytest.mark.long
def test_the_installed_command_runs_with_its_compiled_parts_and_writes_settings(
    installed: Path, tmp_path: Path
) -> None:
    modules = "reshelf", "policy.slates.scan", "streams.fold.fast.compiled", "streams.state.arrays.kernel"
    ask = "import sys, importlib; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]))"
    places = told(tmp_path, str(installed / "bin/python"), "-c", ask, *modules).split()
    assert len(places) == len(modules)
    assert [place for place in places if not Path(place).is_relative_to(installed)] == []
    assert "Usage: reshelf" in told(tmp_path, str(installed / "bin/reshelf"), "--help")
    told(tmp_path, str(installed / "bin/reshelf"), "init")
    assert list(tmp_path.glob("*.toml"))
