"""The console: until it answers, what it takes, and how long its pages take."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from bench.shop.child import Part
from bench.shop.published import publish_layouts
from bench.shop.publishing import measure_draft
from bench.shop.report import blank, memory
from bench.shop.workplace import Workplace
from reshelf.processes.children import free_port

PAGES = "/api/pages"
PLACE = "page", "segment"
CONTENTS = {
    "pages": (),
    "pipeline": (),
    "start": (),
    "shop": PLACE,
    "arms": PLACE,
    "experiment": PLACE,
    "why": (*PLACE, "slot", "item"),
    "timeline": (*PLACE, "item"),
    "rules": ("page",),
    "calendar": (),
    "drafts": (),
    "segments": (),
    "items": ("page", "q"),
}
"""What pages show, and what each is asked for with."""


def measure(at: Workplace) -> dict[str, Any]:
    """Ready once it lists the pages; then the content of each of its pages, twice: anew and warm, in milliseconds.

    At last a draft is previewed and published (`bench.shop.publishing`).
    """
    figures = blank("console") | {"layouts": publish_layouts(at)}
    port, key = free_port(), at.shop.keys[0]
    where = {"page": key.page, "segment": key.segment}
    with at.part("console", "reshelf", "console", "--port", str(port), port=port) as part:
        figures |= part.started(at.options.ready_s, PAGES)
        rest = part.rss_mb
        if figures["ready_s"] is not None:
            card = _first_card(part, where, at.options.ready_s)
            for name, about in CONTENTS.items():
                query = urlencode({field: value for field, value in (where | card).items() if field in about})
                times = [_asked_ms(part, f"/api/{name}?{query}", at.options.ready_s) for _ in range(2)]
                figures[f"{name}_ms"] = {"first": times[0], "again": times[1]}
            figures |= measure_draft(at, part, key)
        figures |= memory(part, rest)
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}


def _first_card(part: Part, where: Mapping[str, str], timeout_s: float) -> dict[str, str]:
    """The item in the first slot, and a search for it; nothing where the page shows none."""
    status, body = part.get(f"/api/shop?{urlencode(where)}", timeout_s)
    slots = json.loads(body)["slots"] if status == 200 else []
    return {"slot": slots[0]["slot"], "item": slots[0]["item"], "q": slots[0]["item"]} if slots else {}


def _asked_ms(part: Part, path: str, timeout_s: float) -> int | None:
    """How long an answer takes; None where it is none."""
    began = time.perf_counter()
    status, _ = part.get(path, timeout_s)
    return round(1000 * (time.perf_counter() - began)) if status == 200 else None
