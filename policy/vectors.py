"""Examples of assignment with their results; `python -m policy.vectors > policy/vectors.json` writes them."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import Any

from policy.assignment import branch_of, epoch_of, in_holdout, unit_bin, unit_hash, variant_of

UNITS = ("visitor-1", "visitor-2", "0", "a b", "Ünïcode-Besucher", "訪問者", "🛒", "e\u0301", "\u00e9", "x" * 128)
PAGES = (("home", 20_000), ("obd-all", 0), ("Männer/Schuhe", 20_780))
SALT, SHARE = "holdout-1", 0.1
BRANCHES = "branches-1", (0.5, 0.3, 0.2)
SEGMENTS = ("*", "new", "Stammkunden")
DAY_MS = 86_400_000
NOW_MS = 1_795_392_000_000


def vectors() -> dict[str, Any]:
    """The published test vectors: arguments and results of every function of `policy.assignment`."""
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
    }


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
