"""Examples of assignment with their results; `python -m policy.vectors > policy/vectors.json` writes them."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import Any

import msgspec

from policy.assignment import branch_of, choose, epoch_of, in_holdout, unit_bin, unit_hash, variant_of
from policy.segments.rule import choose_segment, items_of, segment_epoch
from schemas.messages.layouts import Layout, LayoutBranch, LayoutShelf
from schemas.messages.segments import SegmentItems, SegmentModel

UNITS = ("visitor-1", "visitor-2", "0", "a b", "Ünïcode-Besucher", "訪問者", "🛒", "e\u0301", "\u00e9", "x" * 128)
PAGES = (("home", 20_000), ("obd-all", 0), ("Männer/Schuhe", 20_780))
SALT, SHARE = "holdout-1", 0.1
BRANCHES = "branches-1", (0.5, 0.3, 0.2)
SEGMENTS = ("*", "new", "Stammkunden")
LOOKED_AT: tuple[list[str], ...] = (
    [],
    ["unheard of"],
    ["tent"],
    ["mug", "tent", "stove"],
    ["tent", "tent", "tent", "mug"],
    ["tent", "mug", "größe", "größe", "map", "mug"],
    ["stove", "mug", "unheard of", "map"],
    ["map"],
)
DAY_MS = 86_400_000
NOW_MS = 1_795_392_000_000


def vectors() -> dict[str, Any]:
    """The published test vectors: arguments and results of `policy.assignment` and `policy.segments.rule`."""
    return {
        "about": "h = first 53 bits of SHA-256 of the UTF-8 parts joined by a line feed, over 2**53",
        "unit_hash": [{"parts": [unit], "hash": unit_hash(unit)} for unit in UNITS],
        "in_holdout": [
            {
                "unit": unit,
                "salt": SALT,
                "share": SHARE,
                "hash": unit_hash(unit, SALT),
                "holdout": in_holdout(unit, SALT, SHARE),
            }
            for unit in (*UNITS, *(f"unit-{number}" for number in range(20)))
        ],
        "variant_of": [
            {
                "unit": unit,
                "page": page,
                "epoch": epoch,
                "variants": variants,
                "variant": variant_of(unit, page, epoch, variants),
            }
            for unit in UNITS
            for page, epoch in PAGES
            for variants in (1, 16, 255)
        ],
        **_branches_and_epochs(),
        "choose": [_choices(layout) for layout in _layouts()],
        "choose_segment": _segments(),
        "segment_epoch": [
            {"segment": segment, "epoch": epoch, "number": segment_epoch(segment, epoch)}
            for segment in (*SEGMENTS, "t00", "t01", "t12", "t999999999", "t1", "t01x")
            for epoch in (0, 20_780)
        ],
    }


def _segment_model() -> tuple[SegmentModel, list[SegmentItems]]:
    """A model, and its parts with one of another version."""
    model = SegmentModel(
        version=7,
        generation=2,
        published_at=NOW_MS,
        names=["t04", "t05", "t06"],
        starts=[-3, -3, 0],
        parts=2,
        attribute="device",
        values={"phone": [4, 0, -4], "other": [-4, 0, 4]},
        margin=8,
        window=3,
    )
    return model, [
        SegmentItems(7, 0, {"tent": [20, -12, -9], "stove": [15, -9, -9]}),
        SegmentItems(6, 1, {"mug": [-99, 99, -99]}),
        SegmentItems(7, 1, {"mug": [-9, 18, -9], "größe": [-7, -7, 16], "map": [0, 0, 0]}),
    ]


def _segments() -> dict[str, Any]:
    """A model, its parts, and the segments of visitors by it."""
    model, parts = _segment_model()
    points = items_of(model, parts) or {}
    visitors = [
        {
            "items": items,
            "current": current,
            "value": value,
            "segment": choose_segment(model, points, items, current, value),
        }
        for items in LOOKED_AT
        for current, value in (("", ""), ("t04", "phone"), ("t06", "other"), ("t05", "tablet"), ("t01", "phone"))
    ]
    return {"model": msgspec.to_builtins(model), "parts": msgspec.to_builtins(parts), "visitors": visitors}


def _choices(layout: Layout) -> dict[str, Any]:
    """What units are shown of a layout: a page without rows has none."""
    units = [*UNITS[:8], *(f"unit-{number}" for number in range(8))]
    choices = [choose(layout, unit) for unit in units]
    return {
        "layout": msgspec.to_builtins(layout),
        "units": [
            {"unit": unit, "variant": choice.variant, "slate": dict(choice.slate), "rows": dict(choice.rows)}
            for unit, choice in zip(units, choices, strict=True)
        ],
    }


def _layouts() -> list[Layout]:
    """A flat page, one with shelves, and this one with a policy on trial."""
    flat = Layout(
        page="home",
        segment="*",
        version=9,
        produced_at=NOW_MS,
        expires_at=NOW_MS + 600_000,
        epoch=20_780,
        template="default",
        policy="thompson",
        settings_digest="",
        rules_version=1,
        parameters_version=0,
        catalog_position=[],
        watermarks={},
        holdout_share=0.2,
        holdout_salt=SALT,
        baseline={"top.1": "tent", "top.2": "stove", "below.1": "mug"},
        slates=[{"top.1": "mug", "top.2": "tent", "below.1": "stove"}, {"top.1": "stove", "below.1": "mug"}],
        propensities={},
    )
    shelves = {"new": LayoutShelf("New in"), "best": LayoutShelf("Best sellers", "grid")}
    rows = {
        "rows": [{"top": "new", "below": "best"}, {"top": "best"}],
        "baseline_rows": {"top": "best", "below": "new"},
        "row_propensities": {"top": {"new": 0.5, "best": 0.5}, "below": {"best": 0.5}},
        "shelves": shelves,
    }
    branches = [LayoutBranch("main", "thompson", 0.5, 1), LayoutBranch("upper bound", "ucb", 0.5, 1)]
    on_trial = {"branches": branches, "branch_salt": BRANCHES[0]}
    replaced = msgspec.structs.replace
    return [flat, replaced(flat, **rows), replaced(flat, **rows, **on_trial)]


def _branches_and_epochs() -> dict[str, Any]:
    return {
        "branch_of": [
            {
                "unit": unit,
                "bin": unit_bin(unit),
                "salt": BRANCHES[0],
                "shares": list(BRANCHES[1]),
                "branch": branch_of(unit_bin(unit), *BRANCHES),
            }
            for unit in UNITS
        ],
        "epoch_of": [
            {
                "now_ms": NOW_MS,
                "page": page,
                "segment": segment,
                "epoch_ms": DAY_MS,
                **epoch_of(NOW_MS, page, segment, DAY_MS)._asdict(),
            }
            for page, _ in PAGES
            for segment in SEGMENTS
        ],
    }


def rendered() -> str:
    """The vectors as the text of `vectors.json`."""
    return json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"


def published() -> str:
    """The text of `vectors.json` as it was shipped."""
    return files("policy").joinpath("vectors.json").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(rendered())
