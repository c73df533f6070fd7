"""The HTTP edge: until it has all layouts, what it takes to hold them, and how it answers."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from bench.shop.published import publish_layouts
from bench.shop.report import blank, memory
from bench.shop.workplace import Workplace
from reshelf.processes.children import free_port

ANSWERS_S, PAUSE_S = 5.0, 0.005


def measure(at: Workplace) -> dict[str, Any]:
    """Ready, at rest; then the slate of a visitor for each page and segment, one after another."""
    figures = blank("edge") | {"layouts": publish_layouts(at)}
    port = free_port()
    with at.part("edge", "reshelf", "edge", "--port", str(port), port=port) as part:
        figures |= part.started(at.options.ready_s)
        rest = part.rss_mb
        if figures["ready_s"] is not None:
            figures["layouts"] = json.loads(part.get("/ready")[1])["layouts"]
            took, until = [], time.monotonic() + max(ANSWERS_S, at.options.seconds)
            for number, key in enumerate(at.shop.keys):
                began = time.perf_counter()
                status, _ = part.get(f"/layouts/{key.page}/{key.segment}?unit=unit-{number}")
                took.append(time.perf_counter() - began if status == 200 else float("inf"))
                if time.monotonic() > until:
                    break
                time.sleep(PAUSE_S)
            p50, p99 = (np.quantile(took, [0.5, 0.99]) * 1000).round(1).tolist()
            figures["answer_ms"] = {"p50": p50, "p99": p99, "answers": len(took)}
        figures |= memory(part, rest)
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}
