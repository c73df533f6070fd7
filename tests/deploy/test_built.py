"""The Dockerfile's steps in plain folders: a wheel is built from what is copied, installed elsewhere and run there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.deploy.test_image import DOCKERFILE, copied

BUILD, INSTALL = re.findall(r"^RUN (pip (?:wheel|install) .*)$", DOCKERFILE.partition(" AS encoder")[0], re.MULTILINE)


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with the libraries of this one."""
    root = tmp_path_factory.mktemp("image")
    app, wheels, home = root / "app", root / "wheels", root / "home"
    copied(app)
    run(BUILD.replace("/wheels", str(wheels)), app)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(home)}))
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    pip = INSTALL.partition(" && ")[0].replace("--constraint /wheels/constraints.txt", "--no-deps")
    run(pip.replace("/wheels", str(wheels)) + f" --prefix {home} --ignore-installed", root)
    return home


def run(step: str, folder: Path) -> None:
    """A RUN line, by this Python's pip."""
    assert step.startswith("pip ")
    done = subprocess.run(f"'{sys.executable}' -m {step}", check=False, shell=True, cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-4_000:]


def told(folder: Path, *command: str) -> str:
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RESHELF"))}
    done = subprocess.run(command, check=False, cwd=folder, env=alone, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-4_000:]
    return done.stdout.decode()


def test_the_installed_command_runs_with_its_compiled_parts_and_writes_settings(
    installed: Path, tmp_path: Path
) -> None:
    modules = "reshelf", "policy.slates.scan", "streams.fold.fast.compiled"
    ask = "import sys, importlib; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]))"
    places = told(tmp_path, str(installed / "bin/python"), "-c", ask, *modules).split()
    assert len(places) == len(modules)
    assert [place for place in places if not Path(place).is_relative_to(installed)] == []
    assert "Usage: reshelf" in told(tmp_path, str(installed / "bin/reshelf"), "--help")
    told(tmp_path, str(installed / "bin/reshelf"), "init")
    assert list(tmp_path.glob("*.toml"))
