"""What is written down about kinds of rules besides their declaration says the same as that."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from policy.rules.kinds.cap import Cap as CapConstraint
from policy.rules.kinds.cap import Caps
from policy.rules.order import Relaxation
from policy.rules.registry import KINDS
from policy.slates.compiled import BUILT, scan
from schemas import rules as declared
from schemas.messages.pages import PageRules
from schemas.rules import (
    Bid,
    Boost,
    Cap,
    Complements,
    Exposure,
    LeastExposure,
    Match,
    MostOfKind,
    NotAbove,
    NotBelow,
    Pin,
    Placement,
    Rule,
    Spacing,
    Sponsored,
)
from tests.policy.ruled_pages import SLOTS, compile_page, stocked

DOCS = (Path(__file__).parents[2] / "docs/concepts/rules.md").read_text()
EXAMPLES: list[Rule] = [
    Pin(name="n", item="i1", slot="hero"),
    Boost(name="n", match=Match(items=["i1"]), factor=2.0),
    Cap(name="n", most=2),
    Spacing(name="n", by="brand", distance=2),
    Exposure(name="n", match=Match(), least=0.5),
    Placement(name="n", match=Match(items=["i1"]), slots=["hero"]),
    Sponsored(name="n", match=Match(items=["i1"]), slot="hero", impressions=1),
    Bid(name="n", match=Match(items=["i1"]), amount=1.0, worth=2.0),
    Complements(name="n"),
    NotAbove(name="n", shelf="new", row="row-2"),
    NotBelow(name="n", shelf="new", row="row-2"),
    MostOfKind(name="n", shelf_kind="grid", most=1),
    LeastExposure(name="n", shelf="new", least=0.5),
]


def test_every_declared_kind_has_a_module() -> None:
    assert list(KINDS) == list(declared.KINDS)
    assert [type(rule) for rule in EXAMPLES] == list(declared.KINDS)


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: declared.kind_of(type(rule)))
def test_what_a_kind_asks_for_gives_way_when_the_kind_says(rule: Rule) -> None:
    page = PageRules("home", 1, list(SLOTS), rules=[rule])
    tables = compile_page(page, list(stocked()), stocked(), pacing={"n": 1.0}).tables
    asked = [row for row, table in enumerate(tables) if table.labels]
    level = KINDS[type(rule)].relaxation
    # The first two tables are those of pins and soft pins, which are placed before all other arms.
    assert asked == ([level + 1] if level else [0] if isinstance(rule, Pin | Sponsored) else [])


@pytest.mark.skipif(not BUILT, reason="no C compiler was at hand when this was installed")
def test_the_compiled_code_relaxes_in_the_same_order() -> None:
    assert {level.name: level.value for level in Relaxation} == scan.RELAXATION


def test_the_docs_list_kinds_in_the_order_in_which_they_give_way() -> None:
    numbered = re.findall(r"^(\d)\. (.*)$", DOCS, re.MULTILINE)
    listed = {int(number): re.findall(r"`(.*?)`", text) for number, text in numbered}
    assert listed == {
        level.value: [declared.kind_of(rule) for rule, kind in KINDS.items() if kind.relaxation is level]
        for level in Relaxation
    }


def test_the_docs_say_what_each_kind_asks_for_and_show_one() -> None:
    tags = [declared.kind_of(kind) for kind in declared.KINDS]
    tables = [text.partition("\n\n")[0] for text in DOCS.split("| kind | what it asks for |\n")[1:]]
    heads = [head for table in tables for head in re.findall(r"^\|(.*?)\|", table, re.MULTILINE)]
    assert [tag for head in heads for tag in re.findall(r"`(.*?)`", head)] == tags
    assert set(re.findall(r"\{kind: ([\w-]+)", DOCS)) == set(tags)


def test_a_cap_may_be_about_some_slots_alone() -> None:
    codes, first_two = np.array([0, 0, 1, -1], dtype=np.int32), np.array([True, True, False])
    caps = Caps.of([CapConstraint("cap n", "", codes, 1, first_two)], 4, 3)
    slates = np.array([[0, 1, 2], [0, 2, 1], [0, -1, 1], [3, 3, 3]], dtype=np.int32)
    assert caps.broken(slates, ()) == [1]
    assert caps.page_wide.tolist() == [False]
