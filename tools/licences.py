"""Write THIRD_PARTY.md: under which licence each package of constraints.txt is; `make generated`.

What a package says of itself is read where it is installed, or is unpacked in a folder that is named as well.
Of others the row that is there stays, as long as it is of the same version.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "THIRD_PARTY.md"

HEAD = """# Licences of other packages

Reshelf is under the Apache License 2.0 (`LICENSE`). It uses the packages below, which pip installs beside it, each
under its own licence, in the words of the package itself. The column "asked for by" has the extras that bring a
package; `reshelf` stands for what is always installed, `reshelf-bench` for the measurements, and an empty place for
what another package brings, or `make bench` alone: Quix Streams and Pathway, which are measured beside Reshelf and are
in none of its packages. The Business Source License of Pathway (BUSL-1.1) lets anybody copy it and use it where
that is no production. `make generated` writes this page.

| package | version | licence | asked for by |
|---|---|---|---|
"""

IN_ITS_FILE = {"bayesianbandits": "MIT", "bytewax": "Apache-2.0", "pathway": "BUSL-1.1"}
"""Licences that a package states in a file of its own alone, looked up by hand."""

LONGEST = 60
"""Characters of a licence's name; what is longer is its text."""


def name_of(requirement: str) -> str:
    """The name that a requirement begins with, as it is compared."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=; ]", requirement)[0]).lower()


def users_by_package() -> dict[str, list[str]]:
    """Who asks for a package: `reshelf`, or the extras of it and of the measurements."""
    users: dict[str, list[str]] = {}
    for folder in (ROOT, ROOT / "bench"):
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        groups = {project["name"]: project["dependencies"], **project["optional-dependencies"]}
        for group, requirements in groups.items():
            for requirement in requirements:
                users.setdefault(name_of(requirement), []).append(group)
    return users


def licence(about: PackageMetadata) -> str:
    """What a package says of its licence, in few words; empty where it says nothing."""
    if in_its_file := IN_ITS_FILE.get(name_of(about["Name"])):
        return in_its_file
    if expressions := about.get_all("License-Expression"):
        return str(expressions[0])
    text = "".join(about.get_all("License") or []).strip()
    if text and "\n" not in text and len(text) <= LONGEST:
        return text
    kinds = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or [] if line.startswith("License :: ")]
    return " or ".join(kinds)


def rows(pinned: Sequence[str], before: Mapping[str, str], folders: Sequence[str]) -> Iterator[str]:
    """A row for each line of constraints; raises LookupError for what is neither here nor in the rows before."""
    here = {
        name_of(distribution.metadata["Name"]): distribution
        for distribution in distributions(path=[*folders, *sys.path])
    }
    users = users_by_package()
    for line in pinned:
        package, _, version = line.partition("==")
        package_distribution = here.get(name_of(package))
        text = (
            licence(package_distribution.metadata)
            if package_distribution and package_distribution.version.partition("+")[0] == version
            else before.get(line, "")
        )
        if not text:
            raise LookupError(f"{line} says no licence, or is not installed: install it, or name a folder that has it.")
        yield f"| {package} | {version} | {text} | {', '.join(users.get(name_of(package), []))} |"


def written(before: str, folders: Sequence[str] = ()) -> str:
    """The page, from what is installed and from the page as it was."""
    table = re.findall(r"^\| (\S+) \| (\S+) \| (.+?) \| .*\|$", before, re.MULTILINE)
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = [line for line in text.splitlines() if not line.startswith("#")]
    return (
        HEAD
        + "\n".join(
            rows(pinned, {f"{name}=={version}": licence_text for name, version, licence_text in table}, folders)
        )
        + "\n"
    )


if __name__ == "__main__":
    try:
        before = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
        FILE.write_text(written(before, sys.argv[1:]), encoding="utf-8")
    except LookupError as error:
        sys.exit(str(error))
