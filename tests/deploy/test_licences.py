"""Our licence goes with the packages, and those of what they bring are listed."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import PackageMetadata
from typing import cast

import pytest

from tests.deploy.manifests import ROOT
from tests.deploy.test_package import BENCH, PROJECT
from tools.licences import FILE, licence, name_of, users_by_package, written

PAGE = FILE.read_text(encoding="utf-8")
ROWS = {name_of(name): users for name, users in re.findall(r"^\| (\S+) \| \S+ \| .+ \| (.*) \|$", PAGE, re.MULTILINE)}


def test_the_page_is_what_packages_and_constraints_say() -> None:
    assert written(PAGE) == PAGE, "write it anew with `make generated`"


@pytest.mark.parametrize("project", [PROJECT, BENCH], ids=["reshelf", "reshelf-bench"])
def test_every_package_that_is_users_by_package_is_listed(project: dict[str, dict[str, dict[str, list[str]]]]) -> None:
    extras = project["project"]["optional-dependencies"]
    named = [*project["project"]["dependencies"], *(one for extra in extras.values() for one in extra)]
    missing = {name_of(one) for one in named} - ROWS.keys() - {"reshelf"}
    assert missing == set()
    assert users_by_package()["aiokafka"] == ["reshelf"] and ROWS["aiokafka"] == "reshelf"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([("License-Expression", "MIT"), ("License", "other")], "MIT"),
        ([("License", "Apache 2.0"), ("Classifier", "License :: OSI Approved :: MIT License")], "Apache 2.0"),
        ([("License", "All\nof it"), ("Classifier", "License :: OSI Approved :: BSD License")], "BSD License"),
        ([("Classifier", "Topic :: Database")], ""),
    ],
)
def test_a_licence_is_told_by_its_shortest_name(fields: list[tuple[str, str]], told: str) -> None:
    about = Message()
    about["Name"] = "one"
    for name, value in fields:
        about[name] = value
    assert licence(cast("PackageMetadata", about)) == told


def test_a_package_without_a_licence_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.licences.distributions", lambda **_: [])
    assert written(PAGE) == PAGE
    with pytest.raises(LookupError, match="says no licence, or is not installed"):
        written("")


def test_the_licence_goes_with_both_packages() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    assert (ROOT / "bench" / "LICENSE").read_text(encoding="utf-8") == text
    for project in (PROJECT, BENCH):
        assert project["project"]["license"] == "Apache-2.0"
        assert "LICENSE" in project["project"]["license-files"]
