"""The encoder: the texts of the whole catalog."""

from __future__ import annotations

import time
from typing import Any

from bench.shop.report import blank, memory
from bench.shop.workplace import Workplace
from reshelf.processes.encoder import MISSING, installed

LOOK_S = 0.25
TEXTS = "reshelf_encoder_texts_total"


def measure(at: Workplace) -> dict[str, Any]:
    """Ready, and texts a second for as long as traffic counts elsewhere."""
    figures = blank("encoder")
    if not installed():
        return figures | {"ended": MISSING}
    with at.part("encoder", "reshelf", "encoder") as part:
        figures |= part.started(at.options.ready_s)
        rest, began, done = part.rss_mb, time.monotonic(), part.count(TEXTS, "encoded")
        while part.alive and time.monotonic() - began < at.options.seconds:
            time.sleep(LOOK_S)
        took = time.monotonic() - began
        figures["texts_per_s"] = round((part.count(TEXTS, "encoded") - done) / took, 1)
        figures |= memory(part, rest)
    return figures
