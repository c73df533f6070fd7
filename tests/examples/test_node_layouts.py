"""The renderer in `examples/node` against the published vectors and the Python reference."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from policy.assignment import choose
from policy.vectors import published
from schemas.codec import encode, encode_key
from schemas.messages.fields import FALLBACK
from schemas.messages.layouts import Layout, LayoutBranch, LayoutLife, LayoutShelf
from schemas.topics import LAYOUTS
from tests.reshelf.test_layouts_command import NOW_MS, layout

FOLDER = Path(__file__).parents[2] / "examples" / "node"
UNITS = [f"unit-{number}" for number in range(300)] + ["größe", "客人", "😀"]
FALLBACK_SLATE = {"home-1": "own"}


def node(script: str, given: Any) -> Any:
    """What a script prints as JSON; it finds its input in `given`."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed: the renderer in JavaScript is not tested")
    modules = 'import * as m from "./layouts.mjs"; import * as s from "./segments.mjs";'
    head = f'{modules} import {{ readFileSync }} from "node:fs";'
    text = f'{head} const given = JSON.parse(readFileSync(0, "utf8")); console.log(JSON.stringify({script}));'
    done = subprocess.run(
        [program, "--input-type=module", "-e", text],
        cwd=FOLDER,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_published_vectors_hold() -> None:
    vectors = json.loads(published())
    hashes = node("given.unit_hash.map(v => m.unitHash(...v.parts))", vectors)
    assert hashes == [vector["hash"] for vector in vectors["unit_hash"]]
    holdout = node("given.in_holdout.map(v => m.inHoldout(v.unit, v.salt, v.share))", vectors)
    assert holdout == [vector["holdout"] for vector in vectors["in_holdout"]]
    variants = node("given.variant_of.map(v => m.variantOf(v.unit, v.page, v.epoch, v.variants))", vectors)
    assert variants == [vector["variant"] for vector in vectors["variant_of"]]
    branches = node("given.branch_of.map(v => [m.unitBin(v.unit), m.branchOf(v.bin, v.salt, v.shares)])", vectors)
    assert branches == [[vector["bin"], vector["branch"]] for vector in vectors["branch_of"]]
    script = "given.choose.map(v => v.units.map(u => ({ unit: u.unit, ...m.choose(v.layout, u.unit) })))"
    assert node(script, vectors) == [vector["units"] for vector in vectors["choose"]]
    script = "(({ model, parts, visitors }) => { const points = s.itemsOf(model, parts);"
    script += " return visitors.map(v => s.chooseSegment(model, points, v.items, v.current, v.value)); })"
    segments = node(f"{script}(given.choose_segment)", vectors)
    assert segments == [visitor["segment"] for visitor in vectors["choose_segment"]["visitors"]]
    assert node("s.itemsOf(given.choose_segment.model, []) ?? null", vectors) is None


def shown(
    records: list[Layout | None], segment: str, now_ms: int, lives: dict[str, str | None] | None = None
) -> list[dict[str, Any]]:
    """What each unit is shown after the records (None: a tombstone for "cooks") and signs of life."""
    pairs = [
        (encode_key(LAYOUTS, "home", "cooks" if one is None else one.segment).decode(), one and encode(one).decode())
        for one in records
    ]
    given = {"pairs": pairs, "units": UNITS, "segment": segment, "now": now_ms, "fallback": FALLBACK_SLATE}
    given["lives"] = [*(lives or {}).items()]
    script = (
        "(() => { const l = new m.Layouts(); for (const [k, v] of given.pairs) l.take(k, v);"
        " for (const [k, v] of given.lives) l.takeLife(k, v);"
        " return given.units.map(u => l.show('home', given.segment, u, given.now, given.fallback)); })()"
    )
    found: list[dict[str, Any]] = node(script, given)
    return found


def test_visitors_are_shown_what_the_reference_chooses() -> None:
    newest = layout("cooks", 9)
    found = shown([layout("cooks", 7), newest, layout("cooks", 8)], "cooks", NOW_MS)
    chosen = [choose(newest, unit) for unit in UNITS]
    assert [(one["variant"], one["slate"]) for one in found] == [(one.variant, one.slate) for one in chosen]
    assert {one["version"] for one in found} == {9}
    assert {one["variant"] for one in found} == {-1, 0, 1}


def test_units_of_a_branch_are_shown_its_slates() -> None:
    slates = [{"home-1": f"i{number}"} for number in range(5)]
    branches = [LayoutBranch("main", "thompson", 0.6, 3), LayoutBranch("ucb", "ucb", 0.4, 2)]
    tried = msgspec.structs.replace(layout("cooks", 9), slates=slates, branches=branches, branch_salt="b-1")
    chosen = [choose(tried, unit) for unit in UNITS]
    assert [(one["variant"], one["slate"]) for one in shown([tried], "cooks", NOW_MS)] == [one[:2] for one in chosen]
    assert {one.variant for one in chosen} == {-1, 0, 1, 2, 3, 4}


def test_visitors_get_the_rows_of_their_slate_and_what_shelves_are_called() -> None:
    arranged = msgspec.structs.replace(
        layout("cooks", 9),
        rows=[{"top": "new", "below": "best"}, {"top": "best"}],
        baseline_rows={"top": "best", "below": "new"},
        shelves={"new": LayoutShelf("New in"), "best": LayoutShelf(kind="grid")},
    )
    found = shown([arranged], "cooks", NOW_MS)
    assert [one["rows"] for one in found] == [choose(arranged, unit).rows for unit in UNITS]
    assert len({json.dumps(one["rows"]) for one in found}) == 3
    assert all(one["shelves"] == {"new": {"title": "New in"}, "best": {"kind": "grid"}} for one in found)


def test_the_whole_page_and_then_the_fallback_stand_in() -> None:
    whole = layout("*", 3)
    assert {one["version"] for one in shown([layout("cooks", 9), None, whole], "cooks", NOW_MS)} == {3}
    own = {"variant": FALLBACK, "version": 0, "slate": FALLBACK_SLATE, "rows": {}, "shelves": {}}
    assert shown([whole], "cooks", whole.expires_at) == [own] * len(UNITS)
    assert shown([], "cooks", NOW_MS) == [own] * len(UNITS)


def test_a_layout_stands_while_its_life_goes_on() -> None:
    one = msgspec.structs.replace(layout("cooks", 9), life="live/0/1")
    life = encode(LayoutLife("live/0/1", NOW_MS, one.expires_at + 1)).decode()
    cases: list[tuple[dict[str, str | None], int]] = [
        ({"live/0/1": life}, 9),
        ({"live/0/1": None}, 0),
        ({"live/1/2": life}, 0),
        ({}, 0),
    ]
    for lives, version in cases:
        assert {one["version"] for one in shown([one], "cooks", one.expires_at, lives)} == {version}
    assert {found["version"] for found in shown([one], "cooks", one.expires_at + 1, {"live/0/1": life})} == {0}
