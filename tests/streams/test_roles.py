"""Each part of Reshelf reads and writes the topics that the table says, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reshelf.processes.roles import ROLES, _ending
from schemas import topics as table
from schemas.topic import Role, Topic
from schemas.topics import (
    CATALOG_EMBEDDINGS,
    CATALOG_ITEMS,
    CLICKS,
    DEAD_LETTERS,
    FOLDED_TOPICS,
    IMPRESSIONS,
    LAYOUT_LIVES,
    LAYOUT_REQUESTS,
    LAYOUTS,
    PAGE_RULES,
    PURCHASES,
    SEGMENTS,
    SEGMENTS_HISTORY,
    SIGNALS,
    TOPICS,
    UNIT_SEGMENTS,
    written_by,
)
from streams.catalog import follower
from streams.fitter import app as fitter
from streams.learner import app as learner
from streams.state.clicks import progress

ROOT = Path(__file__).parents[2]
PACKAGES = {
    Role.LEARNER: "streams/learner",
    Role.ATTRIBUTION: "streams/attribution",
    Role.FITTER: "streams/fitter",
    Role.LAYOUTS: "streams/layouts",
    Role.ENCODER: "encoders",
}
READ: dict[Role, tuple[Topic, ...]] = {
    Role.LEARNER: (*FOLDED_TOPICS, DEAD_LETTERS),
    Role.ATTRIBUTION: (*progress.READ, PAGE_RULES, *progress.WRITTEN, DEAD_LETTERS),
    Role.FITTER: (
        *fitter.READ_TOPICS,
        *(IMPRESSIONS, CLICKS, PURCHASES, SIGNALS),
        *(SEGMENTS, SEGMENTS_HISTORY, UNIT_SEGMENTS),
    ),
    Role.LAYOUTS: (*follower.FOLLOWED, LAYOUT_REQUESTS),
    Role.ENCODER: (CATALOG_ITEMS, CATALOG_EMBEDDINGS),
    Role.EDGE: (LAYOUTS, LAYOUT_LIVES, SEGMENTS, UNIT_SEGMENTS),
}
"""What each part subscribes to or follows."""


@pytest.mark.parametrize(
    ("status", "said"), [(0, "SIGTERM or SIGINT"), (1, "its last lines above say why"), (-9, "SIGKILL")]
)
def test_a_role_that_ended_is_told_of_by_how_it_ended(status: int, said: str) -> None:
    text = _ending("learner", status)
    assert said in text
    assert ("lines above" in text) == (status > 0), "what was told to end said nothing"


def names(topics: Sequence[Topic]) -> set[str]:
    return {topic.name for topic in topics}


def imported(package: str) -> Iterator[Any]:
    """What the files of a package import from the table of topics."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == table.__name__:
                yield from (getattr(table, alias.name) for alias in node.names)


def read_by(role: Role) -> tuple[Topic, ...]:
    return tuple(topic for topic in TOPICS if role in topic.readers)


def named(package: str) -> set[str]:
    found = (some if isinstance(some, tuple) else (some,) for some in imported(package))
    return {topic.name for some in found for topic in some if isinstance(topic, Topic)}


@pytest.mark.parametrize("role", READ)
def test_a_part_reads_what_the_table_says(role: Role) -> None:
    assert names(READ[role]) == names(read_by(role))


@pytest.mark.parametrize("role", PACKAGES)
def test_a_part_names_no_topic_but_its_own(role: Role) -> None:
    own = names(read_by(role)) | names(written_by(role))
    followed = names(follower.FOLLOWED) if role is Role.LAYOUTS else set()
    dead_letters = {"dead-letters"} & names(written_by(role))
    assert named(PACKAGES[role]) | followed | dead_letters == own


def test_a_part_looks_for_the_topics_that_it_writes_before_it_starts() -> None:
    assert names(learner.OUTPUTS) == names(written_by(Role.LEARNER))


def test_every_worker_is_a_role() -> None:
    assert set(ROLES) <= set(PACKAGES)


def test_rights_on_topics_are_listed_as_the_table_has_them() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    rows = [f"| `{topic.name}` | {', '.join(topic.writers)} | {', '.join(topic.readers)} |" for topic in TOPICS]
    assert "\n".join(rows) in text, "expected in SECURITY.md:\n" + "\n".join(rows)
