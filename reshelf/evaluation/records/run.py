"""One run: what was asked, of which log, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec


class Run(msgspec.Struct, frozen=True):
    """One run; `log` says what it read, `asked` its own options, `results` what it found.

    `settings` is a digest of all settings without secrets and without addresses.
    """

    id: str
    kind: str
    finished_at: str
    seconds: float
    code: str
    settings: str
    asked: dict[str, Any]
    log: dict[str, Any]
    results: dict[str, Any]
