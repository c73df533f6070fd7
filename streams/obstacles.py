"""Why a worker that lives and is connected does not do its work: what `/ready` gives as reasons."""

from __future__ import annotations

OBSTACLES: dict[str, str] = {}
"""The reasons of this process, each under a name of its own; who sets one takes it away when it is over."""
