"""The console: until it answers, what it takes, and how long its pages take."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from bench.shop.published import publish_layouts
from bench.shop.report import blank, memory
from bench.shop.workplace import Workplace
from reshelf.processes.children import free_port

PAGES = "/api/pages"


def measure(at: Workplace) -> dict[str, Any]:
    """Ready once it lists the pages; then the content of each of its pages, twice: anew and warm."""
    figures = blank("console") | {"layouts": publish_layouts(at)}
    port, key = free_port(), at.shop.keys[0]
    where = urlencode({"page": key.page, "segment": key.segment})
    with at.part("console", "reshelf", "console", "--port", str(port), port=port) as part:
        figures |= part.started(at.options.ready_s, PAGES)
        rest = part.rss_mb
        if figures["ready_s"] is not None:
            for name in ("pages", "pipeline", f"shop?{where}", f"arms?{where}", f"experiment?{where}"):
                times = []
                for _ in range(2):
                    began = time.perf_counter()
                    status, _ = part.get(f"/api/{name}", at.options.ready_s)
                    times.append(round(1000 * (time.perf_counter() - began)) if status == 200 else None)
                figures[f"{name.partition('?')[0]}_ms"] = {"first": times[0], "again": times[1]}
        figures |= memory(part, rest)
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}
