"""What a drill's report says, whole, in the message of a test."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reshelf.drill.report import Report, as_json


def describe(report: Report, said: Sequence[str]) -> str:
    """All of a report and of what was said meanwhile; text, because pytest shortens anything else."""
    return "\n".join([json.dumps(as_json(report), indent=1, ensure_ascii=False), *said])
