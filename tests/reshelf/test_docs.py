"""What the documents say, where it can be checked: links, commands, settings, partitions, and both languages."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from reshelf.cli.main import cli
from reshelf.rules.file import read
from reshelf.settings import fields
from reshelf.topics.publish import check
from schemas.topics import CATALOG_ITEMS
from streams.kafka.clients import partition_of
from tests.deploy.manifests import parsed

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
FILES = (".md", ".yml", ".yaml", ".json", ".py")
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "examples" / "README.md", *ROOT.glob("docs/**/*.md")])
NAMING = (".md", ".py", ".html", ".js", ".mjs", ".css", ".yml", ".yaml", ".toml")
UNTRACKED = {".venv", "node_modules", "build", "dist", ".git"}


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def code(text: str) -> list[str]:
    """What stands between backticks, blocks left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def outline(text: str) -> list[str]:
    """How headings, lists, tables and pictures follow each other; words do not matter."""
    marks = re.findall(r"^(#+ |- |\| |!\[|```)", text, re.MULTILINE)
    return [mark.strip() for mark in marks]


def test_both_languages_say_the_same_in_the_same_order() -> None:
    assert blocks(CHINESE) == blocks(ENGLISH)
    assert sorted(code(CHINESE)) == sorted(code(ENGLISH))
    assert outline(CHINESE) == outline(ENGLISH)
    figures = re.compile(r"\d[\d,.]*\d %|\d+,\d{3}")
    assert figures.findall(CHINESE) == figures.findall(ENGLISH)


def links(text: str) -> list[str]:
    """Targets of links and pictures that lead to files, without their anchors."""
    targets = re.findall(r"\]\(([^()\s]+)\)", text)
    return [name for target in targets if not re.match(r"\w+:", target) and (name := target.partition("#")[0])]


def anchors(text: str) -> set[str]:
    """What a link may name after `#`: the headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def written_files() -> list[Path]:
    """Every text that people wrote, this test left out."""
    found = [path for path in ROOT.rglob("*") if path.suffix in NAMING or path.name == "Makefile"]
    inside = [path for path in found if path.is_file() and not UNTRACKED & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in inside if path != Path(__file__))


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / name).resolve() for name in links(index.read_text(encoding="utf-8"))}
    assert {path for path in ROOT.glob("docs/**/*.md") if path != index} <= named


def test_every_page_of_the_docs_is_in_a_folder_by_who_reads_it() -> None:
    folders = {path.parent.name for path in ROOT.glob("docs/*/*.md")}
    assert folders == {"start", "concepts", "operating", "reference"}
    assert {path.name for path in ROOT.glob("docs/*.md")} == {"README.md", "ARCHITECTURE.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in links(text):
        assert (page.parent / name).exists(), f"{page.relative_to(ROOT)} links to {name}"
    for name, anchor in re.findall(r"\]\(([^()\s#:]*)#([^()\s]+)\)", text):
        target = (page.parent / name) if name else page
        assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name} links to {name}#{anchor}"


def test_paths_into_the_docs_are_right_wherever_they_are_named() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number} names {name}"
        for path in written_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for name in re.findall(r"(?<![\w./-])docs/[\w/-]+\.\w+", line)
        if not (ROOT / name).exists()
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    rooms = ("docs", "schemas", "policy", "encoders", "streams", "reshelf", "bench", "examples", "deploy", "tests")
    for name in code(page.read_text(encoding="utf-8")):
        if re.fullmatch(rf"({'|'.join(rooms)})/[\w/.-]+", name):
            assert (ROOT / name).exists(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_profiles_that_a_page_names_are_those_of_docker_compose(page: Path) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"].values()
    known = {profile for service in services for profile in service.get("profiles", [])}
    assert set(re.findall(r"--profile (\w+)", page.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_a_page_names_are_known(page: Path) -> None:
    known = {key for key, _ in fields()}
    groups = {key.partition(".")[0] for key in known}
    for name in code(page.read_text(encoding="utf-8")):
        key = name.partition(" =")[0]
        if re.fullmatch(rf"({'|'.join(groups)})\.[a-z_]+", key) and not key.endswith(
            ("_total", ".md", ".yml", ".json")
        ):
            assert key in known, f"{page.name} names the setting {key}"


def test_commands_of_the_readme_are_command_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    lines = [line for block in blocks(ENGLISH) for line in block.splitlines() if line.startswith("reshelf ")]
    assert len(lines) >= 5
    for line in lines + [one for one in code(ENGLISH) if re.match(r"reshelf (demo|drill|bench) -?", one)]:
        parsed(cli, shlex.split(line, comments=True)[1:])


def test_the_shop_of_the_readme_fits_together() -> None:
    folder = ROOT / "examples" / "shop"
    with (folder / "catalog.jsonl").open("rb") as lines:
        assert check(lines, CATALOG_ITEMS, "catalog.jsonl").total >= 12
        lines.seek(0)
        categories = {json.loads(line)["category"] for line in lines}
    (page,) = read((folder / "home.yaml").read_text(encoding="utf-8"), "home.yaml")
    assert set(page.candidates.categories) == categories


def test_partitions_that_producers_compare_with_are_right() -> None:
    text = (ROOT / "docs" / "start" / "producing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert len(rows) >= 5
    for key, of_four, of_twelve in rows:
        assert (partition_of(key.encode(), 4), partition_of(key.encode(), 12)) == (int(of_four), int(of_twelve))
