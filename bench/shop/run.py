"""All parts that were asked for, one after another, in one shop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any

from bench.shop.size import Share, Size
from bench.shop.workplace import Options, Say, Workplace, workplace
from reshelf.settings import Settings


def measure(
    settings: Settings, size: Size, parts: Sequence[str], options: Options, share: Share, seed: int, say: Say
) -> dict[str, Any]:
    """The shop as it was made, and what was found of each part."""
    with workplace(settings, size, options, share, seed, say) as at:
        figures = []
        for name in parts:
            say(f"part: {name}")
            figures.append(_measure(name)(at))
            say(f"found: {json.dumps(figures[-1], default=str)}")
        shop = asdict(size) | {"share": share.workers, "rate": options.rate, "seed": seed}
        return {"shop": shop, "state": asdict(at.filled), "parts": figures}


def _measure(name: str) -> Callable[[Workplace], Mapping[str, Any]]:
    """The function that measures a part; what one needs is not loaded for the others."""
    measured: Callable[[Workplace], Mapping[str, Any]] = import_module(f"bench.shop.parts.{name}").measure
    return measured
