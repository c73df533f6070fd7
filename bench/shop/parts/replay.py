"""`reshelf replay` of the log into another namespace."""

from __future__ import annotations

import json
import time
from typing import Any

from bench.shop.report import blank, memory
from bench.shop.traffic import Traffic
from bench.shop.workplace import Workplace

LOOK_S = 0.25


def measure(at: Workplace) -> dict[str, Any]:
    """Events a second, with those of a backlog in the log at least."""
    figures = blank("replay")
    Traffic(at.settings.kafka, at.shop, f"{at.shop.seed}-replay").publish(max(1, at.options.backlog))
    redis, began = at.redis(), time.monotonic()
    command = "replay", "--into", f"{at.settings.redis.namespace}-again", "--json"
    with at.part("replay", "reshelf", *command) as part:
        while part.alive and time.monotonic() - began < at.options.ready_s:
            time.sleep(LOOK_S)
        took = time.monotonic() - began
        figures |= {"redis_cpu": round((at.redis().cpu_s - redis.cpu_s) / took, 3)} | memory(part, None)
        if part.child.poll() == 0:
            reply = json.loads(part.log.read_text().splitlines()[-1])
            figures |= {"events_per_s": reply["records_per_s"], "records": reply["records"], "ended": ""}
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}
