"""Where tests find a Python that is newer than the one they run by: on the path, or in a folder with a newer Debian."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.moved_clock import real_clock

NAMES = tuple(f"python3.{minor}" for minor in range(14, sys.version_info.minor, -1))
"""The newest first."""
DEBIAN = "trixie"
"""A release of Debian whose python3 is 3.13."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reshelf-test"
OF_THE_NETWORK = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class Newer:
    """A program on the path, or one inside of a root folder."""

    program: str
    root: Path | None = None

    def place(self, folder: Path) -> Path:
        """Where a checkout goes: the folder, or one in the root."""
        return folder if self.root is None else self.root / "work"

    def run(self, folder: Path, *command: str, limit_s: float = 600) -> str:
        """What a command prints that runs in the folder; raises AssertionError where it fails."""
        kept = {
            name: value
            for name, value in real_clock().items()
            if not name.startswith(("KAFKA", "PYTHON", "RESHELF", "PYTEST"))
        }
        before: list[str] = []
        if self.root is not None:
            inside = "/" + str(folder.relative_to(self.root))
            before = ["chroot", str(self.root), "env", "--chdir", inside]
            # Nothing is compiled there: a new Debian has no compiler.
            kept |= {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "RESHELF_PURE": "1", "TMPDIR": "/tmp"}
        done = subprocess.run(
            [*before, *command], cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=limit_s
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-6_000:]
        return done.stdout


def on_path() -> Newer | None:
    """The newest Python of the path that runs and has venv."""
    for name in NAMES:
        program = shutil.which(name)
        if program and runs(program):
            return Newer(program)
    return None


def runs(program: str) -> bool:
    """Whether it is more than the name of a Python, and has venv."""
    done = subprocess.run([program, "-c", "import ensurepip, venv"], check=False, capture_output=True)
    return done.returncode == 0


def in_cache() -> Newer | None:
    """The Python of the Debian that was made before."""
    root = CACHE / DEBIAN
    return Newer("/usr/bin/python3", root) if (root / "usr/bin/python3").exists() and os.geteuid() == 0 else None


def lacking() -> list[str]:
    """What it takes to make the folder with a newer Debian, and is not here."""
    lacks = [] if os.geteuid() == 0 else ["root"]
    lacks += [] if shutil.which("debootstrap") else ["debootstrap"]
    return lacks + ([] if mirrors() else ["a source of Debian's packages in /etc/apt"])


def made() -> Newer:
    """Debian in a folder of the cache, which stays there; raises CalledProcessError where it cannot be had."""
    CACHE.mkdir(parents=True, exist_ok=True)
    new = CACHE / f"{DEBIAN}.new"
    shutil.rmtree(new, ignore_errors=True)
    packages = "--include=python3,python3-venv,ca-certificates"
    command = ["debootstrap", "--variant=minbase", packages, DEBIAN, str(new), mirrors()[0]]
    subprocess.run(command, check=True, capture_output=True, timeout=900, env=real_clock())
    new.rename(CACHE / DEBIAN)
    return Newer("/usr/bin/python3", CACHE / DEBIAN)


def mirrors(apt: Path = Path("/etc/apt")) -> Sequence[str]:
    """Where this machine takes Debian's packages from."""
    files = [*apt.glob("sources.list.d/*.sources"), *apt.glob("sources.list.d/*.list"), *apt.glob("sources.list")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(files))
    return re.findall(r"^(?:URIs:|deb(?: \[.*?\])?) *(\S+/debian)/?(?= |$)", text, re.MULTILINE)


def let_in(root: Path) -> None:
    """Give the folder this machine's way to the network."""
    for name in OF_THE_NETWORK:
        if Path("/", name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path("/", name), root / name)
