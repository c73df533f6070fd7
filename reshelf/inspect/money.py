"""Outcomes per page view as people read them; messages, state and JSON have money in minor units."""

from __future__ import annotations

WITHOUT = {
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
    "XOF", "XPF",
}  # fmt: skip
"""Currencies whose unit has no parts, by ISO 4217."""
THOUSANDS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
"""Those whose unit has a thousand parts; all others have a hundred."""


def outcome(name: str, value: float, currency: str) -> str:
    """How much of an outcome there is; revenue and net revenue with their currency."""
    if not name.endswith("revenue"):
        return f"{value:.4g}"
    parts = 1 if currency in WITHOUT else 1_000 if currency in THOUSANDS else 100
    return f"{currency} {value / parts:,.3f}"
