"""Attribution: a rate that it is given, then a backlog of clicks and what remembering each costs."""

from __future__ import annotations

import time
from typing import Any

from bench.shop.parts.learner import caught_up, under_traffic
from bench.shop.report import blank, memory
from bench.shop.traffic import Traffic
from bench.shop.workplace import Workplace
from schemas.topics import CLICKS, PURCHASES

READERS = ((CLICKS.name, "a"), (PURCHASES.name, "a"))


def measure(at: Workplace) -> dict[str, Any]:
    """Ready, at rest, under traffic; then a backlog of clicks and orders alone."""
    figures, traffic = blank("attribution"), Traffic(at.settings.kafka, at.shop, f"{at.shop.seed}-attribution")
    with at.part("attribution") as part:
        figures |= part.started(at.options.ready_s)
        rest = part.rss_mb
        if figures["ready_s"] is not None:
            figures |= under_traffic(at, part, traffic, READERS)
        figures |= memory(part, rest)
    if not at.options.backlog:
        figures["events_per_s"] = figures.get("sent_per_s")
    elif not figures["ended"]:
        figures |= _backlog(at, traffic, figures["rss_mb"])
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}


def _backlog(at: Workplace, traffic: Traffic, before: dict[str, Any]) -> dict[str, Any]:
    """Clicks and purchases a second, and bytes of memory for each click: in the process, and in Redis."""
    clicks = at.options.backlog
    at.say(f"attribution: {clicks:,} clicks and purchases wait for it")
    traffic.publish_clicks(clicks)
    redis = at.redis()
    with at.part("attribution") as part:
        rate = caught_up(at, part, READERS)
        time.sleep(at.options.settle_s if part.alive else 0.0)
        grown = {"process": (part.peak_mb - (before["rest"] or 0)), "redis": at.redis().mb - redis.mb}
        return {
            "events_per_s": rate,
            "bytes_per_click": {name: round(mb * 2**20 / clicks) for name, mb in grown.items()},
            "rss_mb": {**before, "peak": max(before["peak"], round(part.peak_mb))},
            "ended": part.ended(),
        }
