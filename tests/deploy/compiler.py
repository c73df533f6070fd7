"""A C compiler for tests that build: what it makes is loaded, not measured."""

from __future__ import annotations

from pathlib import Path


def quick_compiler(folder: Path) -> str:
    """The C compiler without optimisation and debugging, which take most of a minute; what counts last holds."""
    script = folder / "quick-cc"
    script.write_text('#!/bin/sh\nexec cc "$@" -O0 -g0\n', encoding="utf-8")
    script.chmod(0o755)
    return str(script)
