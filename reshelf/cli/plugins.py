"""Commands that other distributions bring: entry points of the group `reshelf.commands`, each a click command."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUP = "reshelf.commands"

OFFERED = {"bench": ("reshelf-bench", "bench")}
"""Commands of distributions that belong to this project: the distribution, and its folder in a checkout."""


@cache
def plugins() -> dict[str, EntryPoint]:
    """The commands that are installed beside Reshelf, by name; none of them is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def summary(name: str) -> str:
    """The line of help of an installed plug-in: what its distribution says of itself."""
    distribution = plugins()[name].dist
    return (distribution.metadata["Summary"] if distribution else None) or ""


def how_to_get(name: str) -> str:
    """The error text for a command of OFFERED that is not installed."""
    distribution, folder = OFFERED[name]
    return (
        f"{name}: expected the package {distribution}, found none in this environment. Install it beside reshelf: "
        f"`pip install ./{folder}` in a checkout, or the wheel of it that `make wheel` builds in dist/."
    )
