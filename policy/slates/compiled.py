"""The compiled part, where there was a C compiler when this was installed."""

from __future__ import annotations

try:
    from policy.slates import scan
except ImportError:
    scan = None  # type: ignore[assignment]

__all__ = ["BUILT", "scan"]
BUILT = scan is not None
