"""Why a picture cannot be had."""

from __future__ import annotations

from typing import Literal, get_args

Reason = Literal["host", "address", "unreachable", "timeout", "status", "redirects", "size", "type", "path", "broken"]
REASONS: tuple[Reason, ...] = get_args(Reason)


class Refused(Exception):
    """A picture that cannot be had: its item goes on with its text alone.  `reason` is one of a few, for counting."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail
