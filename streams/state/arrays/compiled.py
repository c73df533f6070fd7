"""The compiled part, where there was a C compiler when this was installed."""

from __future__ import annotations

try:
    from streams.state.arrays import kernel
except ImportError:
    kernel = None  # type: ignore[assignment]

__all__ = ["BUILT", "kernel"]
BUILT = kernel is not None
