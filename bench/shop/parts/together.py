"""All workers at once, as on one small machine, and what the layout worker then makes of it."""

from __future__ import annotations

from typing import Any

from bench.shop.parts.layouts import measured
from bench.shop.workplace import Workplace

BESIDE = ("attribution", "fitter")


def measure(at: Workplace) -> dict[str, Any]:
    """As the layout worker alone with a learner, but that the others work, too."""
    return measured(at, "together", dict.fromkeys(BESIDE, ()))
