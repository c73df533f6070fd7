"""Returns that are sent as purchases, where they do not count: they are told from what is only wrong."""

from __future__ import annotations

import re

import orjson

from schemas.topics import RETURNS
from streams.fold.judge import Rejected

RETURN = "return"
"""What is counted instead of the reason of their dead letter, which is `invalid`."""
_SIGNED = ("quantity", "amount")
_OF_A_LINE = re.compile(r"at `\$\.lines\[\d+\]\.(quantity|amount)`$")


def is_return(rejected: Rejected) -> bool:
    """Whether goods or money go back: a line has a quantity or an amount below 0."""
    if not _OF_A_LINE.search(rejected.detail):
        return False
    try:
        lines = orjson.loads(rejected.record.value or b"")["lines"]
        return any(isinstance(line.get(name), int) and line[name] < 0 for line in lines for name in _SIGNED)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def explained(rejected: Rejected) -> Rejected:
    """The same, and its dead letter says what it is."""
    detail = f"a return, which counts in {RETURNS.name} alone: {rejected.detail}"
    return rejected._replace(detail=detail)
